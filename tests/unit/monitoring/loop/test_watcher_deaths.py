"""A watcher that dies at any effect: the next one goes on, and nothing is done twice."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.worlds.fakes import Fuse, Killed
from tests.worlds.watched import NOW, World, tick, window, world
from windvane.monitoring.loop.requests import Wanted, change, open_request, requests_of
from windvane.monitoring.loop.watcher import FINDING


def _loses(it: World, run: Callable[[float], None]) -> None:
    run(0)
    run(1)
    run(2)
    it.finish_job()
    run(3)
    run(4)


def _fails(it: World, run: Callable[[float], None]) -> None:
    run(0)
    run(1)
    it.jobs.end("retrain-delay-0001-20261122T000000-1", "failed", "boom")
    run(2)
    run(3)
    run(40)
    it.jobs.end("retrain-delay-0001-20261122T000000-2", "failed", "boom")
    run(50)
    run(51)


def _overstays(it: World, run: Callable[[float], None]) -> None:
    run(0)
    run(1)
    run(2000)
    run(2001)
    run(2040)
    run(4100)
    run(4101)


STORIES: tuple[Callable[[World, Callable[[float], None]], None], ...] = (_loses, _fails, _overstays)


def _play(story: Callable[[World, Callable[[float], None]], None], fuse: Fuse) -> tuple[object, ...]:
    """The whole story with one process that may die once and is started again at once."""
    it = world(window(8), window(9))
    watcher = it.watcher(fuse)

    def run(seconds: float) -> None:
        nonlocal watcher
        now = NOW + timedelta(seconds=seconds)
        try:
            watcher.tick("delay", now)
        except Killed:
            watcher = it.watcher()
            watcher.tick("delay", now)

    story(it, run)
    settled = [replace(request, untold=()) for request in requests_of(it.store, "delay")]
    owed = [notice for request in requests_of(it.store, "delay") for notice in request.untold]
    findings = [saved.key for saved in it.store.list(FINDING)]
    return it.events(), settled, owed, it.jobs.submissions, it.jobs.stopped, findings, it.watcher().state("delay")


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__.strip("_"))
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_dying_at_any_effect_changes_nothing_in_the_end(
    story: Callable[[World, Callable[[float], None]], None], after: bool
) -> None:
    count = Fuse()
    expected = _play(story, count)
    assert count.effects > 15
    for at in range(1, count.effects + 1):
        assert _play(story, Fuse(at, after)) == expected, f"died at effect {at}"


def test_a_request_changed_by_its_job_in_between_keeps_both_changes() -> None:
    it = world()
    open_request(it.store, "delay", Wanted("manual", "asked by hand", (), NOW))
    tick(it)
    change(it.store, "delay", "0001", lambda request: replace(request, version=7))
    it.jobs.end("retrain-delay-0001-20261122T000000-1", "succeeded")
    tick(it, 1)
    (request,) = requests_of(it.store, "delay")
    assert (request.version, request.status, request.attempts) == (7, "succeeded", 1)
