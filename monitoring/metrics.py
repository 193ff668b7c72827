"""Every Prometheus metric of Windvane: names, help texts and labels in one place, read from what the loops know."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from windvane.monitoring.counts.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Definition:
    """One metric as operators know it."""

    name: str
    kind: Literal["counter", "gauge"]
    help: str
    labels: tuple[str, ...]

    def family(self) -> CounterMetricFamily | GaugeMetricFamily:
        """An empty family to add samples to."""
        make = CounterMetricFamily if self.kind == "counter" else GaugeMetricFamily
        return make(self.name, self.help, labels=self.labels)


DECISIONS = Definition(
    "windvane_decisions_total", "counter", "Decisions answered.", ("model", "version", "arm", "revision", "action")
)
ERRORS = Definition(
    "windvane_decision_errors_total",
    "counter",
    "Requests a version failed to answer.",
    ("model", "version", "arm", "revision"),
)
DENIALS = Definition(
    "windvane_denials_total",
    "counter",
    "Decisions that policy denied, by the policy that did or why none allowed it.",
    ("model", "reason"),
)
REFUSED = Definition(
    "windvane_refused_total", "counter", "Requests, and instances of answered requests, that were refused.", ("model",)
)
REFUSALS = Definition(
    "windvane_refusals_total",
    "counter",
    "What requests were refused for, by declared field (empty: the whole request) and reason.",
    ("model", "field", "reason"),
)
WARNINGS = Definition(
    "windvane_warnings_total",
    "counter",
    "Rows answered with a warning, by field and reason: unusual, unknown_category.",
    ("model", "field", "reason"),
)
SHADOW_SCORES = Definition(
    "windvane_shadow_scores_total",
    "counter",
    "Decisions scored by a version that did not answer.",
    ("model", "version"),
)
SHADOW_DROPPED = Definition(
    "windvane_shadow_dropped_total",
    "counter",
    "Decisions a shadow did not score: too many waited, it broke, or its score could not be logged.",
    ("model", "version"),
)
SHADOW_UNMATCHED = Definition(
    "windvane_shadow_unmatched_total",
    "counter",
    "Scores of shadows that met no decision: it never came, or the monitor had forgotten it.",
    ("model",),
)
OUTCOMES = Definition("windvane_outcomes_total", "counter", "Decisions joined with their outcome.", ("model",))
OUTCOMES_CORRECTED = Definition(
    "windvane_outcomes_corrected_total",
    "counter",
    "Outcomes that took the place of an earlier one of the same decision.",
    ("model",),
)
OUTCOMES_UNMATCHED = Definition(
    "windvane_outcomes_unmatched", "gauge", "Outcomes of ids that no decision has, so far.", ("model",)
)
OUTCOMES_DROPPED = Definition(
    "windvane_outcomes_dropped_total", "counter", "Decisions forgotten by the monitor before their outcome.", ("model",)
)
WAITING = Definition("windvane_waiting_for_outcome", "gauge", "Decisions that wait for an outcome.", ("model",))
RATE = Definition("windvane_decisions_per_second", "gauge", "Decisions a second, now.", ("model",))
LATENCY = Definition(
    "windvane_latency_milliseconds", "gauge", "Arrival to reply, over the last seconds.", ("model", "quantile")
)
REPLICAS = Definition("windvane_replicas", "gauge", "Gateway replicas that ship counts.", ("model",))
CLOCK = Definition("windvane_event_time_seconds", "gauge", "The model's own clock, Unix seconds.", ("model",))
CHAMPION = Definition("windvane_champion_version", "gauge", "The version that answers by default.", ("model",))
WEIGHT = Definition("windvane_split_weight", "gauge", "Share of the units an arm owns.", ("model", "version", "arm"))
PHASE = Definition("windvane_rollout_phase", "gauge", "1 for the phase the rollout is in.", ("model", "phase"))
BREACH = Definition(
    "windvane_breach",
    "gauge",
    "The value of a monitor that is over its limit.",
    ("model", "version", "monitor", "subject"),
)
REQUESTS = Definition("windvane_retrain_requests", "gauge", "Retrain requests by status.", ("model", "status"))
ALL = (
    *(
        DECISIONS,
        ERRORS,
        SHADOW_SCORES,
        SHADOW_DROPPED,
        SHADOW_UNMATCHED,
        OUTCOMES,
        OUTCOMES_DROPPED,
        OUTCOMES_CORRECTED,
        OUTCOMES_UNMATCHED,
        WAITING,
        RATE,
        LATENCY,
        REPLICAS,
    ),
    *(CLOCK, CHAMPION, WEIGHT, PHASE, BREACH, REQUESTS, DENIALS),
    *(REFUSED, REFUSALS, WARNINGS),
)


@dataclass(frozen=True, slots=True)
class BreachValue:
    """A value that is over its limit."""

    version: int
    monitor: str
    subject: str
    value: float


@dataclass(frozen=True, slots=True)
class ModelState:
    """State of one model; what is not known has no sample, never a 0."""

    model: str
    snapshot: Snapshot | None = None
    champion: int | None = None
    weights: Mapping[tuple[int, str], float] = field(default_factory=dict)  # by version, arm
    phase: str | None = None
    breaches: Sequence[BreachValue] = ()
    requests: Mapping[str, int] = field(default_factory=dict)  # by status


def exposition(states: Sequence[ModelState]) -> bytes:
    """All metrics of these models in Prometheus' text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_States(states))
    return generate_latest(registry)


