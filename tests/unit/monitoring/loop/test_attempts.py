"""A request's job is started once an attempt, retried with back-off, and reported."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from windvane.cluster.jobs import JobState, JobStatus
from windvane.configs.schema import Retrain
from windvane.monitoring.loop.attempts import begin, overdue, ready, settle
from windvane.monitoring.loop.requests import RetrainRequest

NOW = datetime(2026, 11, 22, tzinfo=UTC)
RULES = Retrain(max_attempts=3, retry_after=timedelta(seconds=30), job_timeout=timedelta(minutes=30))
OPEN = RetrainRequest("0001", "delay", "AUC fell", "findings", ("auc_drop:late",), NOW, NOW)
RUNNING = begin(OPEN, NOW)


def after(
    state: JobState, request: RetrainRequest = RUNNING, registered: int | None = None, later: float = 60.0
) -> RetrainRequest:
    return settle(request, JobStatus("job", state, "FAILED: boom"), registered, RULES, NOW + timedelta(seconds=later))


def kinds(request: RetrainRequest) -> list[str]:
    return [notice.kind for notice in request.untold]


def test_the_job_id_says_model_request_moment_and_attempt() -> None:
    """Another Windvane on the same cluster may have the model's request of the same number."""
    assert RUNNING.job_id == "retrain-delay-0001-20261122T000000-1"
    assert (RUNNING.attempts, RUNNING.status) == (1, "submitted")
    assert kinds(RUNNING) == ["job_submitted"]


def test_a_running_job_is_left_alone() -> None:
    assert after("running") == RUNNING
    assert after("pending") == RUNNING


def test_a_job_that_registered_has_succeeded() -> None:
    done = after("succeeded", replace(RUNNING, version=4))
    assert (done.status, done.version) == ("succeeded", 4)
    assert kinds(done) == ["job_submitted", "job_succeeded"]


def test_a_job_killed_after_it_registered_has_succeeded() -> None:
    assert after("failed", registered=4).version == 4
    assert after("unknown", registered=4).status == "succeeded"


def test_a_version_of_a_job_that_still_runs_waits_for_its_end() -> None:
    assert after("running", replace(RUNNING, version=4)).status == "submitted"


def test_a_job_that_ends_without_a_version_has_failed() -> None:
    failed = after("succeeded")
    assert (failed.status, failed.message) == ("open", "job ended without registering a version")


def test_a_failed_job_is_retried_with_a_back_off_that_doubles() -> None:
    first = after("failed")
    assert first.status == "open"
    assert first.not_before == NOW + timedelta(seconds=60 + 30)
    assert not ready(first, NOW + timedelta(seconds=89))
    assert ready(first, NOW + timedelta(seconds=90))
    second = after("failed", begin(first, NOW + timedelta(seconds=90)), later=100)
    assert second.not_before == NOW + timedelta(seconds=100 + 60)
    assert second.untold[-1].detail == "attempt 2 of 3 failed, next attempt in 60 s: boom"


def test_the_last_attempt_is_the_last() -> None:
    request = OPEN
    for attempt in range(3):
        request = after("failed", begin(request, NOW), later=attempt)
    assert (request.status, request.not_before, request.attempts) == ("failed", None, 3)
    assert request.untold[-1].detail == "attempt 3 of 3 failed, given up: boom"


def test_a_job_stopped_by_hand_is_not_started_again() -> None:
    assert after("stopped").status == "failed"


def test_a_job_that_outlives_its_time_has_failed_whatever_it_says() -> None:
    late = RULES.job_timeout.total_seconds() + 1
    assert overdue(RUNNING, RULES, NOW + timedelta(seconds=late))
    for state in ("running", "unknown", "stopped"):
        failed = after(state, later=late)
        assert (failed.status, failed.message) == ("open", "job ran longer than 0:30:00")


def test_a_job_that_registered_and_then_hangs_has_done_its_work() -> None:
    assert after("running", replace(RUNNING, version=4), later=2000).status == "succeeded"


def test_an_unknown_job_within_its_time_is_to_be_submitted_again() -> None:
    assert after("unknown") == RUNNING
