"""Shipments and log come out as measures, evidence and figures; what is not known is None."""

import pickle  # noqa: TID251  Ray pickles what is shipped
from dataclasses import replace

import numpy as np
import pytest

from tests.worlds.observations import DAY, PROFILE, RNG, SPEC, count, decided, labelled, observed, rows, tally
from windvane.cluster.decision_log.record import Decision, Outcome, Record, Shadow
from windvane.monitoring.counts.arm_key import ArmKey
from windvane.monitoring.counts.counts import Tally
from windvane.monitoring.counts.observation import Observation
from windvane.monitoring.counts.profile import Profile
from windvane.monitoring.counts.recent_versions import KEPT_VERSIONS


def test_a_window_like_the_reference_shows_no_drift() -> None:
    (measures,) = observed((3, rows(1000))).measures(1)
    assert (measures.window, measures.rows, measures.start, measures.end) == (3, 1000, 3 * DAY, 4 * DAY)
    assert measures.score_psi is not None
    assert measures.score_psi < 0.1
    for feature in measures.features:
        assert feature.psi is not None
        assert feature.psi < 0.1


def test_a_moved_feature_shows_in_its_own_measure() -> None:
    (measures,) = observed((3, rows(1000, mean=70.0))).measures(1)
    temp, origin = measures.features
    assert temp.psi is not None
    assert origin.psi is not None
    assert (temp.psi > 1.0, origin.psi < 0.1) == (True, True)


def test_missing_and_unknown_shares_are_measured_as_rises() -> None:
    (measures,) = observed((3, rows(2000, missing=0.3, unknown=0.2))).measures(1)
    temp, origin = measures.features
    assert temp.missing_rise == pytest.approx(0.3, abs=0.04)
    assert temp.unknown_rise is None
    assert origin.unknown_rise == pytest.approx(0.2, abs=0.04)


def test_too_few_rows_are_not_measured() -> None:
    (measures,) = observed((3, rows(199))).measures(1)
    assert (measures.rows, measures.features, measures.score_psi) == (199, (), None)


def test_a_version_without_profile_is_not_measured() -> None:
    seen = Observation(SPEC)
    counts = tally()
    count(counts, 3, rows(1000))
    seen.ship("r1", counts.drain(), now=0.0)
    (measures,) = seen.measures(1)
    assert (measures.features, measures.score_psi, measures.reference) == ((), None, None)
    assert seen.reference(1) is None


def test_only_newer_windows_are_given_when_asked() -> None:
    seen = observed((1, rows(10)), (2, rows(10)), (3, rows(10)))
    assert [measures.window for measures in seen.measures(1, after=1)] == [2, 3]


def test_a_shipment_delivered_twice_counts_once() -> None:
    seen, counts = Observation(SPEC), tally()
    count(counts, 1, rows(50))
    payload = counts.drain()
    seen.ship("r1", payload, now=0.0)
    seen.ship("r1", payload, now=1.0)
    assert seen.snapshot(1.0).decisions == 50
    count(counts, 1, rows(5))
    seen.ship("r1", counts.drain(), now=2.0)
    assert seen.snapshot(2.0).decisions == 55


def test_one_wild_event_time_does_not_move_the_clock() -> None:
    seen = observed((3, rows(100)), (90_000, rows(1)))
    assert seen.watermark() == 3 * DAY + 99


def test_a_dozen_event_times_of_tomorrow_do_not_move_the_clock_past_those_of_now() -> None:
    seen = observed((0.5, rows(300)), (1.45, rows(12)))
    watermark = seen.watermark()
    assert watermark is not None
    assert watermark < DAY


def test_a_dozen_event_times_of_next_week_do_not_age_the_labels_of_today() -> None:
    seen = Observation(SPEC)
    seen.read([*decided(12, day=7.0, prefix="wild")[:12], *decided(300, day=0.0)])
    seen.watch(1, Profile.learn(SPEC.features, rows(300), *labelled(300)))
    assert {each.label_wait for each in seen.measures(1)} == {DAY}


def test_a_corrected_label_leaves_nothing_of_the_earlier_one() -> None:
    seen, once = Observation(SPEC), Observation(SPEC)
    records = decided(300, shadow=2)
    wrong = [replace_label(record, True) for record in records]
    right = [replace_label(record, False) for record in records]
    seen.read(wrong)
    seen.read([record for record in right if isinstance(record, Outcome)])
    once.read(right)
    assert seen.performances() == once.performances()
    assert seen.evidence(1, 1, 2, 0.0).paired == once.evidence(1, 1, 2, 0.0).paired
    assert seen.snapshot(0.0).corrected == 300


def replace_label(record: Record, label: bool) -> Record:
    return Outcome(record.decision_id, record.at, label) if isinstance(record, Outcome) else record


