import numpy as np

from windvane.training.rows.row_order import drawn_places, drift_along


def test_a_cut_holds_its_share_of_both_outcomes_from_all_over_the_file() -> None:
    labels = np.arange(1000) >= 950  # sorted: the true ones stand at the end
    held = drawn_places(labels, seed=7) >= 0.8
    assert int(held[labels].sum()) == 10
    assert int(held[~labels].sum()) == 190
    assert {int(part.sum()) for part in np.array_split(held[~labels], 5)} <= {37, 38, 39}


def test_rows_keep_their_places_when_others_are_appended() -> None:
    labels = np.arange(300) % 7 == 0
    assert drawn_places(labels, 7)[:200].tolist() == drawn_places(labels[:200], 7).tolist()


def test_another_seed_draws_other_rows() -> None:
    labels = np.arange(300) % 7 == 0
    assert (drawn_places(labels, 7) >= 0.8).tolist() != (drawn_places(labels, 8) >= 0.8).tolist()


def test_a_file_in_no_order_has_no_drift_and_one_sorted_by_site_has() -> None:
    random = np.random.default_rng(1)
    assert not any(drift_along(random.random(5000) < 0.05) for _ in range(200))
    sites = np.repeat(np.arange(20), 100)
    told = drift_along(random.random(2000) < 0.1 + 0.03 * sites)
    assert told is not None
    assert told.startswith("the share of true rows drifts along the file, from 1")
