"""Jobs on Ray, through the dashboard's job API: what `ray job submit` does, without importing Ray."""

import shlex
from pathlib import Path
from typing import Any

import httpx

from windvane.cluster.errors import Unavailable
from windvane.cluster.jobs import JobRequest, JobState, JobStatus
from windvane.cluster.runtime.dashboard import Dashboard, last_lines
from windvane.cluster.runtime.preloading import LEAN

_STATES: dict[str, JobState] = {
    "PENDING": "pending",
    "RUNNING": "running",
    "SUCCEEDED": "succeeded",
    "FAILED": "failed",
    "STOPPED": "stopped",
}


class RayJobs:
    """The job API of one Ray dashboard, such as http://127.0.0.1:8265."""

    def __init__(self, dashboard_url: str, token_file: Path, transport: httpx.BaseTransport | None = None) -> None:
        self._dashboard = Dashboard(dashboard_url, token_file, transport)

    def submit(self, request: JobRequest) -> str:
        """Start the job; an id that Ray knows already is left as it is."""
        if self._known(request.job_id):
            return request.job_id
        body = {
            "submission_id": request.job_id,
            "entrypoint": shlex.join(request.entrypoint),
            "metadata": dict(request.metadata),
            "runtime_env": {"env_vars": {**request.environment, LEAN: "1"}},
        }
        reply = self._dashboard.ask("POST", "/api/jobs/", body)
        if reply.status_code != 200 and not self._known(request.job_id):  # somebody else may have been first
            sentence = f"Ray refused job {request.job_id}: {reply.status_code} {last_lines(reply.text)}"
            raise Unavailable(sentence, retry_after_seconds=5.0)
        return request.job_id

    def status(self, job_id: str) -> JobStatus:
        """Status of a job, `unknown` when this cluster never saw the id."""
        reply = self._dashboard.ask("GET", f"/api/jobs/{job_id}")
        if reply.status_code == 404:
            return JobStatus(job_id, "unknown")
        found = self._dashboard.document(reply)
        return JobStatus(job_id, _STATES.get(str(found.get("status")), "unknown"), str(found.get("message") or ""))

    def stop(self, job_id: str) -> None:
        """Ask Ray to end it; unknown and ended jobs stay as they are."""
        reply = self._dashboard.ask("POST", f"/api/jobs/{job_id}/stop")
        if reply.status_code != 404:
            self._dashboard.document(reply)

    def logs(self, job_id: str) -> str:
        """Output of the job so far; empty before it started."""
        reply = self._dashboard.ask("GET", f"/api/jobs/{job_id}/logs")
        return "" if reply.status_code == 404 else str(self._dashboard.document(reply).get("logs") or "")

    def all(self) -> list[dict[str, Any]]:
        """Everything that Ray says of each job that it knows."""
        reply = self._dashboard.ask("GET", "/api/jobs/")
        if reply.status_code != 200:
            self._dashboard.document(reply)
        found: list[dict[str, Any]] = reply.json()
        return found

    def _known(self, job_id: str) -> bool:
        return self.status(job_id).state != "unknown"
