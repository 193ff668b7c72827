"""The training jobs of retrain requests: what each is launched with, and how it stands."""

import sys
from collections.abc import Mapping

from windvane.cluster.jobs import TRAINING, JobRequest, Jobs, JobStatus
from windvane.configs.schema import ModelSpec
from windvane.monitoring.loop.requests import RetrainRequest


class TrainingJobs:
    """One job an attempt; every call may raise `Unavailable`."""

    def __init__(self, jobs: Jobs, environment: Mapping[str, str] | None = None, python: str = sys.executable) -> None:
        """Jobs run under that interpreter and with that environment, where they run in a process of their own."""
        self._jobs = jobs
        self._environment = dict(environment or {})
        self._python = python

    def submit(self, request: RetrainRequest, spec: ModelSpec) -> None:
        """Start the job of the request's current attempt, unless it was started."""
        entrypoint = [self._python, "-m", TRAINING, "--model", request.model]
        entrypoint += ["--request", request.request_id, "--reason", request.reason]
        timed = spec.data.time is not None
        until = request.until or (request.event_time if timed else None)
        if until is not None:
            entrypoint += ["--until", until.isoformat()]
        if request.since is not None:
            entrypoint += ["--since", request.since.isoformat()]
        metadata = {
            "model": request.model,
            "request": request.request_id,
            "attempt": str(request.attempts),
            "cause": request.cause,
            "reason": request.reason,
        }
        self._jobs.submit(JobRequest(str(request.job_id), tuple(entrypoint), metadata, self._environment))

    def status(self, request: RetrainRequest) -> JobStatus:
        """How the job of the current attempt stands."""
        return self._jobs.status(str(request.job_id))

    def stop(self, request: RetrainRequest) -> None:
        """End it."""
        self._jobs.stop(str(request.job_id))
