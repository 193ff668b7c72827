"""A Windvane of the demo's own: brought up, taught a model, and asked."""

import sys
import time
from collections.abc import Callable

from windvane.cluster import lifecycle
from windvane.cluster.control_api import ControlApi
from windvane.cluster.errors import WindvaneError
from windvane.cluster.jobs import TRAINING, JobRequest
from windvane.cluster.runtime import addresses
from windvane.cluster.runtime.ray_jobs import RayJobs
from windvane.cluster.runtime.serve_apps_api import ServeApplications
from windvane.configs.schema import ModelSpec
from windvane.configs.settings import Settings

POLL_SECONDS = 0.5
RUNNING_SECONDS, READY_SECONDS = 180.0, 60.0


class Running:
    """One model on a cluster that is up; `progress` hears what is waited for."""

    def __init__(self, settings: Settings, spec: ModelSpec, progress: Callable[[str], None]) -> None:
        """Returns when the cluster answers."""
        self._settings, self._spec, self._progress = settings, spec, progress
        progress("bringing a Ray cluster up")
        lifecycle.up(settings, progress)
        self.api = ControlApi(addresses.url(settings), settings.key_file)
        self.jobs = RayJobs(addresses.demand_dashboard(settings), settings.ray_token_file)

    def train(self, job_id: str, reason: str, *options: str) -> str:
        """Submit a training and return its id."""
        model = self._spec.name
        command = (sys.executable, "-m", TRAINING, "--model", model, "--reason", reason, *options)
        metadata = {"model": model, "reason": reason}
        return self.jobs.submit(JobRequest(job_id, command, metadata, self._settings.environment()))

    def finish(self, job_id: str) -> None:
        """Wait for a training, telling its last line; raises WindvaneError when it fails."""
        while (status := self.jobs.status(job_id)).state in ("pending", "running"):
            lines = [line.strip() for line in self.jobs.logs(job_id).splitlines() if line.startswith("[")]
            self._progress(f"training version 1: {lines[-1][:100]}" if lines else "training version 1")
            time.sleep(POLL_SECONDS)
        if status.state != "succeeded":
            raise WindvaneError(f"Job {job_id} {status.state}: {self.jobs.logs(job_id)[-2000:]}")

    def deploy(self) -> None:
        """Serve the champion; returns when it answers."""
        model = self._spec.name
        deployed = self.api.deploy(model, self._spec.model_dump(mode="json"))
        applications = ServeApplications(addresses.demand_dashboard(self._settings), self._settings)
        applications.deploy_model(model, str(deployed["spec_digest"]))
        applications.wait_running(model, RUNNING_SECONDS, self._progress)
        deadline = time.monotonic() + READY_SECONDS
        while not self.api.ready(model):
            if time.monotonic() > deadline:
                raise WindvaneError("The gateway runs but is not ready; see `windvane status`.")
            time.sleep(POLL_SECONDS)
