"""A finding is a value against its limit; too few rows are no finding, and no zero."""

from dataclasses import replace

import pytest

from windvane.configs.schema import Monitor
from windvane.monitoring.findings import FeatureMeasure, WindowMeasures, breaches, drift_findings, performance_findings
from windvane.monitoring.statistics.performance import Performance

LIMITS = Monitor(min_sample=500, feature_psi=0.25, score_psi=0.25, missing_rise=0.1, auc_drop=0.03, brier_rise=0.02)
REFERENCE = Performance(n=20_000, positives=4000, auc=0.70, brier=0.150, brier_variance=0.03, log_loss=0.45)
MEASURES = WindowMeasures(
    model="delay",
    version=2,
    window=5,
    start=432000.0,
    end=518400.0,
    rows=900,
    counted_at=0.0,
    features=(
        FeatureMeasure("temp", psi=0.6, missing_rise=0.05, unknown_rise=None),
        FeatureMeasure("origin", psi=0.01, missing_rise=-0.1, unknown_rise=0.15),
    ),
    score_psi=0.3,
    decided=900,
    performance=Performance(n=800, positives=170, auc=0.64, brier=0.160, brier_variance=0.03, log_loss=0.5),
    reference=REFERENCE,
)


def test_breaches_are_the_findings_over_their_limit_worst_first() -> None:
    found = drift_findings(MEASURES, LIMITS)
    assert [finding.name for finding in breaches(found)] == [
        "feature_psi:temp",
        "unknown_rise:origin",
        "score_psi:score",
    ]
    assert [finding.severity for finding in breaches(found)] == ["critical", "warning", "warning"]


def test_a_value_within_its_limit_is_a_finding_and_no_breach() -> None:
    found = {finding.name: finding for finding in drift_findings(MEASURES, LIMITS)}
    assert not found["feature_psi:origin"].breach
    assert found["feature_psi:origin"].severity == "ok"


def test_a_value_at_its_limit_is_no_breach() -> None:
    measures = replace(MEASURES, score_psi=0.25)
    assert not drift_findings(measures, LIMITS)[-1].breach


def test_too_few_rows_are_no_finding() -> None:
    assert drift_findings(replace(MEASURES, rows=499), LIMITS) == ()


def test_what_was_not_measured_is_no_finding() -> None:
    measures = replace(MEASURES, score_psi=None)
    assert "score_psi:score" not in {finding.name for finding in drift_findings(measures, LIMITS)}


def test_performance_is_found_against_the_reference() -> None:
    drop, rise = performance_findings(MEASURES, LIMITS, "late")
    assert (drop.monitor, drop.subject, drop.kind, drop.sample) == ("auc_drop", "late", "performance", 800)
    assert drop.value == pytest.approx(0.06)
    assert drop.breach
    assert rise.value == pytest.approx(0.01)
    assert not rise.breach


def test_few_labels_or_no_reference_are_no_finding() -> None:
    assert MEASURES.performance is not None
    few = replace(MEASURES, performance=replace(MEASURES.performance, n=499))
    assert performance_findings(few, LIMITS, "late") == ()
    assert performance_findings(replace(MEASURES, reference=None), LIMITS, "late") == ()
    assert performance_findings(replace(MEASURES, performance=None), LIMITS, "late") == ()


def test_one_class_of_labels_says_nothing_about_the_auc() -> None:
    assert MEASURES.performance is not None
    measures = replace(MEASURES, performance=replace(MEASURES.performance, auc=None))
    assert [finding.monitor for finding in performance_findings(measures, LIMITS, "late")] == ["brier_rise"]


def test_the_sentence_has_the_figures() -> None:
    worst = breaches(drift_findings(MEASURES, LIMITS))[0]
    assert worst.sentence() == "Drift (PSI) of temp is 0.600 over 900 decisions, limit 0.25"
