"""What is on record of a model is shown whether or not it is deployed."""

import pytest

from tests.worlds.admin.world import AdminWorld
from tests.worlds.rollout.world import MODEL
from windvane.cluster.errors import NotFound
from windvane.cluster.store import Event


@pytest.fixture
def world() -> AdminWorld:
    return AdminWorld()


def test_events_come_in_pages(world: AdminWorld) -> None:
    for _ in range(5):
        world.store.append(Event(world.now, "finding", MODEL, 1, "drifts"))
    assert [event["number"] for event in world.history.events(MODEL, 2, 2)] == [3, 4]
    assert world.history.events(MODEL, 5, 10) == []


def test_versions_and_events_are_shown_before_the_model_is_deployed(world: AdminWorld) -> None:
    """`windvane versions` after the first training, before the first deployment."""
    world.store.append(Event(world.now, "registered", "new", 1, "version 1"))
    assert world.history.events("new", 0, 10)[0]["kind"] == "registered"
    assert world.history.versions(MODEL)[0]["number"] == 1


def test_a_model_that_nothing_is_on_record_of_is_not_found(world: AdminWorld) -> None:
    missing = "No model 'nobody' is deployed"
    with pytest.raises(NotFound, match=missing):
        world.history.versions("nobody")
    with pytest.raises(NotFound, match=missing):
        world.history.events("nobody", 0, 10)
    with pytest.raises(NotFound, match=missing):
        world.history.explain("nobody", "d1", "ada")
