"""Versions make room by their newest decision; a label keeps none."""

from windvane.monitoring.counts.recent_versions import RecentVersions


def test_the_version_that_decided_longest_ago_makes_room_and_is_told_once() -> None:
    recent = RecentVersions(most=2)
    recent.decided([1, 2])
    assert recent.take_forgotten() == []
    recent.decided([1, 3])
    assert recent.take_forgotten() == [2]
    assert recent.take_forgotten() == []


def test_a_version_that_is_only_labelled_makes_room_first() -> None:
    recent = RecentVersions(most=2)
    recent.decided([5])
    for version in (1, 2, 5):
        recent.labelled(version)
    assert recent.take_forgotten() == [2]
    recent.decided([1])
    recent.decided([6])
    assert recent.take_forgotten() == [5]
