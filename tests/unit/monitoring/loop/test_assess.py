"""Drift alone is harmless; the champion loses only when fresh labels say so beyond chance."""

import pytest

from windvane.configs.schema import Monitor
from windvane.monitoring.counts.labelled_windows import LabelledSpan
from windvane.monitoring.findings import Finding
from windvane.monitoring.loop.assess import assess
from windvane.monitoring.statistics.performance import Performance

LIMITS = Monitor(auc_drop=0.03, brier_rise=0.02)
REFERENCE = Performance(n=20_000, positives=4000, auc=0.70, brier=0.150, brier_variance=0.03, log_loss=0.45)
DRIFT = Finding("delay", "feature_psi", "temp", 1, 8.0, 0.25, "critical", 9, 0.0, 86400.0, 900)


def span(n: int = 5000, auc: float | None = 0.70, brier: float = 0.150) -> LabelledSpan:
    performance = Performance(n, n // 5 if auc else 0, auc, brier, brier_variance=0.03, log_loss=0.45)
    return LabelledSpan(1, 0.0, 10 * 86400.0, performance)


def test_drift_without_loss_is_harmless() -> None:
    assessment = assess([DRIFT], span(), REFERENCE, LIMITS, 1000)
    assert assessment.verdict == "harmless"
    assert "PSI) of temp is 8.000" in assessment.sentence
    assert "AUC 0.700 against 0.700 (+0.000" in assessment.sentence


def test_a_fallen_auc_loses() -> None:
    assessment = assess([DRIFT], span(auc=0.64), REFERENCE, LIMITS, 1000)
    assert assessment.verdict == "loses"
    assert "champion loses by AUC on 5000 labels of 1970-01-01 to 1970-01-11" in assessment.sentence
    assert assessment.auc_drop is not None
    low, value, high = assessment.auc_drop
    assert value == pytest.approx(0.06)
    assert 0 < low < value < high


def test_a_risen_brier_score_loses() -> None:
    assert assess([DRIFT], span(brier=0.175), REFERENCE, LIMITS, 1000).verdict == "loses"


def test_a_drop_that_chance_explains_is_harmless() -> None:
    assert assess([DRIFT], span(n=100, auc=0.64), REFERENCE, LIMITS, 100).verdict == "harmless"


def test_a_certain_drop_below_the_limit_is_harmless() -> None:
    assert assess([DRIFT], span(n=1_000_000, auc=0.68), REFERENCE, LIMITS, 1000).verdict == "harmless"


def test_without_labels_it_says_so() -> None:
    assessment = assess([DRIFT], None, REFERENCE, LIMITS, 1000)
    assert assessment.verdict == "not_enough_labels"
    assert "fewer than 1000 labels" in assessment.sentence
    assert assessment.auc_drop is None


def test_one_class_of_labels_is_judged_by_the_brier_score_alone() -> None:
    assessment = assess([DRIFT], span(auc=None), REFERENCE, LIMITS, 1000)
    assert assessment.verdict == "harmless"
    assert assessment.auc_drop is None
    assert "AUC not known" in assessment.sentence
