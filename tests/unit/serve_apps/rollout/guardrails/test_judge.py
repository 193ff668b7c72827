"""Each guardrail passes, fails and holds for its own reason."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from tests.worlds.rollout.walks import begun
from windvane.configs.sized_plan import Traffic
from windvane.monitoring.evidence import ArmEvidence, Evidence, PairedEvidence, ShiftEvidence
from windvane.serve_apps.rollout.guardrails.judge import GuardrailJudge, remember
from windvane.serve_apps.rollout.rollout_record import Rollout
from windvane.serve_apps.rollout.verdict import Guardrail, Verdict

START = datetime(2026, 1, 1, tzinfo=UTC)
LATER = START + timedelta(hours=1)
ROLLOUT = replace(
    begun(revision=5),
    phase="step",
    step=0,
    in_force_at=START,
    entered_at=START,
    stood_seconds=3600.0,
)
GOOD = Evidence(
    5,
    (ArmEvidence(3, 2000, 1, 10.0), ArmEvidence(2, 18000, 9, 10.0)),
    PairedEvidence(2, 3, 8000, -0.004, 0.003, 0.150, 0.146, 60.0),
    ShiftEvidence(20000, 0.08),
)


def verdict(
    evidence: Evidence | None = GOOD, rollout: Rollout = ROLLOUT, obstacles: tuple[Guardrail, ...] = ()
) -> Verdict:
    return GuardrailJudge().judge(rollout, evidence, obstacles, LATER)


def paired(n: int, difference: float, variance: float = 0.003) -> Evidence:
    return replace(GOOD, paired=PairedEvidence(2, 3, n, difference, variance, 0.15, 0.15 + difference, 60.0))


def arms(candidate: tuple[int, int, float | None], champion: tuple[int, int, float | None] | None) -> Evidence:
    both = (ArmEvidence(3, *candidate), *((ArmEvidence(2, *champion),) if champion else ()))
    return replace(GOOD, arms=both)


def guardrail(verdict: Verdict, name: str) -> Guardrail:
    return next(guardrail for guardrail in verdict.guardrails if guardrail.name == name)


def test_a_candidate_that_proved_itself_passes() -> None:
    assert verdict().outcome == "PASS"
    assert verdict().summary.startswith("step 1 of 3 (10 %) passed: ")


@pytest.mark.parametrize(
    ("evidence", "outcome"),
    [
        (replace(GOOD, paired=None), "NOT_YET"),
        (paired(999, -0.05), "NOT_YET"),  # surely better, and still fewer outcomes than the plan asks for
        (paired(1000, -0.05), "PASS"),
        (paired(8000, 0.0015), "NOT_YET"),  # within the margin, but not surely
        (paired(8000, 0.004), "NOT_YET"),  # beyond the margin, but not surely
        (paired(8000, 0.008), "FAIL"),
        (paired(99, 0.9, 0.0001), "NOT_YET"),
        (paired(100, 0.9, 0.0001), "FAIL"),  # a disaster needs no thousand outcomes
    ],
)
def test_the_loss_is_judged_by_what_is_sure(evidence: Evidence, outcome: str) -> None:
    assert guardrail(verdict(evidence), "loss").outcome == verdict(evidence).outcome == outcome


@pytest.mark.parametrize(
    ("candidate", "champion", "outcome"),
    [
        ((199, 0, None), (1800, 0, None), "NOT_YET"),
        ((200, 0, None), (1800, 0, None), "PASS"),
        ((50, 50, None), (900, 0, None), "FAIL"),
        ((985, 15, None), (9000, 10, None), "NOT_YET"),  # too many, but not surely more than the margin allows
        ((950, 50, None), (8550, 450, None), "PASS"),  # many errors, and the champion has as many
    ],
)
def test_errors_are_compared_with_the_champions(
    candidate: tuple[int, int, None], champion: tuple[int, int, None], outcome: str
) -> None:
    assert guardrail(verdict(arms(candidate, champion)), "errors").outcome == outcome


def test_errors_are_compared_with_the_objective_when_the_champion_answers_nothing() -> None:
    full = replace(ROLLOUT, step=2)
    assert guardrail(verdict(arms((1000, 3, 5.0), None), full), "errors").outcome == "PASS"
    assert guardrail(verdict(arms((1000, 60, 5.0), None), full), "errors").outcome == "FAIL"


def test_errors_at_full_weight_are_no_more_than_the_champion_had_before() -> None:
    beside = remember(ROLLOUT, arms((500, 5, 5.0), (4500, 45, 5.0)))
    full = replace(beside, step=2)
    alone = arms((19_800, 200, 5.0), None)
    assert guardrail(verdict(alone, replace(full, reference=None)), "errors").outcome == "FAIL"
    seen = guardrail(verdict(alone, full), "errors")
    assert seen.outcome == "PASS"
    assert seen.sentence.endswith("(allowed 1.49%: v2 before and the margin)")
    assert guardrail(verdict(arms((9000, 1000, 5.0), None), full), "errors").outcome == "FAIL"


def test_what_a_look_keeps_is_the_champion_beside_and_the_traffic() -> None:
    kept = remember(ROLLOUT, replace(GOOD, traffic=Traffic(600, 600, 60)))
    assert (kept.reference, kept.traffic, kept.outcomes) == (GOOD.arm(2), Traffic(600, 600, 60), 8000)
    assert kept.sized.outcomes == 600
    silent = remember(replace(kept, step=2), Evidence(6, (ArmEvidence(3, 10, 0, 1.0),), None, None))
    assert silent == replace(kept, step=2), "what is not seen is not forgotten"


def test_a_step_without_any_decision_never_passes() -> None:
    silent = verdict(replace(GOOD, arms=()))
    assert silent.outcome == "NOT_YET"
    assert "answered 0 of 200 needed decisions" in silent.summary


def test_a_candidate_that_cannot_even_be_scored_fails_in_the_shadow() -> None:
    shadow = replace(ROLLOUT, phase="shadow")
    assert [guardrail.name for guardrail in verdict(arms((0, 0, None), None), shadow).guardrails] == [
        "duration",
        "loss",
        "shift",
    ]
    broken = replace(arms((0, 300, None), None), shift=None, paired=None)
    assert guardrail(verdict(broken, shadow), "errors").outcome == "FAIL"


def test_a_version_that_is_late_when_the_champion_is_not_fails() -> None:
    both = (ArmEvidence(3, 2000, 0, 80.0, 200), ArmEvidence(2, 18_000, 0, 10.0, 18))
    assert guardrail(verdict(replace(GOOD, arms=both)), "latency").outcome == verdict(replace(GOOD, arms=both)).outcome
    assert verdict(replace(GOOD, arms=both)).outcome == "FAIL"


BETTER, WITHIN, UNDECIDED, WORSE = paired(8000, -0.004), paired(200_000, 0.0), paired(8000, 0.0015), paired(8000, 0.008)


@pytest.mark.parametrize(
    ("n", "psi", "seen", "outcome"),
    [
        (999, 0.1, BETTER, "NOT_YET"),
        (1000, 1.0, BETTER, "PASS"),
        (1000, 1.0, UNDECIDED, "PASS"),
        (1000, 2.42, BETTER, "PASS"),  # a cure of a broken champion has to score differently
        (1000, 2.42, WITHIN, "NOT_YET"),
        (1000, 2.42, UNDECIDED, "NOT_YET"),
        (1000, 2.42, WORSE, "NOT_YET"),  # the loss fails it
        (1000, 50.0, replace(GOOD, paired=None), "NOT_YET"),  # no outcomes: a person decides
    ],
)
def test_scores_that_differ_hold_until_outcomes_prove_the_candidate_better(
    n: int, psi: float, seen: Evidence, outcome: str
) -> None:
    assert guardrail(verdict(replace(seen, shift=ShiftEvidence(n, psi))), "shift").outcome == outcome


def test_what_the_loss_proves_better_passes_however_differently_it_scores() -> None:
    healed = verdict(replace(paired(2000, -0.37, 0.2), shift=ShiftEvidence(20_000, 2.42)))
    assert healed.outcome == "PASS"
    assert guardrail(healed, "shift").sentence == (
        "scores differ by PSI 2.420 (allowed 1) on 20,000 requests, and outcomes prove v3 better"
    )


def test_a_shift_that_holds_says_what_lets_it_go_on() -> None:
    assert guardrail(verdict(replace(UNDECIDED, shift=ShiftEvidence(20_000, 2.42))), "shift").sentence.endswith(
        "and the loss is not decided yet: outcomes that prove v3 better let it go on, or `windvane rollout promote m`"
    )
    promoted = replace(ROLLOUT, phase="bake", waived=True)
    assert verdict(replace(UNDECIDED, shift=ShiftEvidence(20_000, 2.42)), promoted).outcome == "PASS"


def test_time_is_waited_for_even_when_everything_else_passes() -> None:
    early = verdict(rollout=replace(ROLLOUT, stood_seconds=287.0))
    assert early.outcome == "NOT_YET"
    assert early.summary == "step 1 of 3 (10 %) not yet: 287 of 288 s have passed"


def test_an_obstacle_holds_but_hides_no_failure() -> None:
    obstacle = Guardrail("loading", "NOT_YET", "loading on 1 of 2 replicas")
    assert verdict(obstacles=(obstacle,)).outcome == "NOT_YET"
    assert verdict(None, obstacles=(obstacle,)).summary.endswith("not yet: loading on 1 of 2 replicas")
    assert verdict(paired(8000, 0.02), obstacles=(obstacle,)).outcome == "FAIL"


def test_an_operators_promotion_waives_proof_but_not_failure() -> None:
    waived = replace(ROLLOUT, phase="bake", waived=True)
    assert verdict(replace(GOOD, paired=None, arms=()), waived).outcome == "PASS"
    assert verdict(paired(8000, 0.02), waived).outcome == "FAIL"
    assert "operator promoted it" in guardrail(verdict(replace(GOOD, paired=None), waived), "loss").sentence


def test_a_skipped_shadow_needs_no_outcomes() -> None:
    skipped = replace(ROLLOUT, phase="shadow", skip_shadow=True, stood_seconds=0.0)
    assert verdict(replace(GOOD, paired=None, shift=None), skipped).outcome == "PASS"


def test_two_verdicts_differ_in_reason_only_when_another_guardrail_decides() -> None:
    one, two, three = verdict(paired(10, 0.1)), verdict(paired(20, 0.2)), verdict(replace(GOOD, arms=()))
    assert one.reason() == two.reason() != three.reason()


def test_records_survive_json() -> None:
    rollout = replace(ROLLOUT, verdict=verdict(), history=(verdict(), verdict(None)))
    assert msgspec.json.decode(msgspec.json.encode(rollout), type=Rollout) == rollout
