"""A profile's bins hold every value once, and survive their JSON."""

import numpy as np
import pytest

from windvane.cluster.encoding import Encoder
from windvane.cluster.errors import Invalid
from windvane.configs.schema import Feature
from windvane.monitoring.counts.profile import Profile
from windvane.monitoring.statistics.drift import psi
from windvane.monitoring.statistics.performance import SCORE_BINS

FEATURES = (
    Feature(name="temp", type="number", missing=True),
    Feature(name="rain", type="number"),
    Feature(name="weekend", type="boolean"),
    Feature(name="origin", type="category", categories=("EWR", "JFK", "LGA")),
    Feature(name="constant", type="integer"),
)


def encoded(n: int = 4000, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    origins = ["EWR", "JFK", "LGA", None, "SFO"]
    records = [
        (
            None if rng.random() < 0.1 else float(rng.normal(50, 20)),
            0.0 if rng.random() < 0.8 else float(rng.random()),
            bool(rng.random() < 0.3),
            origins[int(rng.integers(5))],
            7,
        )
        for _ in range(n)
    ]
    return Encoder(FEATURES).rows(records)


def learnt(rows: np.ndarray) -> Profile:
    rng = np.random.default_rng(2)
    return Profile.learn(FEATURES, rows, rng.random(1000), rng.random(1000) < 0.5)


def test_the_reference_rows_count_as_the_profile_says() -> None:
    rows = encoded()
    profile = learnt(rows)
    for feature, counts in zip(profile.features, profile.bins(rows), strict=True):
        assert tuple(counts.tolist()) == feature.counts
        assert sum(feature.counts) == len(rows)


def test_missing_values_have_the_first_bin() -> None:
    rows = encoded()
    profile = learnt(rows)
    assert profile.features[0].counts[0] == int(np.isnan(rows[:, 0]).sum())
    assert profile.features[3].counts[0] == int((rows[:, 3] == 0).sum())


def test_number_bins_hold_about_a_tenth_each() -> None:
    temp = learnt(encoded()).features[0]
    shares = np.array(temp.counts[1:]) / sum(temp.counts[1:])
    assert len(shares) == 10
    assert shares == pytest.approx(np.full(10, 0.1), abs=0.01)


def test_a_heap_of_equal_values_leaves_no_bin_empty() -> None:
    rain = learnt(encoded()).features[1]
    assert rain.edges[0] == 0.0
    assert all(count > 0 for count in rain.counts[1:])


def test_a_constant_feature_shows_when_it_moves_either_way() -> None:
    profile = learnt(encoded())
    rows = np.repeat(encoded(1), 3, axis=0)
    rows[:, 4] = [6.0, 7.0, 8.0]
    assert profile.bins(rows)[4].tolist() == [0, 1, 1, 1]


def test_a_value_on_an_edge_counts_below_it() -> None:
    profile = learnt(encoded())
    rows = encoded(1)
    rows[0, 0] = np.float32(profile.features[0].edges[3])
    assert profile.bins(rows)[0].tolist().index(1) == 4


def test_values_beyond_the_reference_fall_in_the_outer_bins() -> None:
    profile = learnt(encoded())
    rows = np.repeat(encoded(1), 2, axis=0)
    rows[:, 0] = [-1e30, np.inf]
    rows[:, 3] = [3.0, 99.0]
    temp, _, _, origin, _ = profile.bins(rows)
    assert (temp[1], temp[-1]) == (1, 1)
    assert (origin[3], origin[4]) == (1, 1)


def test_boolean_bins_are_missing_false_true() -> None:
    weekend = learnt(encoded()).features[2]
    assert weekend.edges == (0.0,)
    assert len(weekend.counts) == 3


def test_a_feature_without_any_value_has_a_profile() -> None:
    rows = encoded(10)
    rows[:, 0] = np.nan
    profile = learnt(rows)
    assert profile.features[0].counts == (10, 0)


def test_a_spread_is_the_standard_deviation_of_a_normal_feature_whatever_its_tails() -> None:
    rows = encoded()
    wild = np.where(rows[:, :1] > 85.0, np.float32(1e9), rows[:, :1])
    scores, labels = np.linspace(0, 1, 10), np.arange(10) % 2 == 0
    for column in (rows[:, :1], wild):
        [feature] = Profile.learn(FEATURES[:1], column, scores, labels).features
        assert feature.spread == pytest.approx(20.0, rel=0.05)


def test_what_does_not_vary_or_has_no_order_has_no_spread() -> None:
    profile = Profile.learn(FEATURES, encoded(), np.linspace(0, 1, 10), np.arange(10) % 2 == 0)
    assert [feature.spread is None for feature in profile.features] == [False, False, True, True, True]


def test_json_gives_the_same_profile() -> None:
    profile = learnt(encoded())
    assert Profile.from_json(profile.to_json()) == profile
    assert len(profile.scores) == SCORE_BINS


def test_held_out_scores_may_be_fewer_than_reference_rows() -> None:
    profile = learnt(encoded())
    assert profile.performance.n == 1000
    assert sum(profile.scores) == 1000


def test_what_is_no_profile_is_refused() -> None:
    with pytest.raises(Invalid, match="not a profile"):
        Profile.from_json(b'{"features": 1}')


def test_no_rows_make_no_profile() -> None:
    with pytest.raises(Invalid, match="reference rows"):
        learnt(encoded(10)[:0])


def test_values_beyond_what_was_learnt_count_in_the_outer_bins_and_drift() -> None:
    """They are answered with a warning, and no bin of the reference ends the range of what can come."""
    feature = Feature(name="amount", type="number", usual=(1.0, 100.0))
    learnt = np.arange(1.0, 101.0, dtype=np.float32)[:, np.newaxis]
    profile = Profile.learn((feature,), learnt, np.full(100, 0.5), np.arange(100) % 2 == 0)
    beyond = np.concatenate([learnt[:50], np.full((50, 1), 1e6, np.float32)])
    (counts,) = profile.bins(beyond)
    assert counts[-1] == 50
    moved = psi(np.array(profile.features[0].counts), counts)
    assert moved is not None
    assert moved > 0.25
