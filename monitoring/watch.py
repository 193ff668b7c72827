"""What a watcher remembers and decides: which windows are closed, what they show, what is wanted now. All pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import groupby
from typing import Literal

from configs.schema import ModelSpec
from monitoring.assess import Assessment, assess
from monitoring.findings import Finding, WindowMeasures, breaches, drift_findings, performance_findings
from monitoring.notices import Notice
from monitoring.observation import LabelledSpan, Observation
from monitoring.performance import Performance
from monitoring.triggers import Circumstances, TriggerState, assessed, consider, observe

_SETTLE_SECONDS = 3.0  # wall clock without new counts before a closed window is measured: replicas ship once a second
_NAMED = 3  # breaches a sentence names


@dataclass(frozen=True, slots=True)
class MonitorView:
    """What the watcher asks of a monitor at once, all of one version."""

    watermark: float | None  # the model's own clock, Unix seconds
    reference: Performance | None  # None while the monitor does not know the version's profile
    measures: tuple[WindowMeasures, ...]  # oldest first
    labelled: LabelledSpan | None


def view(seen: Observation, version: int, after: int | None, min_labels: int, clock: float | None) -> MonitorView:
    """What an observation shows of a version; without `clock` the watermark is it."""
    watermark = seen.watermark()
    until = watermark if clock is None else clock
    labelled = None if until is None else seen.labelled(version, min_labels, until)
    return MonitorView(watermark, seen.reference(version), seen.measures(version, after), labelled)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A retrain request that was decided on and may not be opened yet."""

    cause: Literal["findings", "schedule"]
    reason: str
    findings: tuple[str, ...]
    at: datetime
    event_time: datetime


@dataclass(frozen=True, slots=True)
class WatchState:
    """What one model's watcher remembers; kept in the store."""

    trigger: TriggerState = field(default_factory=TriggerState)
    drift_window: int | None = None  # newest window whose rows were measured
    performance_window: int | None = None  # newest window whose labels were measured
    note: str = ""  # why nothing is asked for now
    untold: tuple[Notice, ...] = ()
    wanted: Wanted | None = None

    def after(self) -> int | None:
        """The newest window that needs no second look."""
        if self.drift_window is None or self.performance_window is None:
            return None
        return min(self.drift_window, self.performance_window)

    def owes(self) -> bool:
        """Whether a decision was saved and not yet acted on."""
        return bool(self.untold) or self.wanted is not None

    def for_champion(self, version: int) -> "WatchState":
        """The state to go on with: a new champion's windows are all to be measured."""
        if self.trigger.version == version:
            return self
        return replace(self, drift_window=None, performance_window=None)


def decide(
    spec: ModelSpec, champion: int, state: WatchState, view: MonitorView, seen: Circumstances
) -> tuple[WatchState, tuple[Finding, ...]]:
    """The next state, with what is to be told and wanted, and the breaches of newly closed windows."""
    looked, found = look(spec, state, view.measures, seen)
    worst = breaches(found)
    told = window_notices(worst, seen.wall)
    trigger = observe(looked.trigger, champion, seen.clock, found)
    proposal = consider(trigger, spec.retrain, seen)
    wanted = proposal.kind == "request"
    why = proposal.why
    if proposal.kind == "assess" and view.reference is not None:
        rules = spec.retrain
        verdict = assess(proposal.findings, view.labelled, view.reference, spec.monitor, rules.min_labels)
        if not _said_before(trigger, verdict):
            told = (*told, _assessment_notice(verdict, proposal.findings, champion, seen))
        trigger = assessed(trigger, proposal.findings, verdict.verdict)
        wanted, why = verdict.verdict == "loses", verdict.why
    request = None
    if wanted:
        cause: Literal["findings", "schedule"] = "schedule" if proposal.kind == "request" else "findings"
        names = tuple(finding.name for finding in proposal.findings)
        request = Wanted(cause, why, names, seen.wall, datetime.fromtimestamp(seen.clock, UTC))
    return replace(looked, trigger=trigger, note=why, untold=told, wanted=request), worst


def look(
    spec: ModelSpec, state: WatchState, measures: Sequence[WindowMeasures], seen: Circumstances
) -> tuple[WatchState, tuple[Finding, ...]]:
    """Findings of windows that closed since the last look: rows once they settled, labels once they are complete."""
    found: list[Finding] = []
    drift, performance = state.drift_window, state.performance_window
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
        if not window.labels_complete(seen.clock):
            break
        found += performance_findings(window, spec.monitor, spec.target.name)
        performance = window.window
    return replace(state, drift_window=drift, performance_window=performance), tuple(found)


def window_notices(worst: Sequence[Finding], now: datetime) -> tuple[Notice, ...]:
    """One event for each window and kind of breach, naming the worst."""
    by_window = sorted(worst, key=lambda finding: (finding.window, finding.kind))  # stable: worst stay first
    return tuple(
        _finding_notice(list(group), now)
        for _, group in groupby(by_window, key=lambda finding: (finding.window, finding.kind))
    )


def _rows_settled(window: WindowMeasures, seen: Circumstances) -> bool:
    if seen.clock < window.end:
        return False
    long_past = seen.clock >= window.end + (window.end - window.start)
    return long_past or seen.wall.timestamp() - window.counted_at >= _SETTLE_SECONDS


def _said_before(trigger: TriggerState, verdict: Assessment) -> bool:
    return trigger.assessed is not None and trigger.assessed.verdict == verdict.verdict == "not_enough_labels"


def _finding_notice(group: Sequence[Finding], now: datetime) -> Notice:
    worst = group[0]
    named = "; ".join(finding.sentence() for finding in group[:_NAMED])
    more = f"; and {len(group) - _NAMED} more" if len(group) > _NAMED else ""
    return Notice(
        key=f"finding:{worst.version}:{worst.window}:{worst.kind}",
        at=now,
        kind="finding",
        version=worst.version,
        detail=named + more,
        event_time=datetime.fromtimestamp(worst.window_end, UTC),
        facts={
            "breaches": len(group),
            "monitor": worst.monitor,
            "subject": worst.subject,
            "value": worst.value,
            "limit": worst.limit,
            "severity": worst.severity,
            "sample": worst.sample,
        },
    )


def _assessment_notice(verdict: Assessment, findings: Sequence[Finding], champion: int, seen: Circumstances) -> Notice:
    newest = max(finding.window for finding in findings)
    return Notice(
        key=f"assessment:{champion}:{newest}:{verdict.verdict}",
        at=seen.wall,
        kind="assessment",
        version=champion,
        detail=verdict.sentence,
        event_time=datetime.fromtimestamp(seen.clock, UTC),
        facts={
            "verdict": verdict.verdict,
            "labels": verdict.n,
            "auc_drop": verdict.auc_drop[1] if verdict.auc_drop else None,
            "brier_rise": verdict.brier_rise[1] if verdict.brier_rise else None,
        },
    )
