"""The loop's ports in memory, stamped with a time of their owner's: store, registry, switchboard."""

import time
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from shutil import copytree

from windvane.cluster.errors import NotFound
from windvane.cluster.registry import Registration, Standing, Version, no_version, require_files
from windvane.cluster.store import Event, Saved, conflict
from windvane.serve_apps.rollout.ports import Displaced
from windvane.serve_apps.traffic.router import Split


class MemoryStore:
    """Documents with compare-and-set and an event list, by kind, so that thousands of findings slow nothing."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._documents: defaultdict[str, dict[str, Saved]] = defaultdict(dict)
        self._events: list[Event] = []

    def get(self, kind: str, key: str) -> Saved | None:
        """The document, or None."""
        return self._documents.get(kind, {}).get(key)

    def put(self, kind: str, key: str, body: bytes, expected_revision: int) -> int:
        """Write if the stored revision is the expected one, else raise Conflict."""
        found = self.get(kind, key)
        revision = found.revision if found else 0
        if revision != expected_revision:
            raise conflict(kind, key, expected_revision, revision)
        self._documents[kind][key] = Saved(kind, key, revision + 1, body, datetime.fromtimestamp(self._clock(), UTC))
        return revision + 1

    def remove(self, kind: str, key: str, expected_revision: int) -> None:
        """Take the document away if the stored revision is the expected one, else raise Conflict."""
        found = self.get(kind, key)
        if found is None or found.revision != expected_revision:
            raise conflict(kind, key, expected_revision, found.revision if found else 0)
        del self._documents[kind][key]

    def list(self, kind: str, prefix: str = "") -> tuple[Saved, ...]:
        """All documents of a kind whose key starts with `prefix`, by key."""
        return tuple(saved for key, saved in sorted(self._documents.get(kind, {}).items()) if key.startswith(prefix))

    def append(self, event: Event) -> int:
        """Add an event and return its number."""
        self._events.append(replace(event, number=len(self._events) + 1))
        return len(self._events)

    def events(self, model: str | None = None, after: int = 0, limit: int = 1000) -> tuple[Event, ...]:
        """Events with a number above `after`, oldest first."""
        wanted = (event for event in self._events[after:] if model is None or event.model == model)
        return tuple(event for event, _ in zip(wanted, range(limit), strict=False))


class MemoryRegistry:
    """Versions in memory; their bundles lie below `root`, without one they are kept by nobody."""

    def __init__(self, clock: Callable[[], float] = time.time, root: Path | None = None) -> None:
        self._clock, self._root = clock, root
        self._versions: defaultdict[str, list[Version]] = defaultdict(list)
        self._champions: dict[str, int] = {}
        self.reasons: dict[tuple[str, int], str] = {}  # why a version has its standing, by model and number

    def register(self, registration: Registration, bundle: Path, extras: Path | None = None) -> Version:
        """Number the version, and keep its folders where there is a place for them."""
        earlier = self._versions[registration.model]
        version = Version(
            model=registration.model,
            number=len(earlier) + 1,
            created_at=datetime.fromtimestamp(self._clock(), UTC),
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
            require_files(bundle)
            for kept, folder in (("bundle", bundle), ("extras", extras)):
                if folder is not None:
                    copytree(folder, self._root / registration.model / str(version.number) / kept)
        earlier.append(version)
        return version

    def versions(self, model: str) -> tuple[Version, ...]:
        """All versions, oldest first."""
        return tuple(self._versions[model])

    def version(self, model: str, number: int) -> Version:
        """That version; raises NotFound with the versions there are."""
        versions = self.versions(model)
        if not 1 <= number <= len(versions):
            raise no_version(model, number, versions)
        return versions[number - 1]

    def champion(self, model: str) -> int | None:
        """The champion's number, or None."""
        return self._champions.get(model)

    def set_champion(self, model: str, number: int) -> None:
        """Move the champion alias."""
        self._champions[model] = self.version(model, number).number

    def set_standing(self, model: str, number: int, standing: Standing, why: str) -> None:
        """Say how the version stands, and why."""
        self._versions[model][number - 1] = replace(self.version(model, number), standing=standing)
        self.reasons[model, number] = why

    def fetch(self, model: str, number: int, into: Path) -> Path:
        """The version's bundle below `into`; NotFound where none are kept."""
        self.version(model, number)
        folder = into / model / str(number)
        if not folder.exists():
            if self._root is None:
                raise NotFound(f"Nobody keeps the bundle of {model} {number}: this registry has no root")
            copytree(self._root / model / str(number) / "bundle", folder)
        return folder


@dataclass(frozen=True, slots=True)
class InstantReport:
    """The one replica's report about itself."""

    in_force: int
    loaded: Collection[int]
    seen_at: float
    trouble: str = ""


class InstantSwitchboard:
    """One replica that has every published split in force at once."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._split: Split | None = None
        self._seen_at = 0.0

    @property
    def split(self) -> Split | None:
        """The newest split."""
        return self._split

    def publish(self, split: Split) -> None:
        """Put it in force; the same again changes nothing, and Displaced says that another one stands."""
        if split == self._split:
            return
        if self._split is not None and split.revision <= self._split.revision:
            raise Displaced("the replica goes by another split", self._split.revision)
        self._split, self._seen_at = split, self._clock()

    def in_force(self, model: str) -> Mapping[str, InstantReport]:
        """The replica's report."""
        if self._split is None or self._split.model != model:
            return {}
        return {"replay": InstantReport(self._split.revision, self._split.versions(), self._seen_at)}
