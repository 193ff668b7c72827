"""The jobs that a watcher orders: what becomes of one that fails, hangs or is forgotten."""

import pytest

from tests.worlds.watched import NOW, SPEC, tick, world
from windvane.cluster.errors import Unavailable
from windvane.monitoring.loop.requests import Wanted, open_request, requests_of


def test_an_unreachable_monitor_does_not_stop_the_job() -> None:
    it = world()
    open_request(it.store, "delay", Wanted("manual", "asked by hand", (), NOW))
    it.monitor.gone = True
    with pytest.raises(Unavailable, match="monitor:delay does not answer"):
        tick(it)
    assert it.jobs.submissions == ["retrain-delay-0001-20261122T000000-1"]
    assert it.kinds() == ["retrain_requested", "job_submitted"]


def test_a_failed_job_is_retried_after_its_back_off_and_then_given_up() -> None:
    it = world()
    open_request(it.store, "delay", Wanted("manual", "asked by hand", (), NOW))
    tick(it)
    it.jobs.end("retrain-delay-0001-20261122T000000-1", "failed", "FAILED: out of memory")
    tick(it, 10)
    tick(it, 39)
    assert it.jobs.submissions == ["retrain-delay-0001-20261122T000000-1"]
    tick(it, 40)
    assert it.jobs.submissions == ["retrain-delay-0001-20261122T000000-1", "retrain-delay-0001-20261122T000000-2"]
    it.jobs.end("retrain-delay-0001-20261122T000000-2", "failed", "FAILED: out of memory")
    tick(it, 50)
    tick(it, 500)
    assert requests_of(it.store, "delay")[0].status == "failed"
    assert it.events()[2:] == [
        ("job_failed", "attempt 1 of 2 failed, next attempt in 30 s: out of memory"),
        ("job_submitted", "job retrain-delay-0001-20261122T000000-2 trains for request 0001, attempt 2"),
        ("job_failed", "attempt 2 of 2 failed, given up: out of memory"),
    ]


def test_a_job_past_its_time_is_stopped_and_retried() -> None:
    it = world()
    open_request(it.store, "delay", Wanted("manual", "asked by hand", (), NOW))
    tick(it)
    late = SPEC.retrain.job_timeout.total_seconds() + 1
    tick(it, late)
    assert it.jobs.stopped == ["retrain-delay-0001-20261122T000000-1"]
    assert it.events()[-1] == ("job_failed", "attempt 1 of 2 failed, next attempt in 30 s: job ran longer than 0:30:00")


def test_a_cluster_that_forgot_the_job_is_given_it_again() -> None:
    it = world()
    open_request(it.store, "delay", Wanted("manual", "asked by hand", (), NOW))
    tick(it)
    it.jobs.forget()
    tick(it, 5)
    assert it.jobs.submissions == ["retrain-delay-0001-20261122T000000-1"] * 2
    assert it.kinds() == ["retrain_requested", "job_submitted"]
