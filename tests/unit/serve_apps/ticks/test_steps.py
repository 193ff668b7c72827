"""Trouble of control's steps is said once, and a step that hangs is said by whichever loop is alive."""

import pytest

from windvane.cluster.errors import Unavailable
from windvane.serve_apps.ticks.steps import LONG_SECONDS, Steps


def test_trouble_is_told_when_it_begins_or_changes_and_again_after_it_was_over(
    caplog: pytest.LogCaptureFixture,
) -> None:
    steps = Steps()
    for trouble in ("the store is away", "the store is away", "the store is full", None, "the store is full"):
        with steps.going_on("audit"):
            if trouble is not None:
                raise Unavailable(trouble)
    away, full = "audit: the store is away", "audit: the store is full"
    assert caplog.messages == [away, full, full]


def test_an_unforeseen_error_ends_no_loop(caplog: pytest.LogCaptureFixture) -> None:
    with Steps().going_on("audit"):
        raise LookupError
    assert caplog.messages == ["audit met an unforeseen error; its loop goes on"]


def test_a_step_that_its_disk_holds_up_is_told_once_and_the_others_go_on(caplog: pytest.LogCaptureFixture) -> None:
    clock = [0.0]
    steps = Steps(lambda: clock[0])
    with steps.going_on("audit"):
        for seconds in (LONG_SECONDS, LONG_SECONDS + 1.0, LONG_SECONDS + 2.0):
            clock[0] = seconds
            with steps.going_on("rollout:churn"):
                steps.look()
    steps.look()
    assert caplog.messages == ["audit has not ended for 61 s: its next waits, other steps go on"]
