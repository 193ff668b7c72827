"""One fake per port, kept honest by the contract suites that also run on the real adapters."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from shutil import copytree
from typing import Any

from cluster.errors import NotFound
from cluster.jobs import JobRequest, JobState, JobStatus
from cluster.registry import Registration, Standing, Version, no_version, require_files
from cluster.store import Event, Saved, conflict


class FakeStore:
    """A store in memory."""

    def __init__(self) -> None:
        self._documents: dict[tuple[str, str], Saved] = {}
        self._events: list[Event] = []

    def get(self, kind: str, key: str) -> Saved | None:
        return self._documents.get((kind, key))

    def put(self, kind: str, key: str, body: bytes, expected_revision: int) -> int:
        found = self.get(kind, key)
        revision = found.revision if found else 0
        if revision != expected_revision:
            raise conflict(kind, key, expected_revision, revision)
        self._documents[kind, key] = Saved(kind, key, revision + 1, body, datetime.now(UTC))
        return revision + 1

    def remove(self, kind: str, key: str, expected_revision: int) -> None:
        found = self._documents.get((kind, key))
        if found is None or found.revision != expected_revision:
            raise conflict(kind, key, expected_revision, found.revision if found else 0)
        del self._documents[kind, key]

    def list(self, kind: str, prefix: str = "") -> tuple[Saved, ...]:
        found = (saved for (k, key), saved in self._documents.items() if k == kind and key.startswith(prefix))
        return tuple(sorted(found, key=lambda saved: saved.key))

    def append(self, event: Event) -> int:
        self._events.append(replace(event, number=len(self._events) + 1))
        return len(self._events)

    def events(self, model: str | None = None, after: int = 0, limit: int = 1000) -> tuple[Event, ...]:
        wanted = (event for event in self._events[after:] if model is None or event.model == model)
        return tuple(event for event, _ in zip(wanted, range(limit), strict=False))


class FakeRegistry:
    """A registry in memory that keeps bundles below `root` (or refuses to fetch without one)."""

    def __init__(self, root: Path | None = None) -> None:
        self._root = root
        self._versions: dict[str, list[Version]] = {}
        self._champions: dict[str, int] = {}
        self.reasons: dict[tuple[str, int], str] = {}  # why a version has its standing

    def register(self, registration: Registration, bundle: Path, extras: Path | None = None) -> Version:
        if self._root is not None:
            require_files(bundle)
        earlier = self._versions.setdefault(registration.model, [])
        version = Version(
            model=registration.model,
            number=len(earlier) + 1,
            created_at=datetime.now(UTC),
            owner=registration.owner,
            reason=registration.reason,
            standing=registration.standing,
            parent=registration.parent,
            run_id=f"run-{registration.model}-{len(earlier) + 1}",
            request_id=registration.request_id,
            metrics=dict(registration.metrics),
            tags=dict(registration.tags),
        )
        if self._root is not None:
            copytree(bundle, self._root / registration.model / str(version.number))
        earlier.append(version)
        return version

    def versions(self, model: str) -> tuple[Version, ...]:
        return tuple(self._versions.get(model, ()))

    def version(self, model: str, number: int) -> Version:
        versions = self.versions(model)
        if not 1 <= number <= len(versions):
            raise no_version(model, number, versions)
        return versions[number - 1]

    def champion(self, model: str) -> int | None:
        return self._champions.get(model)

    def set_champion(self, model: str, number: int) -> None:
        self._champions[model] = self.version(model, number).number

    def set_standing(self, model: str, number: int, standing: Standing, why: str) -> None:
        self._versions[model][number - 1] = replace(self.version(model, number), standing=standing)
        self.reasons[model, number] = why

    def fetch(self, model: str, number: int, into: Path) -> Path:
        self.version(model, number)
        folder = into / model / str(number)
        if not folder.exists():
            if self._root is None:
                raise NotFound(f"this fake keeps no bundles; give FakeRegistry a root to fetch {model} {number}")
            copytree(self._root / model / str(number), folder)
        return folder


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
