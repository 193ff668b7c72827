"""Offline proof stands in for outcomes only where they come after everything else, and only where it is sure."""

from dataclasses import replace

import pytest

from tests.worlds.rollout.walks import begun
from tests.worlds.rollout.world import SPEC, version_of
from windvane.configs.sized_plan import Traffic
from windvane.monitoring.evidence import Evidence, PairedEvidence
from windvane.serve_apps.rollout.guardrails.loss import loss_guardrail, loss_of
from windvane.serve_apps.rollout.offline import COVERED, Offline, offline_of
from windvane.serve_apps.rollout.rollout_record import Rollout

SURELY_BETTER = Offline(champion=1, n=300, mean=-0.30, error=0.02)
LATE = Traffic(300.0, 300.0, 40 * 86_400.0)


def rollout(offline: Offline | None = SURELY_BETTER, traffic: Traffic = LATE) -> Rollout:
    """The rollout of a version that training found so, or that faced no champion."""
    figures = {}
    if offline is not None:
        half = COVERED * offline.error
        figures = {"difference_brier": offline.mean, "held_out_rows": float(offline.n)}
        figures |= {"difference_brier_low": offline.mean - half, "difference_brier_high": offline.mean + half}
    version = version_of(figures, None if offline is None else offline.champion)
    return replace(begun(SPEC.rollout, SPEC.slo, candidate=2, revision=2, version=version), traffic=traffic)


def nothing_seen(paired: PairedEvidence | None = None) -> Evidence:
    return Evidence(2, (), paired, None)


def test_a_sure_cure_does_not_wait_forty_days_for_its_outcomes() -> None:
    it = rollout()
    guardrail = loss_guardrail(it, loss_of(it, nothing_seen()))
    assert guardrail.outcome == "PASS"
    assert guardrail.sentence == (
        "outcomes take 40 d; on 300 rows that v1 had not learnt from, training found the Brier score -0.3000 "
        "(at worst -0.2340)"
    )


@pytest.mark.parametrize(
    "offline",
    [
        None,
        replace(SURELY_BETTER, n=99),
        replace(SURELY_BETTER, error=0.1),  # within 3.3 standard errors of nothing
        replace(SURELY_BETTER, champion=7),  # it faced another champion
        replace(SURELY_BETTER, mean=0.3),
    ],
)
def test_what_is_not_sure_waits(offline: Offline | None) -> None:
    it = rollout(offline)
    assert loss_guardrail(it, loss_of(it, nothing_seen())).outcome == "NOT_YET"


def test_outcomes_that_come_soon_are_waited_for() -> None:
    it = rollout(traffic=Traffic(300.0, 300.0, 60.0))
    assert loss_guardrail(it, loss_of(it, nothing_seen())).outcome == "NOT_YET"


def test_outcomes_that_prove_it_worse_end_it_whatever_training_found() -> None:
    it = rollout()
    worse = PairedEvidence(1, 2, 5_000, 0.2, 0.01, 0.1, 0.3)
    assert loss_guardrail(it, loss_of(it, nothing_seen(worse))).outcome == "FAIL"


def test_the_comparison_is_read_from_the_record() -> None:
    metrics = {
        "difference_brier": -0.3,
        "difference_brier_low": -0.3392,
        "difference_brier_high": -0.2608,
        "held_out_rows": 300.0,
    }
    found = offline_of(version_of(metrics, parent=1))
    assert found is not None
    assert (found.champion, found.n, found.mean) == (1, 300, -0.3)
    assert found.error == pytest.approx(0.02)
    assert offline_of(version_of({}, parent=1)) is None
    assert offline_of(version_of(metrics, parent=None)) is None