def test_no_clock_before_ten_decisions() -> None:
    assert observed((3, rows(9))).watermark() is None
    assert observed((3, rows(5)), (4, rows(5))).watermark() == 3 * DAY + 4


def test_labels_make_performance_by_version_and_window() -> None:
    seen = Observation(SPEC)
    seen.read(decided(500, day=0, shadow=2))
    seen.read(decided(300, day=1))
    first, second = seen.measures(1)
    assert first.performance is not None
    assert second.performance is not None
    assert (first.performance.n, first.decided, second.performance.n) == (500, 500, 300)
    (shadow,) = seen.measures(2)
    assert shadow.performance is not None
    assert shadow.performance.n == 500
    assert shadow.performance.auc == pytest.approx(first.performance.auc, abs=5e-3)  # halved scores rank the same
    assert shadow.performance.brier > first.performance.brier


def test_newest_labels_are_pooled_until_they_suffice() -> None:
    seen = Observation(SPEC)
    for day in range(4):
        seen.read(decided(300, day=day))
    span = seen.labelled(1, at_least=500, until=4 * DAY)
    assert span is not None
    assert (span.start, span.end, span.performance.n) == (2 * DAY, 4 * DAY, 600)
    assert seen.labelled(1, at_least=5000, until=4 * DAY) is None
    open_day = seen.labelled(1, at_least=500, until=3.5 * DAY)
    assert open_day is not None
    assert (open_day.start, open_day.end) == (1 * DAY, 3 * DAY)


def test_a_window_whose_labels_are_still_coming_is_not_pooled() -> None:
    seen = Observation(SPEC)
    records = decided(300, day=0)
    seen.read(records[:400])  # 100 of 300 labels
    assert seen.labelled(1, at_least=50, until=1.5 * DAY) is None
    span = seen.labelled(1, at_least=50, until=2 * DAY)  # one window later no more are waited for
    assert span is not None
    assert span.performance.n == 100


def test_evidence_pairs_what_both_versions_scored_since() -> None:
    seen = Observation(SPEC)
    seen.read(decided(100, shadow=2, at=50.0, prefix="old"))
    seen.read(decided(300, shadow=2, at=90.0, prefix="new"))
    evidence = seen.evidence(1, champion=1, candidate=2, since=60.0)
    assert evidence.paired is not None
    assert evidence.shift is not None
    assert (evidence.paired.n, evidence.shift.n) == (300, 300)
    assert evidence.paired.mean_difference > 0  # halved scores are worse


def test_evidence_waits_for_both_classes_where_one_is_known_later() -> None:
    """Bad cases are known at once, good ones after 20 days: the newest outcomes are all bad, and favour high scores."""
    seen, records = Observation(SPEC), list[Record]()
    for number in range(1200):
        at, late = number * DAY / 20, bool(number % 2)
        records.append(Decision(f"d{number}", at, at, 1, "champion", 1, "N1", 7, (), 0.5, "hold"))
        records.append(Shadow(at, 2, (f"d{number}",), (0.9,)))
        come = at if late else at + 20 * DAY
        if come <= 60 * DAY:
            records.append(Outcome(f"d{number}", come, late))
    seen.read(records)
    evidence = seen.evidence(1, champion=1, candidate=2, since=0.0)
    assert evidence.paired is not None
    assert evidence.paired.n == pytest.approx(2 * 20 * 20, abs=4), "of the first 40 days"
    assert evidence.paired.mean_difference == pytest.approx((0.01 + 0.81) / 2 - 0.25, abs=0.01)


def test_evidence_of_versions_never_compared_is_none() -> None:
    evidence = Observation(SPEC).evidence(1, 1, 2, 0.0)
    assert (evidence.arms, evidence.paired, evidence.shift) == ((), None, None)


def test_evidence_of_arms_is_of_one_revision() -> None:
    seen, counts = Observation(SPEC), tally()
    count(counts, 0, rows(40), version=1, revision=1)
    count(counts, 0, rows(30), version=1, revision=2)
    count(counts, 0, rows(10), version=2, revision=2)
    counts.error(ArmKey(2, 2, "candidate"), 3)
    seen.ship("r1", counts.drain(), now=0.0)
    evidence = seen.evidence(2, 1, 2, 0.0)
    champion, candidate = evidence.arm(1), evidence.arm(2)
    assert champion is not None
    assert candidate is not None
    assert (champion.decisions, champion.errors) == (30, 0)
    assert (candidate.decisions, candidate.errors) == (10, 3)
    assert candidate.latency_p99_ms == pytest.approx(2.0, rel=0.1)
    assert evidence.arm(3) is None


