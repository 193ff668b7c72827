"""Watches whether a champion keeps what its scores promise: pure state, a step for each window whose labels are in."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Literal

from windvane.monitoring.statistics.calibration import Block, Promise, cost, day_effect, standardised, tolerance
from windvane.monitoring.statistics.detector import Detector, observe

# Windows whose effects are remembered: of bad weeks that come once in two months, fewer would often hold none.
KEPT_BLOCKS = 400
_STREAMS: tuple[tuple[Promise, int], ...] = (("rate", 1), ("rate", -1), ("slope", 1), ("slope", -1))


@dataclass(frozen=True, slots=True)
class PromiseState:
    """Memory of one champion, and of the days it lived in."""

    streams: Mapping[str, Detector] = field(default_factory=dict)
    history: tuple[Block, ...] = ()  # newest windows, of earlier champions too
    labels: int = 0  # of the windows seen since the champion began

    def for_new_champion(self) -> "PromiseState":
        """Start afresh; how much days differ stays known, but not from days on which a promise was being broken."""
        broken = [stream.began for stream in self.streams.values() if stream.began is not None]
        calm = tuple(each for each in self.history if not broken or each.window < min(broken))
        return PromiseState(history=calm)


@dataclass(frozen=True, slots=True)
class Alarm:
    """A promise that is surely broken, and since when."""

    promise: Promise
    sign: int  # of the deviation
    began: int  # window
    windows: int
    rows: int  # labels since then
    rarer: int  # of them, labels of the rarer class
    newest: Block
    limit: float  # deviation that is tolerated

    @property
    def name(self) -> Literal["rate_promise", "slope_promise"]:
        """The monitor that found it."""
        return "rate_promise" if self.promise == "rate" else "slope_promise"

    def cost(self) -> float:
        """Log loss per decision in the newest window that recalibrating alone would win back."""
        return cost(self.newest.deviation(self.promise), self.newest.variance(self.promise))

    def sentence(self, window_seconds: float, every: int) -> str:
        """Tells people what was promised, what came, since when, and how sure that is."""
        since = datetime.fromtimestamp(self.began * window_seconds, UTC)
        moment = f"{since:%Y-%m-%d %H:%M:%S}".removesuffix(":00").removesuffix(" 00:00")
        off = self.newest.deviation(self.promise)
        what = (
            f"{abs(off):.1%} {'more' if off > 0 else 'fewer'} came true than its scores promise"
            if self.promise == "rate"
            else f"its scores' log-odds count {self.newest.calibration_slope():.2f} times what they promise"
        )
        return (
            f"{what} (tolerated {self.limit:.4f}; in the newest of {self.windows} windows), since {moment}, on "
            f"{self.rows:,} labels: some {self.cost():.3f} log loss a decision; such an alarm is false once in "
            f"{every:,} windows at most"
        )


def look(before: PromiseState, seen: Block, reference: Block | None) -> PromiseState:
    """The state after one more window whose labels are in."""
    streams = {}
    for promise, sign in _STREAMS:
        name = _name(promise, sign)
        stream = before.streams.get(name, Detector())
        assumed = tolerance(seen, promise, None) ** 2
        effect = day_effect(_calm(before), promise, assumed)
        z, step = standardised(seen, promise, sign, effect, reference)
        streams[name] = observe(stream, z, step, seen.window, seen.n, seen.positives)
    return replace(
        before,
        streams=streams,
        history=(*before.history, seen)[-KEPT_BLOCKS:],
        labels=before.labels + seen.n,
    )


def alarm(state: PromiseState, every: int, persistence: int, reference: Block | None) -> Alarm | None:
    """The promise that is broken most surely, with one false alarm in `every` windows at most over all of them."""
    threshold = float(every * len(_STREAMS))
    sure = [
        (stream.evidence, promise, sign, stream)
        for promise, sign in _STREAMS
        if (stream := state.streams.get(_name(promise, sign))) is not None
        and stream.evidence >= threshold
        and stream.windows >= persistence
    ]
    if not sure:
        return None
    _, promise, sign, stream = max(sure, key=lambda each: each[0])
    assert stream.began is not None
    newest = state.history[-1]
    rarer = min(stream.positives, stream.rows - stream.positives)
    limit = tolerance(newest, promise, reference)
    return Alarm(promise, sign, stream.began, stream.windows, stream.rows, rarer, newest, limit)


def _calm(state: PromiseState) -> tuple[Block, ...]:
    """The windows before whatever goes on now began."""
    broken = [stream.began for stream in state.streams.values() if stream.began is not None]
    return tuple(each for each in state.history if not broken or each.window < min(broken))


def _name(promise: Promise, sign: int) -> str:
    return f"{promise}{'+' if sign > 0 else '-'}"
