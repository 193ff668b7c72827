"""Moves a retrain request from attempt to attempt: pure, every change carries the events that tell of it."""

from dataclasses import replace
from datetime import datetime
from typing import Literal

from windvane.cluster.faults import job_failure
from windvane.cluster.jobs import JobStatus
from windvane.configs.schema import Retrain
from windvane.monitoring.loop.requests import RetrainRequest
from windvane.monitoring.notices import Notice


def begin(request: RetrainRequest, now: datetime) -> RetrainRequest:
    """The open request with its next attempt chosen; its job id is the same however often it is submitted.

    The id has the moment of the request, too: the cluster may know jobs of another Windvane, or of an older store, that
    are about the same model's request of the same number, and Ray leaves a job that it knows as it is.
    """
    attempt = request.attempts + 1
    job_id = f"retrain-{request.model}-{request.request_id}-{request.requested_at:%Y%m%dT%H%M%S}-{attempt}"
    again = f", attempt {attempt}" if attempt > 1 else ""
    return replace(
        request,
        status="submitted",
        attempts=attempt,
        job_id=job_id,
        started_at=(*request.started_at, now),
        not_before=None,
        untold=(
            *request.untold,
            _notice(
                request, attempt, "job_submitted", now, f"job {job_id} trains for request {request.request_id}{again}"
            ),
        ),
    )


def ready(request: RetrainRequest, now: datetime) -> bool:
    """Whether the open request may start its next attempt."""
    return request.not_before is None or now >= request.not_before


def overdue(request: RetrainRequest, rules: Retrain, now: datetime) -> bool:
    """Whether the running attempt has had its time."""
    return bool(request.started_at) and now - request.started_at[-1] > rules.job_timeout


def settle(
    request: RetrainRequest, status: JobStatus, registered: int | None, rules: Retrain, now: datetime
) -> RetrainRequest:
    """The submitted request after a look at its job; unchanged while it runs.

    `registered` is the version that names this request in the registry: a job killed between registering and saying so
    has done its work. A job that somebody stopped is not started again.
    """
    version = request.version if request.version is not None else registered
    running = status.state in ("pending", "running")
    if version is not None and (not running or overdue(request, rules, now)):
        told = _notice(
            request, request.attempts, "job_succeeded", now, f"job {request.job_id} made version {version}", version
        )
        return replace(request, status="succeeded", version=version, message="", untold=(*request.untold, told))
    if overdue(request, rules, now):
        return _failed(request, f"job ran longer than {rules.job_timeout}", rules, now, final=False)
    if status.state == "succeeded":
        return _failed(request, "job ended without registering a version", rules, now, final=False)
    if status.state == "failed":
        return _failed(request, job_failure.reason(status.message), rules, now, final=False)
    if status.state == "stopped":
        return _failed(request, "job was stopped by hand", rules, now, final=True)
    return request


def _failed(request: RetrainRequest, message: str, rules: Retrain, now: datetime, final: bool) -> RetrainRequest:
    """Back to open with a back-off that doubles, or given up."""
    final = final or request.attempts >= rules.max_attempts
    pause = rules.retry_after * 2 ** (request.attempts - 1)
    then = "given up" if final else f"next attempt in {pause.total_seconds():g} s"
    detail = f"attempt {request.attempts} of {rules.max_attempts} failed, {then}: {message}"
    told = _notice(request, request.attempts, "job_failed", now, detail)
    return replace(
        request,
        status="failed" if final else "open",
        not_before=None if final else now + pause,
        message=message,
        untold=(*request.untold, told),
    )


def _notice(
    request: RetrainRequest,
    attempt: int,
    kind: Literal["job_submitted", "job_succeeded", "job_failed"],
    now: datetime,
    detail: str,
    version: int | None = None,
) -> Notice:
    facts: dict[str, str | float | int | None] = {"request": request.request_id, "attempt": attempt}
    return Notice(f"{kind}:{request.key}:{attempt}", now, kind, version, detail, request.event_time, facts)
