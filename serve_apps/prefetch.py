"""A switchboard that brings a version's bundle to this machine before it tells replicas to load it."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from cluster.errors import WindvaneError
from cluster.registry import Registry
from serve_apps.rollout.ports import ReplicaReport, SwitchboardPort
from serve_apps.router import Split


class Prefetching:
    """Passes everything on; replicas on this machine then find the bundle and need not open the registry (seconds)."""

    def __init__(self, switchboard: SwitchboardPort, registry: Registry, cache: Path) -> None:
        self._switchboard = switchboard
        self._registry = registry
        self._cache = cache
        self._here: set[tuple[str, int]] = set()

    def publish(self, split: Split) -> None:
        """Fetch what is new, then publish; a way back may not hang on a registry that is away."""
        for version in split.versions():
            if (split.model, version) not in self._here:
                with suppress(WindvaneError):  # replicas fetch for themselves, and say so when they cannot
                    self._registry.fetch(split.model, version, self._cache)
                    self._here.add((split.model, version))
        self._switchboard.publish(split)

    def in_force(self, model: str) -> Mapping[str, ReplicaReport]:
        """Where every replica stands."""
        return self._switchboard.in_force(model)
