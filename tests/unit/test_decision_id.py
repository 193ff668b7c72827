from uuid import UUID

from serve_apps.decision_id import fixed, timely


def test_ids_are_version_7_uuids_that_sort_by_time() -> None:
    ids = [timely(now / 1000) for now in range(1_800_000_000_000, 1_800_000_000_500)]
    assert ids == sorted(ids)
    assert {UUID(each).version for each in ids} == {7}
    assert {UUID(each).variant for each in ids} == {UUID(ids[0]).variant}
    assert all(str(UUID(each)) == each for each in ids)


def test_ids_of_the_same_moment_differ() -> None:
    assert len({timely(5.0) for _ in range(10_000)}) == 10_000


def test_a_request_id_gives_the_same_id_for_the_same_model_only() -> None:
    assert fixed("trips", "a") == fixed("trips", "a")
    assert len({fixed("trips", "a"), fixed("trips", "b"), fixed("loans", "a")}) == 3
