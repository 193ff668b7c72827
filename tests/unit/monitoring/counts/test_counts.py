"""Whatever way decisions are spread over replicas and shipments, the monitor adds up the same counts."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windvane.cluster.errors import Invalid
from windvane.configs.schema import Feature
from windvane.monitoring.counts import counts as counts_module
from windvane.monitoring.counts.arm_key import ArmKey
from windvane.monitoring.counts.counts import Merged, Tally
from windvane.monitoring.counts.profile import Layout, Profile
from windvane.monitoring.counts.shipment import latency_quantile

FEATURES = (Feature(name="temp", type="number", missing=True), Feature(name="dep", type="number"))
DAY = 86400.0
RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(3000, 2)).astype(np.float32)
ROWS[RNG.random(3000) < 0.1, 0] = np.nan
SCORES = RNG.random(3000)
TIMES = RNG.uniform(0, 3 * DAY, 3000)
ACTIONS = [("hold", "send")[int(score > 0.5)] for score in SCORES]
LATENCIES = RNG.lognormal(1.0, 0.5, 3000).tolist()
VERSIONS = RNG.integers(1, 3, 3000)
PROFILE = Profile.learn(FEATURES, ROWS, SCORES, SCORES > 0.5)


def tally() -> Tally:
    return Tally("delay", {1: PROFILE, 2: PROFILE}, DAY)


def count(into: Tally, rows: np.ndarray) -> None:
    for version in (1, 2):
        of = rows[VERSIONS[rows] == version]
        actions, latencies = [ACTIONS[i] for i in of], [LATENCIES[i] for i in of]
        into.add(ArmKey(4, version, "champion"), ROWS[of], SCORES[of], TIMES[of].tolist(), actions, latencies)
    into.denied("consent", len(rows))


def seen(merged: Merged) -> dict[object, object]:
    windows = {
        key: (c.rows, c.newest, c.scores.tolist(), None if c.features is None else c.features.tolist())
        for key, c in merged.windows.items()
    }
    traffic = {key: (c.decisions, c.errors, dict(c.actions), c.latency.tolist()) for key, c in merged.traffic.items()}
    rest: dict[object, object] = {"shadows": merged.shadows, "dropped": merged.dropped, "denied": merged.denied}
    return {"windows": windows, "traffic": traffic, **rest}


def whole() -> Merged:
    one = tally()
    count(one, np.arange(3000))
    merged = Merged("delay")
    merged.add(one.drain())
    return merged


WHOLE = seen(whole())


@settings(max_examples=15, deadline=None)
@given(replicas=st.integers(1, 4), batch=st.integers(1, 1500), drains=st.integers(1, 5), seed=st.integers(0, 99))
def test_any_spread_over_replicas_batches_and_shipments_gives_the_same_counts(
    replicas: int, batch: int, drains: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    order = rng.permutation(3000)
    tallies = [tally() for _ in range(replicas)]
    shipments: list[bytes] = []
    batch = max(batch, 50)  # smaller batches only cost time here
    for start in range(0, 3000, batch):
        chosen = tallies[int(rng.integers(replicas))]
        count(chosen, order[start : start + batch])
        if rng.integers(drains) == 0:
            shipments.append(chosen.drain())
    shipments += [each.drain() for each in tallies]
    merged = Merged("delay")
    for place in rng.permutation(len(shipments)):
        merged.add(shipments[place])
    assert seen(merged) == WHOLE


def test_counts_are_those_of_the_rows() -> None:
    merged = whole()
    of = (VERSIONS == 2) & (TIMES >= DAY) & (TIMES < 2 * DAY)
    counts = merged.windows[(2, 1)]
    assert counts.rows == of.sum()
    assert counts.features is not None
    assert counts.features.tolist() == np.concatenate(PROFILE.bins(ROWS[of])).tolist()
    assert counts.newest == TIMES[of].max()
    arm = merged.traffic[(4, 2, "champion")]
    assert arm.decisions == (VERSIONS == 2).sum()
    assert arm.actions["send"] == ((VERSIONS == 2) & (SCORES > 0.5)).sum()


def test_a_drained_tally_starts_again_from_nothing() -> None:
    one = tally()
    count(one, np.arange(10))
    one.drain()
    merged = Merged("delay")
    merged.add(one.drain())
    assert seen(merged) == seen(Merged("delay"))


def test_rows_may_be_reused_by_the_caller_after_adding() -> None:
    one = tally()
    rows = ROWS[:8].copy()
    one.add(ArmKey(1, 1, "champion"), rows, SCORES[:8], TIMES[:8].tolist(), ACTIONS[:8], LATENCIES[:8])
    rows[:] = np.nan
    merged = Merged("delay")
    merged.add(one.drain())
    features = sum(c.features for c in merged.windows.values())  # type: ignore[misc]
    assert np.asarray(features).tolist() == np.concatenate(PROFILE.bins(ROWS[:8])).tolist()


def test_a_version_without_profile_is_counted_without_features() -> None:
    one = Tally("delay", {}, DAY)
    one.add(ArmKey(1, 9, "candidate"), ROWS[:5], SCORES[:5], [0.0] * 5, ACTIONS[:5], LATENCIES[:5])
    merged = Merged("delay")
    merged.add(one.drain())
    assert merged.windows[(9, 0)].features is None
    assert merged.windows[(9, 0)].rows == 5
    assert merged.traffic[(1, 9, "candidate")].decisions == 5


def test_a_profile_that_comes_later_counts_from_then_on() -> None:
    profiles: dict[int, Profile] = {}
    one = Tally("delay", profiles, DAY)
    one.add(ArmKey(1, 1, "champion"), ROWS[:5], SCORES[:5], [0.0] * 5, ACTIONS[:5], LATENCIES[:5])
    first = one.drain()
    profiles[1] = PROFILE
    one.add(ArmKey(1, 1, "champion"), ROWS[5:9], SCORES[5:9], [0.0] * 4, ACTIONS[5:9], LATENCIES[5:9])
    merged = Merged("delay")
    merged.add(first)
    merged.add(one.drain())
    counts = merged.windows[(1, 0)]
    assert counts.rows == 9
    assert counts.features is not None
    assert counts.features.sum() == 4 * 2


def test_errors_shadows_and_drops_are_counted() -> None:
    one = tally()
    one.error(ArmKey(3, 1, ""))
    one.error(ArmKey(3, 1, ""), n=2)
    one.shadow(2, 3, SCORES[:7])
    one.dropped(2, 4)
    merged = Merged("delay")
    merged.add(one.drain())
    assert merged.traffic[(3, 1, "")].errors == 3
    assert merged.shadows[(3, 2)] == 7
    assert merged.dropped[2] == 4


def test_old_windows_are_forgotten() -> None:
    one = tally()
    times = np.arange(500) * DAY
    one.add(ArmKey(1, 1, "champion"), ROWS[:500], SCORES[:500], times.tolist(), ACTIONS[:500], LATENCIES[:500])
    merged = Merged("delay")
    merged.add(one.drain())
    assert sorted(window for _, window in merged.windows) == list(range(100, 500))


def test_a_shipment_of_another_model_is_refused() -> None:
    with pytest.raises(Invalid, match="came to the monitor of other"):
        Merged("other").add(tally().drain())
    with pytest.raises(Invalid, match="cannot be read"):
        Merged("delay").add(b"\xc1")


def test_latency_quantiles_are_at_most_a_bin_too_high() -> None:
    merged = whole()
    latency = sum(c.latency for c in merged.traffic.values())
    for quantile in (0.5, 0.99):
        exact = float(np.quantile(LATENCIES, quantile, method="inverted_cdf"))
        read = latency_quantile(latency, quantile)  # type: ignore[arg-type]
        assert read is not None
        assert exact <= read <= exact * 1.0906


def test_no_answers_have_no_latency() -> None:
    assert latency_quantile(np.zeros(10, np.int64), 0.99) is None


def test_a_version_that_was_let_go_is_counted_to_its_last_decision_and_then_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[Profile] = []

    def layout(profile: Profile) -> Layout:
        made.append(profile)
        return Layout(profile)

    profiles = {1: PROFILE, 2: PROFILE}
    one, merged = Tally("delay", profiles, DAY), Merged("delay")
    count(one, np.arange(3000))
    del profiles[1]
    merged.add(one.drain())
    assert seen(merged) == seen(whole())
    monkeypatch.setattr(counts_module, "Layout", layout)
    profiles[1] = PROFILE
    count(one, np.arange(3000))
    one.drain()
    assert len(made) == 1  # one anew for the version that comes back, and none for the one that stayed


def test_refusals_and_warnings_merge_by_field_and_reason() -> None:
    total = Merged("delay")
    for _ in range(2):
        tally = Tally("delay", {}, 60.0)
        tally.refused([("income", "range"), ("plan", "type")])
        tally.refused([("", "malformed_request")], 3)
        tally.warned([("plan", "unknown_category")])
        total.add(tally.drain())
        total.add(tally.drain())  # what was shipped is not counted again
    assert total.refused == 8
    assert total.refusals == {("income", "range"): 2, ("plan", "type"): 2, ("", "malformed_request"): 6}
    assert total.warnings == {("plan", "unknown_category"): 2}
