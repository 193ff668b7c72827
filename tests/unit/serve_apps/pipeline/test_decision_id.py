from uuid import UUID

from windvane.serve_apps.pipeline.decision_id import fixed, series, timely


def test_ids_are_version_7_uuids_that_sort_by_time() -> None:
    ids = [timely(now / 1000) for now in range(1_800_000_000_000, 1_800_000_000_500)]
    assert ids == sorted(ids)
    assert {UUID(each).version for each in ids} == {7}
    assert {UUID(each).variant for each in ids} == {UUID(ids[0]).variant}
    assert all(str(UUID(each)) == each for each in ids)


def test_ids_of_the_same_moment_differ() -> None:
    ids = series(5.0, 10_000)
    assert len(set(ids)) == 10_000
    for place in range(36):  # every digit but those of the time, the version and the dashes is drawn
        drawn = {each[place] for each in ids}
        assert len(drawn) == (1 if place < 15 or place in (18, 23) else 4 if place == 19 else 16)


def test_a_request_id_gives_the_same_id_for_the_same_model_only() -> None:
    assert fixed("trips", "anybody", "a") == fixed("trips", "anybody", "a")
    assert len({fixed("trips", "anybody", "a"), fixed("trips", "anybody", "b"), fixed("loans", "anybody", "a")}) == 3
