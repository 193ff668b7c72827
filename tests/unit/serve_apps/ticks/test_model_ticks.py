"""Models are ticked side by side: one that waits for its monitor holds up no other's rollback."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pytest

from tests.worlds.rollout.world import SPEC, START, World
from windvane.configs.schema import ModelSpec
from windvane.monitoring.evidence import Evidence
from windvane.serve_apps.ticks.model_ticks import ModelTicks


def named(*names: str) -> list[ModelSpec]:
    return [SPEC.model_copy(update={"name": name}) for name in names]


def become(true: Callable[[], bool]) -> None:
    """Wait for what another thread is about to do."""
    end = time.monotonic() + 10.0
    while not true():
        assert time.monotonic() < end, "it never became true"


def test_a_monitor_that_does_not_answer_delays_no_other_model_s_rollback(monkeypatch: pytest.MonkeyPatch) -> None:
    """One thread that rolled all models in turn gave each of them its ten seconds of a silent monitor."""
    silent, ill = World(), World()
    asked, answers = threading.Event(), threading.Event()
    for world in (silent, ill):
        world.tick()
        world.retrained()
        world.until("step")
    real = silent.evidence.evidence

    def evidence(*arguments: Any) -> Evidence:
        asked.set()
        assert answers.wait(10.0)
        return real(*arguments)

    monkeypatch.setattr(silent.evidence, "evidence", evidence)
    ill.evidence.errors = 500
    worlds = {"silent": silent, "ill": ill}
    with ModelTicks("rollout", lambda spec, _: worlds[spec.name].tick(), most_at_once=2) as ticks:
        ticks.begin(named("silent"))
        assert asked.wait(10.0)
        ticks.begin(named("silent", "ill"))
        become(lambda: not ill.rollout().active)
        assert ill.rollout().phase == "rolled_back"
        assert "silent" in ticks.busy
        answers.set()
    assert silent.rollout().active
    assert ticks.busy == frozenset()


def test_a_model_is_ticked_by_one_thread_at_a_time_and_again_once_that_is_over() -> None:
    begun, going_on, ticked = threading.Semaphore(0), threading.Event(), list[str]()

    def act(spec: ModelSpec, _: datetime) -> None:
        ticked.append(spec.name)
        begun.release()
        assert going_on.wait(10.0)

    with ModelTicks("watch", act) as ticks:
        for _ in range(3):
            ticks.begin(named("a"))
        assert begun.acquire(timeout=10.0)
        assert ticked == ["a"]
        going_on.set()
        become(lambda: not ticks.busy)
        ticks.begin(named("a"))
    assert ticked == ["a", "a"]


def test_the_threads_are_bounded_and_whoever_waits_for_one_has_its_turn() -> None:
    at_once, most, lock = 0, 0, threading.Lock()

    def act(_: ModelSpec, __: datetime) -> None:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        with lock:
            at_once -= 1

    names = [f"m{number}" for number in range(50)]
    with ModelTicks("watch", act, most_at_once=3) as ticks:
        ticks.begin(named(*names))
        assert sum(thread.name.startswith("watch") for thread in threading.enumerate()) <= 3
    assert 1 <= most <= 3
    assert ticks.busy == frozenset()


def test_one_model_s_trouble_is_told_and_the_others_go_on() -> None:
    told, ticked = list[str](), list[tuple[str, datetime]]()

    @contextmanager
    def going_on(where: str) -> Iterator[None]:
        try:
            yield
        except LookupError:
            told.append(where)

    def act(spec: ModelSpec, now: datetime) -> None:
        if spec.name == "bad":
            raise LookupError
        ticked.append((spec.name, now))

    with ModelTicks("rollout", act, going_on, most_at_once=1, now=lambda: START) as ticks:
        ticks.begin(named("bad", "good"))
        become(lambda: not ticks.busy)
        ticks.begin(named("bad"))
    assert told == ["rollout:bad", "rollout:bad"]
    assert ticked == [("good", START)]


def test_once_closed_nothing_begins_and_what_goes_on_ends() -> None:
    begun, going_on, ended = threading.Event(), threading.Event(), list[str]()

    def act(spec: ModelSpec, _: datetime) -> None:
        begun.set()
        assert going_on.wait(10.0)
        ended.append(spec.name)

    ticks = ModelTicks("watch", act, most_at_once=1)
    ticks.begin(named("a", "b"))
    assert begun.wait(10.0)
    ticks.close()
    going_on.set()
    become(lambda: "a" in ended)
    assert ended == ["a"]
