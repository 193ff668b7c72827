"""The paired loss against a margin that follows what the champion has to lose."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from tests.worlds.rollout.walks import begun
from windvane.configs.schema import Plan
from windvane.monitoring.evidence import Evidence, PairedEvidence
from windvane.serve_apps.rollout.guardrails.loss import Loss, loss_guardrail, loss_of
from windvane.serve_apps.rollout.offline import FIRST_LOOK, Offline
from windvane.serve_apps.rollout.rollout_record import Rollout

START = datetime(2026, 1, 1, tzinfo=UTC)


def rollout(**plan: float) -> Rollout:
    return begun(Plan.model_validate(plan), revision=5)


def seen(n: int, difference: float, variance: float = 0.003, champion: float = 0.15, windows: float = 60.0) -> Evidence:
    paired = PairedEvidence(2, 3, n, difference, variance, champion, champion + difference, windows)
    return Evidence(5, (), paired, None)


def loss(of: Rollout, evidence: Evidence) -> Loss:
    found = loss_of(of, evidence)
    assert found is not None
    return found


def test_the_margin_is_a_fiftieth_of_the_champions_own_score() -> None:
    assert loss(rollout(), seen(8000, 0.0)).margin == pytest.approx(0.003)
    assert loss(rollout(), seen(8000, 0.0, champion=0.005)).margin == pytest.approx(0.0001)


def test_a_declared_margin_wins() -> None:
    assert loss(rollout(loss_margin=0.01), seen(8000, 0.0)).margin == 0.01
    assert loss(rollout(loss_margin=0.0), seen(8000, 0.0)).margin == 0.0


def test_a_rare_models_whole_skill_does_not_fit_into_the_margin() -> None:
    """At one in 200 a model that says always the same loses 5 % of the Brier score: 0.00025."""
    useless = seen(50_000, 0.00025, 0.0140**2, champion=0.005)
    assert loss(rollout(loss_margin=0.002), useless).outcome == "PASS"
    assert loss(rollout(), useless).outcome == "NOT_YET"
    assert useless.paired is not None
    assert loss(rollout(), replace(useless, paired=replace(useless.paired, n=200_000))).outcome == "FAIL"


@pytest.mark.parametrize(
    ("n", "difference", "variance", "champion"),
    [
        (200, -0.39, 0.24, 0.54),  # the main effect flipped: a day at 200 rows
        (600, -0.023, 0.024, 0.177),  # half the noise
        (12_000, -0.0004, 0.0117**2, 0.005),  # rare, the same: forty days at 300 rows
    ],
)
def test_what_is_much_better_passes_with_few_outcomes(
    n: int, difference: float, variance: float, champion: float
) -> None:
    found = loss(rollout(min_outcomes=200), seen(n, difference, variance, champion))
    assert found.outcome == "PASS"


def test_better_is_more_than_within_the_margin() -> None:
    assert loss(rollout(), seen(8000, -0.004)).is_better
    within = loss(rollout(), seen(200_000, 0.0))
    assert (within.outcome, within.is_better) == ("PASS", False)
    assert not loss(rollout(), seen(999, -0.05)).is_better


def test_outcomes_that_come_in_bad_days_have_to_be_more() -> None:
    alone, correlated = rollout(loss_margin=0.002), rollout(loss_margin=0.002, design_effect=8)
    for count, outcome in ((8000, "NOT_YET"), (80_000, "FAIL")):
        found = loss(correlated, seen(count, 0.008))
        assert found == loss(alone, seen(count, 0.008, 8 * 0.003))
        assert found.outcome == outcome


def test_a_disaster_needs_few_outcomes_and_a_hundred_at_least() -> None:
    assert loss(rollout(), seen(FIRST_LOOK - 1, 0.9, 0.0001)).outcome == "NOT_YET"
    assert loss(rollout(), seen(FIRST_LOOK, 0.9, 0.0001)).outcome == "FAIL"


def test_the_sentence_can_be_read_at_night() -> None:
    assert loss_guardrail(rollout(), loss(rollout(), seen(8000, 0.008))).sentence == (
        "Brier score of v3 is +0.0080 against v2 (at least +0.0051; allowed +0.0030, 2 % of v2's own) "
        "on 8,000 paired outcomes"
    )
    assert loss_guardrail(rollout(), loss(rollout(), seen(800, -0.0004, 0.0117**2, 0.005))).sentence == (
        "Brier score of v3 is -0.00040 against v2 (at worst +0.00226; allowed +0.00010, 2 % of v2's own) "
        "on 800 of 1,000 needed paired outcomes"
    )
    declared = rollout(loss_margin=0.002)
    assert "allowed +0.0020)" in loss_guardrail(declared, loss(declared, seen(8000, 0.001))).sentence


def test_no_outcome_holds() -> None:
    silent = Evidence(5, (), None, None)
    assert loss_of(rollout(), silent) is None
    assert loss_guardrail(rollout(), None).outcome == "NOT_YET"


RUNS, LOOKS, STRIDE = 300, 200, 50
N = STRIDE * np.arange(1, LOOKS + 1)


@pytest.mark.parametrize(("rate", "spread_of_scores"), [(0.3, 1.0), (0.005, 1.5)])
def test_bounds_hold_with_a_margin_estimated_from_the_same_outcomes(rate: float, spread_of_scores: float) -> None:
    """Truth on the margin, looked at every 50 outcomes up to 10,000: both errors stay below alpha."""
    rng = np.random.default_rng(3)
    logit = np.log(rate / (1 - rate)) + rng.normal(0.0, spread_of_scores, 100_000)
    label = rng.random(logit.size) < 1 / (1 + np.exp(-logit))
    one, other = (1 / (1 + np.exp(-logit - rng.normal(0.0, 0.5, logit.size))) for _ in range(2))
    champion = (one - label) ** 2
    difference = (other - label) ** 2 - champion
    difference += 0.02 * champion.mean() - difference.mean()
    drawn = rng.integers(0, logit.size, (RUNS, LOOKS, STRIDE), dtype=np.int32)
    mean = difference[drawn].sum(axis=2).cumsum(axis=1) / N
    variance = np.square(difference)[drawn].sum(axis=2).cumsum(axis=1) / N - mean**2
    scores = champion[drawn].sum(axis=2).cumsum(axis=1) / N
    plain, wrong = rollout(min_outcomes=200), {"PASS": 0, "FAIL": 0, "NOT_YET": 0}
    for run in range(RUNS):
        looks = np.unique(np.geomspace(4, LOOKS, 12).astype(int) - 1)  # the bounds move slowly: twelve looks of them
        outcomes = {
            loss(plain, seen(int(N[k]), float(mean[run, k]), float(variance[run, k]), float(scores[run, k]))).outcome
            for k in looks
        }
        for outcome in outcomes:
            wrong[outcome] += 1
    assert wrong["PASS"] / RUNS <= 0.01
    assert wrong["FAIL"] / RUNS <= 0.01


def test_one_bad_day_does_not_fail_what_many_would() -> None:
    """A day's decisions share its weather: .008 worse is beyond doubt over sixty days, and over one it is not."""
    assert loss(rollout(), seen(8000, 0.008)).outcome == "FAIL"
    assert loss(rollout(), seen(8000, 0.008, windows=1.0)).outcome == "NOT_YET"
    assert loss(rollout(), seen(300, 0.37, variance=0.25, windows=1.0)).outcome == "FAIL"  # the world upside down


