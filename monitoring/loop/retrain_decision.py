"""Remembers and decides for a watcher: which windows are closed, what they show, what is wanted now. All pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from windvane.configs.schema import ModelSpec
from windvane.monitoring.counts.labelled_windows import LabelledSpan
from windvane.monitoring.counts.observation import Observation
from windvane.monitoring.findings import Finding, WindowMeasures, breaches, drift_findings, performance_findings
from windvane.monitoring.loop.assess import Assessment, assess
from windvane.monitoring.loop.promises import Alarm, PromiseState, alarm
from windvane.monitoring.loop.promises import look as watch_promises
from windvane.monitoring.loop.requests import Wanted
from windvane.monitoring.loop.triggers import Circumstances, Seen, TriggerState, assessed, consider, observe
from windvane.monitoring.loop.watch_notices import alarm_notice, assessment_notice, finding_notice, window_notices
from windvane.monitoring.notices import Notice
from windvane.monitoring.statistics.calibration import Block, block
from windvane.monitoring.statistics.performance import Performance

_SETTLE_SECONDS = 3.0  # wall clock without new counts before a closed window is measured: replicas ship once a second
PROVING_WINDOWS = 4.0  # that a candidate gets beside the time that labels take, before a fresher one may take its place
FUTURE = "event_time"  # the monitor's name where times lie ahead


@dataclass(frozen=True, slots=True)
class MonitorView:
    """View of a monitor that the watcher asks for at once, all of one version."""

    watermark: float | None  # the model's own clock, Unix seconds
    reference: Performance | None  # None while the monitor does not know the version's profile
    measures: tuple[WindowMeasures, ...]  # oldest first
    labelled: LabelledSpan | None
    learnt: int | None = None  # rows the version has learnt from
    days: tuple[Block, ...] = ()  # windows of those rows; only where none of its own was asked for before
    furthest: float | None = None  # the newest event time that ten decisions vouch for: wild ones may lie ahead


def view(seen: Observation, version: int, after: int | None, min_labels: int, clock: float | None) -> MonitorView:
    """View of a version from an observation; without `clock` the watermark is it."""
    watermark = seen.watermark()
    until = watermark if clock is None else clock
    labelled = None if until is None else seen.labelled(version, min_labels, until)
    days = seen.days(version) if after is None else ()
    measures = seen.measures(version, after)
    return MonitorView(
        watermark, seen.reference(version), measures, labelled, seen.learnt(version), days, seen.furthest()
    )


@dataclass(frozen=True, slots=True)
class WatchState:
    """Memory of one model's watcher; kept in the store."""

    trigger: TriggerState = field(default_factory=TriggerState)
    promises: PromiseState = field(default_factory=PromiseState)
    drift_window: int | None = None  # newest window whose rows were measured
    performance_window: int | None = None  # newest window whose labels were measured
    since: datetime | None = None  # event time at which the newest change began that a champion was made for
    label_wait: float = 0.0  # seconds that labels take, as last measured
    told: tuple[str, ...] = ()  # breaches of the champion that were told and go on: told once, not in every window
    note: str = ""  # why nothing is asked for now
    untold: tuple[Notice, ...] = ()
    wanted: Wanted | None = None  # was decided on and may not be opened yet

    def after(self) -> int | None:
        """The newest window that needs no second look."""
        if self.drift_window is None or self.performance_window is None:
            return None
        return min(self.drift_window, self.performance_window)

    def owes(self) -> bool:
        """Whether a decision was saved and not yet acted on."""
        return bool(self.untold) or self.wanted is not None

    def for_new_champion(self, began: datetime | None) -> "WatchState":
        """The state to go on with: all of a new champion's windows are to be measured.

        `began` is when the change began that it was made for. Before a version made for it has proven itself a change
        is a guess: a storm of three days breaks promises too, and is no reason to forget the rows before it.
        """
        return replace(
            self,
            promises=self.promises.for_new_champion(),
            since=began or self.since,
            drift_window=None,
            performance_window=None,
            told=(),
        )


