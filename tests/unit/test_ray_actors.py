"""What is asked of Ray again and again: its memory of classes must not grow with that."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from monitoring import ray_monitor
from serve_apps import ray_switchboard
from tests.gateway_world import SPEC


class FakeRay:
    """Counts the classes that it was given to wrap, and the actors that it was asked for."""

    def __init__(self) -> None:
        self.wrapped: list[type] = []
        self.asked: list[tuple[Any, ...]] = []

    def remote(self, actor: type) -> "FakeRay":
        self.wrapped.append(actor)
        return self

    def options(self, **_: Any) -> Any:
        asked = self.asked

        class Options:
            def remote(self, *arguments: Any) -> None:
                asked.append(arguments)

        return Options()


@pytest.mark.parametrize(
    ("module", "ensure"),
    [
        (ray_switchboard, lambda: ray_switchboard.ensure_switchboard("sqlite://")),
        (ray_monitor, lambda: ray_monitor.start_monitor(SPEC, Path("log"))),
    ],
)
def test_an_actor_that_is_made_sure_of_at_every_tick_has_its_class_wrapped_once(
    monkeypatch: pytest.MonkeyPatch, module: ModuleType, ensure: Callable[[], object]
) -> None:
    ray = FakeRay()
    monkeypatch.setattr(module, "ray", ray)
    module.actor_class.cache_clear()
    try:
        for _ in range(3):
            ensure()
    finally:
        module.actor_class.cache_clear()
    assert (len(ray.wrapped), len(ray.asked)) == (1, 3)
