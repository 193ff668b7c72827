import numpy as np
import pytest
from numpy.testing import assert_allclose

from tests.worlds import figures
from windvane.configs.schema import Action, DecisionRule
from windvane.training.evaluate.evaluate import (
    METRICS,
    Bootstrap,
    Estimate,
    OfflineComparison,
    OfflineRuling,
    compare,
    decision_costs,
    rule,
)

DECISION = DecisionRule(
    actions=(
        Action(name="notify", at_least=0.5, cost_if_true=0, cost_if_false=2),
        Action(name="none", at_least=0.0, cost_if_true=4, cost_if_false=0),
        Action(name="watch", at_least=0.25, cost_if_true=1, cost_if_false=1),
    )
)


def sample(n: int = 4000, noise: float = 1.0, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """bool[n] labels and calibrated float[n] chances, blurred by `noise`."""
    random = np.random.default_rng(seed)
    logit = random.normal(size=n)
    labels = random.random(n) < 1 / (1 + np.exp(-logit))
    return labels, np.round(1 / (1 + np.exp(-(logit + (noise - 1) * random.normal(size=n)))), 3)


def test_figures_are_the_textbooks_ties_included() -> None:
    labels, scores = sample()
    found = compare(labels, scores, None, DECISION, Bootstrap(50, 1)).candidate
    assert_allclose(found["auc"].value, figures.auc(labels, scores), rtol=1e-12)
    assert_allclose(found["brier"].value, figures.brier(labels, scores), rtol=1e-12)
    assert_allclose(found["log_loss"].value, figures.log_loss(labels, scores), rtol=1e-9)


@pytest.mark.parametrize("n", [40, 150, 10_000])
@pytest.mark.parametrize("decimals", [1, 6])
def test_an_interval_is_that_of_rows_weighed_one_by_one(n: int, decimals: int) -> None:
    labels, scores = sample(n, seed=8)
    scores = np.round(scores + np.random.default_rng(1).random(n) * 1e-4, decimals)
    found = compare(labels, scores, None, DECISION, Bootstrap(60, 1)).candidate["auc"]
    blocks = min(100, n)
    drawn = np.random.default_rng(1).multinomial(blocks, np.full(blocks, 1 / blocks), size=60)
    repeated = [np.repeat(np.arange(n), weights[np.arange(n) * blocks // n]) for weights in drawn]
    areas = [figures.auc(labels[rows], scores[rows]) for rows in repeated if len(set(labels[rows])) == 2]
    assert_allclose((found.low, found.high), np.quantile(areas, [0.025, 0.975]), rtol=1e-9)


def test_every_interval_holds_its_value_and_is_not_a_point() -> None:
    labels, scores = sample()
    for name, estimate in compare(labels, scores, None, DECISION, Bootstrap(200, 1)).candidate.items():
        assert estimate.low < estimate.high, name
        if name != "calibration_error":  # resampling can only add to an error that is never negative
            assert estimate.low < estimate.value < estimate.high, name


def test_the_log_loss_interval_is_as_wide_as_the_central_limit_says() -> None:
    labels, scores = sample(20_000)
    estimate = compare(labels, scores, None, DECISION, Bootstrap(400, 1)).candidate["log_loss"]
    losses = -np.log(np.where(labels, scores, 1 - scores))
    assert_allclose(estimate.high - estimate.low, 2 * 1.96 * losses.std() / np.sqrt(len(losses)), rtol=0.15)


def test_a_version_does_not_differ_from_itself() -> None:
    labels, scores = sample()
    differences = compare(labels, scores, scores, DECISION, Bootstrap(50, 1)).differences
    assert differences == dict.fromkeys(METRICS, Estimate(0.0, 0.0, 0.0))


def test_pairing_sees_a_difference_that_two_separate_intervals_hide() -> None:
    labels, champion = sample(2000)
    candidate = np.clip(champion + 0.02, 0.001, 0.999)
    comparison = compare(labels, candidate, champion, DECISION, Bootstrap(200, 1))
    assert comparison.champion is not None
    assert comparison.candidate["brier"].low < comparison.champion["brier"].high
    difference = comparison.differences["brier"]
    assert difference.high - difference.low < 0.5 * (
        comparison.candidate["brier"].high - comparison.candidate["brier"].low
    )


def test_the_same_seed_gives_the_same_interval() -> None:
    labels, scores = sample(500)
    one, same, other = (compare(labels, scores, None, DECISION, Bootstrap(50, seed)) for seed in (1, 1, 2))
    assert one == same
    assert one != other


def test_cost_is_that_of_the_action_each_score_reaches() -> None:
    labels = np.array([True, False, True, False, True, False])
    scores = np.array([0.1, 0.1, 0.25, 0.49, 0.5, 0.99])
    assert decision_costs(labels, scores, DECISION).tolist() == [4, 0, 1, 1, 0, 2]


def test_calibration_error_of_a_constant_score_is_its_distance_from_the_base_rate() -> None:
    labels = np.array([True, False, False, False] * 50)
    found = compare(labels, np.full(200, 0.45), None, DECISION, Bootstrap(50, 1)).candidate
    assert_allclose(found["calibration_error"].value, 0.2, rtol=1e-12)


def ruled(value: float, low: float, high: float) -> OfflineRuling:
    loss = Estimate(0.5, 0.4, 0.6)
    return rule(
        OfflineComparison(100, 20, {"log_loss": loss}, {"log_loss": loss}, {"log_loss": Estimate(value, low, high)}),
        0.002,
    )


@pytest.mark.parametrize(
    ("difference", "standing"),
    [
        ((-0.01, -0.02, -0.005), "candidate"),
        ((0.0, 0.0, 0.0), "candidate"),
        ((0.0019, 0.001, 0.003), "candidate"),  # surely worse, but within the margin
        ((0.01, -0.001, 0.02), "candidate"),  # beyond the margin, but perhaps by chance
        ((0.0021, 0.0001, 0.004), "rejected"),
        ((0.03, 0.025, 0.036), "rejected"),
    ],
)
def test_only_a_loss_that_is_sure_and_beyond_the_margin_rejects(
    difference: tuple[float, float, float], standing: str
) -> None:
    assert ruled(*difference).standing == standing


def test_a_candidate_that_is_surely_better_is_called_so() -> None:
    assert ruled(-0.01, -0.02, -0.005).why.endswith("on 100 rows: surely better")
    assert ruled(0.0, -0.01, 0.01).why.endswith("not surely worse than the margin of 0.002")


def test_the_first_version_is_champion() -> None:
    labels, scores = sample(200)
    assert rule(compare(labels, scores, None, DECISION, Bootstrap(50, 1)), 0.002).standing == "champion"


@pytest.mark.parametrize(
    ("noise", "standing"),
    [(0.05, "champion"), (40.0, "rejected")],
)
def test_a_first_version_has_to_beat_the_same_chance_for_everybody(noise: float, standing: str) -> None:
    labels, scores = sample(800, noise=1 + noise)
    ruling = rule(compare(labels, scores, None, DECISION, Bootstrap(100, 1), constant=float(labels.mean())), 0.002)
    assert ruling.standing == standing


def test_one_in_ten_that_say_nothing_pass_for_something() -> None:
    random = np.random.default_rng(5)
    passed = 0
    for _ in range(200):
        labels = random.random(400) < 0.3
        scores = np.clip(0.3 + 0.02 * random.normal(size=400), 0.01, 0.99)
        passed += (
            rule(compare(labels, scores, None, DECISION, Bootstrap(50, 1), constant=0.3), 0.002).standing == "champion"
        )
    assert passed <= 30


def test_rows_of_a_bad_day_count_as_one_thing() -> None:
    """Twenty days of which two are lost to the candidate: by quarters of days that looks sure, by days it does not."""
    rng = np.random.default_rng(4)
    day = np.repeat(np.arange(20), 100)
    labels = rng.random(2000) < 0.3
    champion = np.full(2000, 0.3)
    candidate = np.where(day % 10 == 4, np.where(labels, 0.22, 0.38), champion)
    by_quarters, by_days = (
        compare(labels, candidate, champion, DECISION, Bootstrap(400, 1), windows=windows).differences["log_loss"]
        for windows in (80, 20)
    )
    assert by_quarters.value == pytest.approx(by_days.value)
    assert by_quarters.low > 0.0 >= by_days.low
    assert by_days.high - by_days.low > 1.5 * (by_quarters.high - by_quarters.low)
