"""Port to the jobs that train versions: launched by name, never imported."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

TRAINING = "windvane.training.retrain"
TRAINING_SHARE = "windvane_training"  # a resource of our head, one a CPU, that only trainings take
JobState = Literal["pending", "running", "succeeded", "failed", "stopped", "unknown"]


@dataclass(frozen=True, slots=True)
class JobRequest:
    """Job to run; `job_id` is chosen by the caller so that submitting twice is submitting once."""

    job_id: str
    entrypoint: tuple[str, ...]
    metadata: Mapping[str, str]
    environment: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class JobStatus:
    """State of a job; `message` is the last thing it said when it failed."""

    job_id: str
    state: JobState
    message: str = ""


class Jobs(Protocol):
    """Runs jobs somewhere; every call may raise `Unavailable`."""

    def submit(self, request: JobRequest) -> str:
        """Start the job and return its id; a known id is not started again."""

    def status(self, job_id: str) -> JobStatus:
        """Status of a job, `unknown` when nobody remembers it."""

    def stop(self, job_id: str) -> None:
        """End it; ending an ended job does nothing."""

    def logs(self, job_id: str) -> str:
        """Everything it printed so far."""
