"""The figures that unit tests compare with are scikit-learn's and scipy's; they take seconds to import."""

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from tests.worlds import figures
from windvane.training.evaluate.card import wilson


@pytest.mark.parametrize(("seed", "digits"), [(3, 3), (5, 1), (7, 15)])
def test_the_textbooks_figures_are_scikit_learns_ties_included(seed: int, digits: int) -> None:
    random = np.random.default_rng(seed)
    labels = random.random(5000) < 0.2
    chances = 1.0 / (1.0 + np.exp(-(random.normal(-1.5, 0.7, 5000) + 0.8 * labels)))
    scores = np.clip(chances.round(digits), 0.05, 0.95)
    assert figures.auc(labels, scores) == pytest.approx(roc_auc_score(labels, scores), rel=1e-13)
    assert figures.brier(labels, scores) == pytest.approx(brier_score_loss(labels, scores), rel=1e-13)
    assert figures.log_loss(labels, scores) == pytest.approx(log_loss(labels, scores), rel=1e-13)


@pytest.mark.parametrize(("count", "n"), [(0, 30), (30, 30), (4, 18), (17, 400)])
def test_a_shares_interval_is_scipys(count: int, n: int) -> None:
    expected, found = binomtest(count, n).proportion_ci(method="wilson"), wilson(count, n)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)
