"""Fakes of ports, kept honest by the contract suites that run on the real adapters too; or see `backtest.memory`."""

from typing import Any

from windvane.cluster.jobs import JobRequest, JobState, JobStatus


class FakeJobs:
    """Jobs that run when the test says so; `ended` is how each one stands once it is told to end."""

    def __init__(self) -> None:
        self.requests: dict[str, JobRequest] = {}
        self.submissions: list[str] = []  # job ids in the order they started; none is in it twice
        self.stopped: list[str] = []
        self._states: dict[str, JobStatus] = {}

    def submit(self, request: JobRequest) -> str:
        if request.job_id not in self.requests:
            self.requests[request.job_id] = request
            self.submissions.append(request.job_id)
            self._states[request.job_id] = JobStatus(request.job_id, "running")
        return request.job_id

    def status(self, job_id: str) -> JobStatus:
        return self._states.get(job_id, JobStatus(job_id, "unknown"))

    def stop(self, job_id: str) -> None:
        if self.status(job_id).state in ("pending", "running"):
            self._states[job_id] = JobStatus(job_id, "stopped")
            self.stopped.append(job_id)

    def logs(self, job_id: str) -> str:
        return self.status(job_id).message

    def end(self, job_id: str, state: JobState, message: str = "") -> None:
        """The job comes to its end."""
        self._states[job_id] = JobStatus(job_id, state, message)

    def forget(self) -> None:
        """The cluster restarts and remembers no job."""
        self.requests.clear()
        self._states.clear()


class Killed(BaseException):
    """The process died here; nothing catches it."""


class Fuse:
    """Kills the process at its n-th effect, just before it happens or just after; without `at` it only counts."""

    def __init__(self, at: int | None = None, after: bool = False) -> None:
        self.effects = 0
        self._at = at
        self._after = after

    def wrap(self, port: Any, *effects: str) -> Any:
        """The port with a fuse before and after each of the named calls."""
        return _Fused(port, self, frozenset(effects))

    def burn(self, call: Any, *args: Any) -> Any:
        self.effects += 1
        if self.effects != self._at:
            return call(*args)
        if self._after:
            call(*args)
        raise Killed(f"at effect {self._at}")


class _Fused:
    def __init__(self, port: Any, fuse: Fuse, effects: frozenset[str]) -> None:
        self._port = port
        self._fuse = fuse
        self._effects = effects

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._port, name)
        return (lambda *args: self._fuse.burn(call, *args)) if name in self._effects else call