def test_days_are_taken_to_differ_as_much_as_training_saw_them_differ() -> None:
    bad_quarter_of_a_day = seen(290, 0.05, 0.01, windows=1.25)
    calm, stormy = (replace(rollout(), offline=Offline(2, 6805, -0.005, 0.001, 24, sd**2)) for sd in (0.0005, 0.02))
    assert loss(calm, bad_quarter_of_a_day).outcome == "FAIL"
    assert loss(stormy, bad_quarter_of_a_day).outcome == "NOT_YET"
    assert loss(stormy, replace_windows(bad_quarter_of_a_day, 20.0)).outcome == "FAIL"


def test_a_candidate_that_training_found_worse_gets_no_allowance_for_a_bad_day() -> None:
    bad_quarter_of_a_day = seen(290, 0.05, 0.01, windows=1.25)
    stormy = Offline(2, 6805, 0.08, 0.015, 3, 0.05**2)
    assert loss(replace(rollout(), offline=stormy), bad_quarter_of_a_day).outcome == "FAIL"
    unsure = replace(stormy, error=0.03)
    assert loss(replace(rollout(), offline=unsure), bad_quarter_of_a_day).outcome == "NOT_YET"


def replace_windows(evidence: Evidence, windows: float) -> Evidence:
    assert evidence.paired is not None
    return replace(evidence, paired=replace(evidence.paired, n=int(290 * windows), windows=windows))