def decide(
    spec: ModelSpec, champion: int, state: WatchState, view: MonitorView, seen: Circumstances
) -> tuple[WatchState, tuple[Finding, ...]]:
    """The next state, with what is to be told and wanted, and the breaches of newly closed windows."""
    rules, reference = spec.retrain, None if view.reference is None else block(-1, view.reference)
    if not state.promises.history and view.days:
        state = replace(state, promises=replace(state.promises, history=view.days))
    looked, found = look(spec, state, view.measures, seen, reference)
    worst = breaches(found)
    told = window_notices(_first_told(worst, state.told), seen.wall)
    looked = replace(looked, told=_still(state.told, found))
    trigger = observe(looked.trigger, champion, seen.clock, found)
    broken = alarm(looked.promises, spec.monitor.false_alarm_windows, rules.persistence, reference)
    wait = max((window.label_wait or 0.0 for window in view.measures[-1:]), default=state.label_wait)
    looked = replace(looked, label_wait=wait)
    if broken is not None and broken.name not in looked.told:
        found_broken = _broken_finding(broken, spec, champion)
        worst = (*worst, found_broken)
        told = (*told, finding_notice([found_broken], seen.wall))
        looked = replace(looked, told=tuple(sorted((*looked.told, broken.name))))
    proving_takes = wait + PROVING_WINDOWS * spec.monitor.window.total_seconds()
    proposal = consider(trigger, rules, seen, Seen(broken, looked.promises.labels, view.learnt, proving_takes))
    wanted, why = proposal.kind == "request", proposal.why
    names = tuple(finding.name for finding in proposal.findings)
    if proposal.kind == "assess" and view.reference is not None:
        verdict = assess(proposal.findings, view.labelled, view.reference, spec.monitor, rules.min_labels)
        if not _said_before(trigger, verdict, names):
            told = (*told, assessment_notice(verdict, proposal.findings, champion, seen))
        trigger = assessed(trigger, proposal.findings, verdict.verdict)
        wanted, why = verdict.verdict == "loses", verdict.why
    since = looked.since
    if wanted and broken is not None and proposal.cause == "findings":
        window = spec.monitor.window.total_seconds()
        since = datetime.fromtimestamp(broken.began * window, UTC)
        why = f"v{champion} breaks its promise: {broken.sentence(window, spec.monitor.false_alarm_windows)}"
        names = (f"{broken.name}:{spec.target.name}", *names)
        trigger = replace(trigger, asked_rows=broken.rows)
        told = (*told, alarm_notice(broken, why, champion, seen))
    if wanted and proposal.cause == "growth":
        trigger = replace(trigger, asked_labels=looked.promises.labels)
    request = None
    if wanted:
        until = _labels_until(spec, looked)
        moment = datetime.fromtimestamp(seen.clock, UTC)
        request = Wanted(proposal.cause, why, names, seen.wall, moment, since, until)
    return replace(looked, trigger=trigger, note=why, untold=told, wanted=request), worst


def future_told(state: WatchState, champion: int, furthest: float, now: datetime) -> WatchState:
    """The state with an event, once for a champion, that event times lie ahead of the clock."""
    if FUTURE in state.told:
        return state
    ahead = furthest - now.timestamp()
    span = f"{ahead / 3600:.1f} h" if ahead >= 3600 else f"{ahead / 60:.0f} min"
    detail = f"event times lie {span} ahead of this clock: windows of the future stay open; look at `event_time`"
    notice = Notice(f"future:{champion}", now, "finding", champion, detail, None, {"monitor": FUTURE, "value": ahead})
    return replace(state, told=tuple(sorted((*state.told, FUTURE))), untold=(*state.untold, notice))


def _first_told(worst: Sequence[Finding], told: Sequence[str]) -> list[Finding]:
    """Breaches that were not told yet, each in the first window it is over its limit."""
    first: dict[str, Finding] = {}
    for finding in worst:
        known = first.get(finding.name)
        if finding.name not in told and (known is None or finding.window < known.window):
            first[finding.name] = finding
    return [finding for finding in worst if first.get(finding.name) is finding]


def _still(told: Sequence[str], found: Sequence[Finding]) -> tuple[str, ...]:
    """Names that need not be told again: drift for as long as the champion stays, a loss for as long as it lasts."""
    over = {finding.name for finding in found if finding.breach}
    ended = {finding.name for finding in found if not finding.breach and finding.kind == "performance"}
    return tuple(sorted((set(told) | over) - ended))


def _labels_until(spec: ModelSpec, state: WatchState) -> datetime | None:
    if state.performance_window is None:
        return None
    return datetime.fromtimestamp((state.performance_window + 1) * spec.monitor.window.total_seconds(), UTC)


def look(
    spec: ModelSpec,
    state: WatchState,
    measures: Sequence[WindowMeasures],
    seen: Circumstances,
    reference: Block | None = None,
) -> tuple[WatchState, tuple[Finding, ...]]:
    """Findings of windows that closed since the last look: rows once they settled, labels once they are complete."""
    found: list[Finding] = []
    drift, performance, promises = state.drift_window, state.performance_window, state.promises
    for window in measures:
        if drift is not None and window.window <= drift:
            continue
        if not _rows_settled(window, seen):
            break
        found += drift_findings(window, spec.monitor)
        drift = window.window
    for window in measures:
        if performance is not None and window.window <= performance:
            continue
        if window.labels_complete(seen.clock):
            found += performance_findings(window, spec.monitor, spec.target.name)
            seen_block = None if window.performance is None else block(window.window, window.performance)
            if seen_block is not None:
                promises = watch_promises(promises, seen_block, reference)
        elif not window.labels_given_up(seen.clock):
            break
        performance = window.window
    return replace(state, drift_window=drift, performance_window=performance, promises=promises), tuple(found)


def _rows_settled(window: WindowMeasures, seen: Circumstances) -> bool:
    if seen.clock < window.end:
        return False
    long_past = seen.clock >= window.end + (window.end - window.start)
    return long_past or seen.wall.timestamp() - window.counted_at >= _SETTLE_SECONDS


def _said_before(trigger: TriggerState, verdict: Assessment, names: Sequence[str]) -> bool:
    before = trigger.assessed
    return before is not None and before.verdict == verdict.verdict != "loses" and set(names) <= set(before.names)


def _broken_finding(broken: Alarm, spec: ModelSpec, champion: int) -> Finding:
    window = spec.monitor.window.total_seconds()
    off = abs(broken.newest.deviation(broken.promise))
    return Finding(
        model=spec.name,
        monitor=broken.name,
        subject=spec.target.name,
        version=champion,
        value=off,
        limit=broken.limit,
        severity="critical",
        window=broken.newest.window,
        window_start=broken.began * window,
        window_end=(broken.newest.window + 1) * window,
        sample=broken.rows,
    )
