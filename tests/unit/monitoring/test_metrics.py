"""Operators get every figure that is known and no zero for what is not."""

from prometheus_client.parser import text_string_to_metric_families

from windvane.monitoring.counts.snapshot import ArmSnapshot, Snapshot
from windvane.monitoring.metrics import ALL, BreachValue, ModelState, exposition

ARM = ArmSnapshot(7, 2, "candidate", 30, 1, {"hold": 20, "send": 10}, 1.0, 4.0)
SNAPSHOT = Snapshot(
    model="delay",
    watermark=1_364_774_400.0,
    decisions=30,
    errors=1,
    decisions_per_second=3.0,
    latency_p50_ms=1.0,
    latency_p99_ms=None,
    arms=(ARM,),
    shadow_scores={1: 30},
    shadow_dropped={1: 2},
    waiting=12,
    waiting_dropped=17,
    labelled=18,
    corrected=3,
    unmatched=4,
    replicas=1,
    profiles=(1, 2),
    denied={"consent": 5, "not evaluated": 1},
    refused=300,
    refusals={("income", "range"): 300, ("", "too_fast"): 2},
    warnings={("plan", "unknown_category"): 14},
)
STATE = ModelState(
    model="delay",
    snapshot=SNAPSHOT,
    champion=1,
    weights={(1, "champion"): 0.9, (2, "candidate"): 0.1},
    phase="step",
    breaches=(BreachValue(1, "feature_psi", "temp", 8.0),),
    requests={"succeeded": 2},
)


def samples(*states: ModelState) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    text = exposition(states).decode()
    families = text_string_to_metric_families(text)
    return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}


def value(name: str, **labels: str) -> float | None:
    return samples(STATE).get((name, frozenset({"model": "delay", **labels}.items())))


def test_decisions_are_counted_by_version_arm_revision_and_action() -> None:
    arm = {"version": "2", "arm": "candidate", "revision": "7"}
    assert value("windvane_decisions_total", **arm, action="hold") == 20
    assert value("windvane_decision_errors_total", **arm) == 1


def test_outcomes_that_took_anothers_place_or_came_for_no_decision_are_counted() -> None:
    assert value("windvane_outcomes_corrected_total") == 3
    assert value("windvane_outcomes_unmatched") == 4


def test_what_policy_denied_is_counted_by_the_policy_and_by_nobodys_name() -> None:
    assert value("windvane_denials_total", reason="consent") == 5
    assert value("windvane_denials_total", reason="not evaluated") == 1


def test_refusals_and_warnings_are_counted_by_field_and_reason() -> None:
    assert value("windvane_refused_total") == 300
    assert value("windvane_refusals_total", field="income", reason="range") == 300
    assert value("windvane_refusals_total", field="", reason="too_fast") == 2
    assert value("windvane_warnings_total", field="plan", reason="unknown_category") == 14


def test_what_the_monitor_forgot_is_counted() -> None:
    assert value("windvane_outcomes_dropped_total") == 17
    assert value("windvane_shadow_unmatched_total") == 0


def test_the_rollout_and_the_monitors_show() -> None:
    assert value("windvane_split_weight", version="2", arm="candidate") == 0.1
    assert value("windvane_rollout_phase", phase="step") == 1
    assert value("windvane_breach", version="1", monitor="feature_psi", subject="temp") == 8.0
    assert value("windvane_champion_version") == 1
    assert value("windvane_retrain_requests", status="succeeded") == 2


def test_what_is_not_known_has_no_sample() -> None:
    assert value("windvane_latency_milliseconds", quantile="0.5") == 1.0
    assert value("windvane_latency_milliseconds", quantile="0.99") is None
    assert samples(ModelState("other")) == {}


def test_every_metric_has_a_help_text_and_a_sample_that_fits_its_labels() -> None:
    text = exposition([STATE]).decode()
    named = {name for name, _ in samples(STATE)}
    for definition in ALL:
        assert f"# HELP {definition.name} {definition.help}" in text
        assert definition.name in named
        assert definition.labels[0] == "model"


def test_many_models_share_one_exposition() -> None:
    found = samples(STATE, ModelState("other", champion=4))
    assert found["windvane_champion_version", frozenset({("model", "other")})] == 4
    assert found["windvane_champion_version", frozenset({("model", "delay")})] == 1
