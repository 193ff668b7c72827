"""Rollouts that need a second person."""

from tests.worlds.rollout.world import MODEL, World
from windvane.serve_apps.rollout.rollout_record import Rollout
from windvane.serve_apps.rollout.starting import StartOrder


def world(**plan: object) -> World:
    """A deployed champion v1 whose rollouts need a second person."""
    made = World(plan={"approval": "required", **plan})
    made.tick()
    return made


def started(made: World, by: str = "ada", skip_shadow: bool = False) -> int:
    version = made.register("candidate")
    made.controller.start(StartOrder(MODEL, version, "try it", by, skip_shadow=skip_shadow), made.now)
    return version


def approve(made: World, version: int, by: str = "bob") -> Rollout:
    return made.controller.approve(MODEL, version, made.now, "read the report", by)
