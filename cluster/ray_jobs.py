"""Jobs on Ray, through the dashboard's job API: what `ray job submit` does, without importing Ray."""

import shlex
from pathlib import Path
from typing import Any

import httpx

from cluster.access import bearer
from cluster.errors import Unavailable
from cluster.jobs import JobRequest, JobState, JobStatus

_STATES: dict[str, JobState] = {
    "PENDING": "pending",
    "RUNNING": "running",
    "SUCCEEDED": "succeeded",
    "FAILED": "failed",
    "STOPPED": "stopped",
}


class RayJobs:
    """The job API of one Ray dashboard, such as http://127.0.0.1:8265."""

    def __init__(self, dashboard_url: str, token_file: Path, timeout_seconds: float = 30.0) -> None:
        self._url = dashboard_url
        headers = bearer(token_file)
        self._http = httpx.Client(base_url=dashboard_url, headers=headers, timeout=timeout_seconds, trust_env=False)

    def submit(self, request: JobRequest) -> str:
        """Start the job; an id that Ray knows already is left as it is."""
        if self.status(request.job_id).state != "unknown":
            return request.job_id
        body = {
            "submission_id": request.job_id,
            "entrypoint": shlex.join(request.entrypoint),
            "metadata": dict(request.metadata),
            "runtime_env": {"env_vars": dict(request.environment)},
        }
        reply = self._call("POST", "/api/jobs/", json=body)
        if reply.status_code != 200 and self.status(request.job_id).state == "unknown":
            raise Unavailable(f"Ray refused job {request.job_id}: {_sentence(reply)}", retry_after_seconds=5.0)
        return request.job_id

    def status(self, job_id: str) -> JobStatus:
        """How it stands; `unknown` when this cluster has never seen the id."""
        reply = self._call("GET", f"/api/jobs/{job_id}")
        if reply.status_code == 404:
            return JobStatus(job_id, "unknown")
        _demand(reply, f"job {job_id}")
        body = reply.json()
        return JobStatus(job_id, _STATES.get(str(body.get("status")), "unknown"), str(body.get("message") or ""))

    def stop(self, job_id: str) -> None:
        """Ask Ray to end it; unknown and ended jobs stay as they are."""
        reply = self._call("POST", f"/api/jobs/{job_id}/stop")
        if reply.status_code != 404:
            _demand(reply, f"job {job_id}")

    def logs(self, job_id: str) -> str:
        """What the job printed so far; empty before it started."""
        reply = self._call("GET", f"/api/jobs/{job_id}/logs")
        if reply.status_code == 404:
            return ""
        _demand(reply, f"job {job_id}")
        return str(reply.json().get("logs") or "")

    def _call(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            return self._http.request(method, path, **options)
        except httpx.HTTPError as error:
            raise Unavailable(
                f"The Ray dashboard at {self._url} does not answer ({error}); is the cluster up? `windvane status`",
                retry_after_seconds=5.0,
            ) from error


def _demand(reply: httpx.Response, subject: str) -> None:
    if reply.status_code != 200:
        raise Unavailable(f"The Ray dashboard could not answer for {subject}: {_sentence(reply)}")


def _sentence(reply: httpx.Response) -> str:
    """The last line of Ray's answer: it sends whole tracebacks as text."""
    lines = reply.text.strip().splitlines()
    return f"{reply.status_code} {lines[-1] if lines else reply.reason_phrase}"[:500]
