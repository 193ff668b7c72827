"""How a retrain request moves from attempt to attempt: pure, every change carries the events that tell of it."""

import re
from dataclasses import replace
from datetime import datetime
from typing import Literal

from cluster.jobs import JobStatus
from configs.schema import Retrain
from monitoring.notices import Notice
from monitoring.requests import RetrainRequest

_LONGEST_MESSAGE = 500
_KILLED = re.compile(r"exit code (-9|137)\b")  # as Ray says it, of a process or of the shell around it
_PROGRESS = re.compile(r"^\[ *[0-9.]+ s\] ")


def begin(request: RetrainRequest, now: datetime) -> RetrainRequest:
    """The open request with its next attempt chosen; its job id is the same however often it is submitted."""
    attempt = request.attempts + 1
    job_id = f"retrain-{request.model}-{request.request_id}-{attempt}"
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
        return _failed(request, status.message or "job failed without a message", rules, now, final=False)
    if status.state == "stopped":
        return _failed(request, "job was stopped by hand", rules, now, final=True)
    return request


def _failed(request: RetrainRequest, message: str, rules: Retrain, now: datetime, final: bool) -> RetrainRequest:
    """Back to open with a back-off that doubles, or given up."""
    message = _reason(message)
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


def _reason(message: str) -> str:
    """What a job's last words come down to: its own FAILED line where there is one.

    >>> _reason("Job exited with code 1, last lines:\\n[ 2.7 s] data …\\n[ 4.0 s] FAILED: no rows\\n")
    'no rows'
    >>> _reason("Job entrypoint command failed with exit code -9, last available logs:\\n[ 2.7 s] fit …\\n")
    'killed while it was at: fit … (signal 9: out of memory, or ended from outside)'
    """
    if (ended := _KILLED.search(message)) is not None:
        lines = [line for line in message[ended.end() :].splitlines() if _PROGRESS.match(line)]
        at = f" while it was at: {_PROGRESS.sub('', lines[-1]).strip()[:100]}" if lines else ""
        return f"killed{at} (signal 9: out of memory, or ended from outside)"
    _, found, said = message.rpartition("FAILED: ")
    return said.strip()[:_LONGEST_MESSAGE] if found else message.strip()[-_LONGEST_MESSAGE:]


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
