"""The control API over one deployed model."""

import pytest

from tests.worlds.admin.world import AdminWorld, Client, ControlClient


@pytest.fixture
def world() -> AdminWorld:
    return AdminWorld()


@pytest.fixture
def api(world: AdminWorld) -> Client:
    return ControlClient(world)