def test_evidence_counts_answers_later_than_the_objective_and_measures_the_traffic() -> None:
    seen, counts = Observation(SPEC), tally()
    late = [20.0] * 90 + [49.0] * 5 + [80.0] * 5
    counts.add(ArmKey(7, 1, "champion"), rows(100), RNG.beta(2, 5, 100), [0.0] * 100, ["hold"] * 100, late)
    seen.ship("r1", counts.drain(), now=0.0)
    seen.read(decided(300, shadow=2, at=50.0))
    evidence = seen.evidence(7, 1, 2, 0.0)
    champion = evidence.arm(1)
    assert champion is not None
    assert (champion.decisions, champion.slow) == (100, 5)
    assert evidence.traffic is not None
    assert evidence.traffic.decisions_per_day is None, "all at one moment"


def test_errors_without_an_answer_have_no_latency() -> None:
    seen, counts = Observation(SPEC), tally()
    counts.error(ArmKey(5, 2, "candidate"), 3)
    seen.ship("r1", counts.drain(), now=0.0)
    candidate = seen.evidence(5, 1, 2, 0.0).arm(2)
    assert candidate is not None
    assert (candidate.decisions, candidate.errors, candidate.latency_p99_ms) == (0, 3, None)


def test_the_snapshot_has_totals_and_rates() -> None:
    seen, counts = Observation(SPEC), tally()
    assert seen.snapshot(0.0).decisions_per_second is None
    for second in range(1, 11):
        count(counts, 0, rows(20))
        seen.ship("r1", counts.drain(), now=float(second))
    snapshot = seen.snapshot(10.0)
    assert snapshot.decisions == 200
    assert snapshot.decisions_per_second == pytest.approx(200 / 9.0)
    assert snapshot.latency_p50_ms == pytest.approx(2.0, rel=0.1)
    assert snapshot.replicas == 1
    assert snapshot.arms[0].actions == {"hold": 200}
    quiet = seen.snapshot(100.0)
    assert (quiet.decisions_per_second, quiet.latency_p99_ms, quiet.replicas) == (0.0, None, 0)


def test_what_was_answered_has_its_own_series() -> None:
    seen = Observation(SPEC)
    seen.read(decided(100, day=0, shadow=2))
    series = {(each.version, each.start): each.n for each in seen.performances()}
    assert series == {(None, 0.0): 100, (1, 0.0): 100, (2, 0.0): 100}


def test_measures_survive_a_restart_that_reads_the_log_again() -> None:
    records = decided(300, shadow=2)
    before, after = Observation(SPEC), Observation(SPEC)
    before.read(records)
    for start in range(0, len(records), 37):
        after.read(records[start : start + 37])
    (one,), (other,) = before.measures(1), after.measures(1)
    assert replace(one, counted_at=0.0) == replace(other, counted_at=0.0)
    first, second = before.evidence(1, 1, 2, 0.0).paired, after.evidence(1, 1, 2, 0.0).paired
    assert first is not None
    assert second is not None
    assert (first.n, second.n) == (300, 300)
    assert second.mean_difference == pytest.approx(first.mean_difference, rel=1e-9)


def test_what_a_monitor_keeps_is_bounded_however_many_versions_there_were() -> None:
    seen, sizes, given = Observation(SPEC), {}, rows(20)
    for version in range(1, 501):
        counts, name = Tally("delay", {version: PROFILE}, DAY), f"d{version}"
        seen.watch(version, PROFILE)
        count(counts, float(version), given, version, revision=2 * version)
        counts.shadow(version, 2 * version - 1, np.full(20, 0.2))
        counts.dropped(version)
        seen.ship("r1", counts.drain(), now=float(version))
        seen.read(
            [
                Decision(name, 50.0, version * DAY, version, "champion", 1, "N", 1, (), 0.5, "hold"),
                Shadow(50.0, version + 1, (name,), (0.4,)),
                Outcome(name, 50.0, True),
            ]
        )
        if version in (450, 500):
            sizes[version] = len(pickle.dumps(seen))
    shown = seen.snapshot(500.0)
    assert shown.profiles == tuple(range(500 - KEPT_VERSIONS + 2, 501))  # and 501, which was only a shadow
    assert set(shown.shadow_scores) == set(shown.shadow_dropped) == set(shown.profiles)
    assert {each.version for each in seen.performances()} == {None, *shown.profiles, 501}
    assert (seen.measures(1), [each.window for each in seen.measures(500)]) == ((), [499, 500])
    assert sizes[500] < 1.03 * sizes[450]  # by the decisions that a late label may still correct


def test_a_late_label_of_an_old_version_lets_no_version_go_that_decides() -> None:
    seen = observed((3, rows(1000)))
    for version in range(2, 60):
        seen.add_labelled(version, 3, np.array([0.5]), np.array([True]))
    assert seen.snapshot(1000.0).profiles == (1,)
    assert seen.measures(1)[0].rows == 1000
