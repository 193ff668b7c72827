import numpy as np
import pytest

from windvane.training.fit.linear import fit_linear


def drawn(n: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    rows = random.normal(size=(n, 3)).astype(np.float32)
    rows[:, 2] = random.integers(2, 5, n)
    margin = 2 * rows[:, 0] - rows[:, 1] + (rows[:, 2] == 3) - 1
    return rows, random.random(n) < 1 / (1 + np.exp(-margin))


def test_no_step_in_any_direction_lowers_the_penalised_loss() -> None:
    rows, labels = drawn(500)
    fitted = fit_linear(rows, labels, categories={2})
    design = np.column_stack([np.ones(500), *(column.values(rows) for column in fitted.columns)])
    weights = np.array([fitted.intercept, *fitted.weights])
    chance = 1 / (1 + np.exp(-design @ weights))
    slope = design.T @ (chance - labels) + np.array([0.0, *fitted.weights])
    assert slope == pytest.approx(np.zeros(len(weights)), abs=0.02)


def test_terms_are_what_each_feature_adds() -> None:
    rows, labels = drawn(5000)
    terms = fit_linear(rows, labels, categories={2}).terms(rows)
    slope = np.polyfit(rows[:, 0], terms[:, 0], 1)[0]
    assert slope == pytest.approx(2.0, abs=0.15)
    by_code = [float(terms[rows[:, 2] == code, 2][0]) for code in (2, 3, 4)]
    assert by_code[1] - by_code[0] == pytest.approx(1.0, abs=0.25)


def test_a_missing_number_has_a_weight_of_its_own() -> None:
    random = np.random.default_rng(2)
    rows = random.normal(size=(4000, 1)).astype(np.float32)
    rows[random.random(4000) < 0.3] = np.nan
    missing = np.isnan(rows[:, 0])
    labels = random.random(4000) < np.where(missing, 0.9, 0.5)
    terms = fit_linear(rows, labels, categories=()).terms(rows)[:, 0]
    assert terms[missing].min() > terms[~missing].max() + 1.0


def test_rows_that_one_number_tells_apart_still_have_finite_weights() -> None:
    rows = np.linspace(-1, 1, 200, dtype=np.float32)[:, None]
    fitted = fit_linear(rows, rows[:, 0] > 0.8, categories=())
    assert 1 < fitted.weights[0] < 100


def test_a_feature_that_never_differs_says_nothing() -> None:
    rows, labels = drawn(300)
    rows[:, 1] = 7.0
    assert 1 not in {column.feature for column in fit_linear(rows, labels, categories={2}).columns}


def test_many_rows_are_learnt_from_in_part_and_rare_ones_whole() -> None:
    random = np.random.default_rng(3)
    rows = random.normal(size=(120_000, 1)).astype(np.float32)
    labels = random.random(120_000) < 1 / (1 + np.exp(-(rows[:, 0] - 6)))
    fitted = fit_linear(rows, labels, categories=())
    assert fitted.weights[0] == pytest.approx(1.0, abs=0.15)
    assert fitted.intercept == pytest.approx(-6.0, abs=0.25)


def test_a_line_goes_on_flat_where_few_rows_lie_and_beyond_them_all() -> None:
    rows, labels = drawn(4000)
    fitted = fit_linear(rows, labels, categories={2})
    low, high = np.quantile(rows[:, 0].astype(float), [0.025, 0.975])
    at = np.array([low, -3.0, -1e6, high, 3.0, 1e6], np.float32)
    terms = fitted.terms(np.column_stack([at, np.zeros(6), np.full(6, 3)]).astype(np.float32))[:, 0]
    assert terms[:3] == pytest.approx([terms[0]] * 3, abs=1e-5)
    assert terms[3:] == pytest.approx([terms[3]] * 3, abs=1e-5)
    assert terms[3] > terms[0] + 5


def test_a_number_that_nearly_always_is_the_same_keeps_its_rare_values_apart() -> None:
    random = np.random.default_rng(5)
    rows = np.zeros((4000, 1), np.float32)
    rows[::50, 0] = 1.0
    labels = random.random(4000) < np.where(rows[:, 0] > 0, 0.9, 0.2)
    terms = fit_linear(rows, labels, categories=()).terms(np.array([[0.0], [0.6], [1.0], [9.0]], np.float32))[:, 0]
    assert terms[0] < terms[1] < terms[2]
    assert terms[2] == terms[3]
