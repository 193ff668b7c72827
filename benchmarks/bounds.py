"""The bounds that the fast path is held to: what was reached beside what was asked, PASS, MISS or not measured.

What is reached is the median of what each round reached by itself: a rented machine is another one ten minutes later,
and a ratio says something of two servers that were measured in the same minutes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median

from benchmarks.measure import Figure

OURS, EXPLAINED, BINARY_256 = "windvane", "windvane-explained", "windvane-oip-binary-256"
PEOPLE = "windvane-people"
HELLO, CANARY, FLOOR = "ray-hello", "ray-default-canary", "floor"
PEERS = ("kserve-v1", "kserve-v2", "mlserver", "bentoml", "litserve", "mlflow-serve")
MANY = 64  # connections that ratios are taken at
Medians = Mapping[str, Sequence[Figure]]  # by server; one round's figures, too


@dataclass(frozen=True, slots=True)
class Bound:
    """One promise: `reached` is None when a server that it needs was not measured."""

    what: str
    limit: float
    at_most: bool
    reached: float | None

    @property
    def verdict(self) -> str:
        """PASS, MISS, or that there is none."""
        if self.reached is None:
            return "not measured"
        holds = self.reached <= self.limit if self.at_most else self.reached >= self.limit
        return "PASS" if holds else "MISS"


def at(medians: Medians, name: str, concurrency: int = MANY) -> Figure | None:
    """The figure of one server at one concurrency, 0 for the open loop; None when there is none."""
    return next((each for each in medians.get(name, ()) if each.concurrency == concurrency), None)


def fastest_peer(medians: Medians) -> str | None:
    """The peer that answers most with 64 connections."""
    measured = [(figure.per_second, name) for name in PEERS if (figure := at(medians, name))]
    return max(measured)[1] if measured else None


def ratio(found: Medians, name: str, anchor: str | None) -> float | None:
    """Requests a second of one server to another's, both with 64 connections."""
    ours, theirs = at(found, name), at(found, anchor) if anchor else None
    return ours.per_second / theirs.per_second if ours and theirs else None


def usual_ratio(rounds: Sequence[Medians], name: str, anchor: str | None) -> float | None:
    """The median of the rounds' ratios."""
    return _median([ratio(found, name, anchor) for found in rounds])


def judge(rounds: Sequence[Medians], plain: Sequence[float | None], peer: str | None) -> list[Bound]:
    """Every bound against the rounds; `plain` ONNX Runtime's rows a second in each, `peer` the fastest."""
    judged = [_round(found, rows, peer) for found, rows in zip(rounds, plain, strict=True)]
    return [replace(same[0], reached=_median([each.reached for each in same])) for same in zip(*judged, strict=True)]


def _median(values: Sequence[float | None]) -> float | None:
    measured = [value for value in values if value is not None]
    return median(measured) if measured else None


def _round(found: Medians, plain_rows_per_second: float | None, peer: str | None) -> list[Bound]:
    named = f"the fastest peer's bare prediction ({peer})" if peer else "the fastest peer's bare prediction"
    rows = max((each.rows_per_second for each in found.get(BINARY_256, ()) if each.concurrency), default=None)
    share = rows / plain_rows_per_second if rows and plain_rows_per_second else None
    return [
        Bound("governed decide / Ray hello-world in our mode, c=64", 1.0, False, ratio(found, OURS, HELLO)),
        Bound(f"governed decide / {named}, c=64", 2.8, False, ratio(found, OURS, peer)),
        Bound("governed decide / the floor, c=64", 0.6, False, ratio(found, OURS, FLOOR)),
        Bound("governed decide / Ray's default canary, c=64", 20.0, False, ratio(found, OURS, CANARY)),
        Bound("governed decide / the floor, p50 at c=1", 3.2, True, _times(found, 1, FLOOR, lambda each: each.p50_ms)),
        Bound(
            f"governed decide / {named}, p99 at 1,000/s", 1.0, True, _times(found, 0, peer, lambda each: each.p99_ms)
        ),
        Bound("every decision explained / Ray hello-world, c=64", 0.55, False, ratio(found, EXPLAINED, HELLO)),
        Bound(f"every decision explained / {named}, c=64", 1.4, False, ratio(found, EXPLAINED, peer)),
        Bound("every decision explained / governed, c=64", 0.8, False, ratio(found, EXPLAINED, OURS)),
        Bound(
            "personal fields encrypted, purpose judged / Ray hello-world, c=64",
            0.65,
            False,
            ratio(found, PEOPLE, HELLO),
        ),
        Bound(f"personal fields encrypted, purpose judged / {named}, c=64", 1.5, False, ratio(found, PEOPLE, peer)),
        Bound("OIP binary, 256 rows a request / plain ONNX Runtime, rows/s", 0.5, False, share),
    ]


def _times(found: Medians, concurrency: int, anchor: str | None, read: Callable[[Figure], float]) -> float | None:
    """Ours over the anchor's, in the same round."""
    ours, theirs = at(found, OURS, concurrency), at(found, anchor, concurrency) if anchor else None
    return read(ours) / read(theirs) if ours and theirs else None


def verdict(judged: Sequence[Bound]) -> str:
    """The last line of a run: how many of the bounds that were measured held.

    >>> verdict([Bound("a", 1.0, False, 1.1), Bound("b", 1.0, True, 1.1), Bound("c", 1.0, True, None)])
    'MISSED: 1 of 2 bounds held, 1 not measured'
    """
    told = [bound.verdict for bound in judged]
    held, missed, open_ = (told.count(each) for each in ("PASS", "MISS", "not measured"))
    unmeasured = f", {open_} not measured" if open_ else ""
    return f"{'MISSED' if missed else 'PASSED'}: {held} of {held + missed} bounds held{unmeasured}"
