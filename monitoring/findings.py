"""Findings of a monitor, and which of them are over their limit."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from windvane.configs.schema import Monitor
from windvane.monitoring.statistics.performance import Performance

MonitorName: TypeAlias = Literal[
    "feature_psi",
    "missing_rise",
    "unknown_rise",
    "score_psi",
    "auc_drop",
    "brier_rise",
    "rate_promise",
    "slope_promise",
]
Severity: TypeAlias = Literal["ok", "warning", "critical"]
DRIFT: frozenset[MonitorName] = frozenset({"feature_psi", "missing_rise", "unknown_rise", "score_psi"})
PERFORMANCE: frozenset[MonitorName] = frozenset({"auc_drop", "brier_rise", "rate_promise", "slope_promise"})


@dataclass(frozen=True, slots=True)
class FeatureMeasure:
    """One feature in one window; None where there was nothing to compare."""

    name: str
    psi: float | None
    missing_rise: float | None
    unknown_rise: float | None  # categories only


@dataclass(frozen=True, slots=True)
class WindowMeasures:
    """Measures of one version in one window of event time; times are Unix seconds."""

    model: str
    version: int
    window: int  # floor(event time / window seconds)
    start: float
    end: float
    rows: int  # answered decisions counted for drift
    counted_at: float  # wall clock of the last counts
    features: tuple[FeatureMeasure, ...]
    score_psi: float | None
    decided: int  # decisions of this window the log has shown for this version, shadows included
    performance: Performance | None  # on those of them that have a label
    reference: Performance | None  # None while the version's profile is not known

    label_wait: float | None = None  # seconds after its end by which its labels are known; None: nobody can tell yet

    def labels_complete(self, now: float) -> bool:
        """Whether the window's performance will not move much any more."""
        labelled = 0 if self.performance is None else self.performance.n
        return labels_complete(labelled, self.decided, self.end, now, self.label_wait)

    def labels_given_up(self, now: float) -> bool:
        """Whether no label came in twice the time that labels take: there is nothing to be measured any more."""
        return self.performance is None and self.label_wait is not None and now >= self.end + 2.0 * self.label_wait


def labels_complete(labelled: int, decided: int, end: float, now: float, wait: float | None) -> bool:
    """A closed window's labels are in when nine in ten are, or once labels have had the time they usually take.

    Early labels are biased (a default is known sooner than a good loan), and no label at all is no answer: such a
    window is never complete.

    >>> labels_complete(labelled=80, decided=100, end=10.0, now=11.0, wait=10.0)
    False
    >>> labels_complete(labelled=80, decided=100, end=10.0, now=20.0, wait=10.0)
    True
    >>> labels_complete(labelled=0, decided=100, end=10.0, now=99.0, wait=10.0)
    False
    """
    if end > now or labelled == 0:
        return False
    return labelled >= 0.9 * decided or (wait is not None and now >= end + wait)


@dataclass(frozen=True, slots=True)
class Finding:
    """A measured value against its limit; a breach is a finding over its limit."""

    model: str
    monitor: MonitorName
    subject: str  # the feature, "score", or the target
    version: int
    value: float
    limit: float
    severity: Severity
    window: int
    window_start: float
    window_end: float
    sample: int

    @property
    def breach(self) -> bool:
        """Whether the value is over its limit."""
        return self.value > self.limit

    @property
    def kind(self) -> Literal["drift", "performance"]:
        """The word by which retrain rules ask for it."""
        return "performance" if self.monitor in PERFORMANCE else "drift"

    @property
    def name(self) -> str:
        """Series of values it belongs to, such as `feature_psi:temp`."""
        return f"{self.monitor}:{self.subject}"

    def sentence(self) -> str:
        """Sentence for people in the event list."""
        seen = f"{_WORDS[self.monitor]} {self.subject} is {self.value:.3f}"
        return f"{seen} over {self.sample} decisions, limit {self.limit:g}"


_WORDS: dict[MonitorName, str] = {
    "feature_psi": "Drift (PSI) of",
    "missing_rise": "Rise of missing values in",
    "unknown_rise": "Rise of unknown categories in",
    "score_psi": "Drift (PSI) of",
    "auc_drop": "AUC drop on",
    "brier_rise": "Brier rise on",
    "rate_promise": "Distance of the promised from the real rate of",
    "slope_promise": "Distance from the promised calibration slope of",
}


def drift_findings(measures: WindowMeasures, limits: Monitor) -> tuple[Finding, ...]:
    """Findings on a closed window's rows; empty when there are fewer than `min_sample`, which is no finding at all."""
    if measures.rows < limits.min_sample:
        return ()
    found: list[Finding] = []
    for feature in measures.features:
        found += _finding(measures, "feature_psi", feature.name, feature.psi, limits.feature_psi, measures.rows)
        found += _finding(
            measures, "missing_rise", feature.name, feature.missing_rise, limits.missing_rise, measures.rows
        )
        found += _finding(
            measures, "unknown_rise", feature.name, feature.unknown_rise, limits.missing_rise, measures.rows
        )
    found += _finding(measures, "score_psi", "score", measures.score_psi, limits.score_psi, measures.rows)
    return tuple(found)


def performance_findings(measures: WindowMeasures, limits: Monitor, target: str) -> tuple[Finding, ...]:
    """Findings on a window's labels; empty when there are fewer than `min_sample` or no reference."""
    now, reference = measures.performance, measures.reference
    if now is None or reference is None or now.n < limits.min_sample:
        return ()
    drop = None if now.auc is None or reference.auc is None else reference.auc - now.auc
    found: list[Finding] = []
    if limits.auc_drop is not None:
        found += _finding(measures, "auc_drop", target, drop, limits.auc_drop, now.n)
    if limits.brier_rise is not None:
        rise = now.brier - reference.brier
        found += _finding(measures, "brier_rise", target, rise, limits.brier_rise, now.n)
    return tuple(found)


def breaches(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Those over their limit, worst first by how many times the limit they are."""
    return tuple(sorted((f for f in findings if f.breach), key=lambda f: (-f.value / max(f.limit, 1e-12), f.name)))


def _finding(
    measures: WindowMeasures, monitor: MonitorName, subject: str, value: float | None, limit: float, sample: int
) -> list[Finding]:
    if value is None:
        return []
    severity: Severity = "ok" if value <= limit else "critical" if value > 2 * limit else "warning"
    return [
        Finding(
            measures.model,
            monitor,
            subject,
            measures.version,
            value,
            limit,
            severity,
            measures.window,
            measures.start,
            measures.end,
            sample,
        )
    ]