def families(states: Sequence[ModelState]) -> tuple[Metric, ...]:
    """The same, before it becomes text."""
    return tuple(_States(states).collect())


class _States(Collector):
    def __init__(self, states: Sequence[ModelState]) -> None:
        self._states = states

    def collect(self) -> Iterator[Metric]:
        """One family for each definition, with a sample for each thing known."""
        families = {definition.name: definition.family() for definition in ALL}
        for state in self._states:
            for definition, labels, value in _samples(state):
                families[definition.name].add_metric([state.model, *labels], value)
        yield from families.values()


_Sample = tuple[Definition, tuple[str, ...], float]


def _samples(state: ModelState) -> Iterator[_Sample]:
    if state.snapshot is not None:
        yield from _traffic(state.snapshot)
    if state.champion is not None:
        yield CHAMPION, (), state.champion
    for (version, arm), weight in state.weights.items():
        yield WEIGHT, (str(version), arm), weight
    if state.phase is not None:
        yield PHASE, (state.phase,), 1
    for breach in state.breaches:
        yield BREACH, (str(breach.version), breach.monitor, breach.subject), breach.value
    for status, count in state.requests.items():
        yield REQUESTS, (status,), count


def _traffic(seen: Snapshot) -> Iterator[_Sample]:
    for arm in seen.arms:
        labels = (str(arm.version), arm.arm, str(arm.revision))
        yield ERRORS, labels, arm.errors
        for action, count in arm.actions.items():
            yield DECISIONS, (*labels, action), count
    for category, denied in seen.denied.items():
        yield DENIALS, (category,), denied
    yield REFUSED, (), seen.refused
    for cause, refused in seen.refusals.items():
        yield REFUSALS, cause, refused
    for cause, warned in seen.warnings.items():
        yield WARNINGS, cause, warned
    for version, scores in seen.shadow_scores.items():
        yield SHADOW_SCORES, (str(version),), scores
    for version, dropped in seen.shadow_dropped.items():
        yield SHADOW_DROPPED, (str(version),), dropped
    yield SHADOW_UNMATCHED, (), seen.shadow_unmatched
    yield OUTCOMES, (), seen.labelled
    yield OUTCOMES_DROPPED, (), seen.waiting_dropped
    yield OUTCOMES_CORRECTED, (), seen.corrected
    yield OUTCOMES_UNMATCHED, (), seen.unmatched
    yield WAITING, (), seen.waiting
    yield REPLICAS, (), seen.replicas
    now: tuple[tuple[Definition, tuple[str, ...], float | None], ...] = (
        (RATE, (), seen.decisions_per_second),
        (LATENCY, ("0.5",), seen.latency_p50_ms),
        (LATENCY, ("0.99",), seen.latency_p99_ms),
        (CLOCK, (), seen.watermark),
    )
    for definition, quantile, value in now:
        if value is not None:
            yield definition, quantile, value
