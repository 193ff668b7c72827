"""A switchboard that brings a version's bundle to this machine before it tells replicas to load it."""

import logging
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path

from windvane.cluster.errors import Unavailable, WindvaneError
from windvane.cluster.registry import Registry
from windvane.serve_apps.rollout.ports import ReplicaReport, SwitchboardPort
from windvane.serve_apps.rollout.rollout_record import RETURNED
from windvane.serve_apps.traffic.router import Split

PATIENCE_SECONDS = 10.0  # that a new version may hold its split up; replicas then fetch for themselves
MOST_AT_ONCE = 4  # versions that are fetched
logger = logging.getLogger(__name__)


class Prefetching:
    """Passes everything on; replicas on this machine then find the bundle and need not open the registry (seconds).

    Only a version that no replica holds is waited for, once and not for long. A way back waits for nothing: it is
    published first.
    """

    def __init__(
        self,
        switchboard: SwitchboardPort,
        registry: Registry,
        cache: Path,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._switchboard = switchboard
        self._registry = registry
        self._cache = cache
        self._patience_seconds = patience_seconds
        self._fetching: dict[tuple[str, int], Future[None]] = {}  # one that went well stays: the version is here
        self._threads = ThreadPoolExecutor(MOST_AT_ONCE, "fetch")

    def publish(self, split: Split) -> None:
        """Publish, and fetch what is new: before, where replicas are to load it and nobody waits for the split."""
        if split.phase in RETURNED:
            self._switchboard.publish(split)
            self._fetch(split)
            return
        try:
            started = self._fetch(split)
            if started and not started.keys() <= self._held(split.model):
                wait(started.values(), self._patience_seconds)
        except RuntimeError as error:  # no thread can be started: that holds no split up
            logger.warning("Versions of split %d of %s are not fetched: %s", split.revision, split.model, error)
        self._switchboard.publish(split)

    def in_force(self, model: str) -> Mapping[str, ReplicaReport]:
        """The report of every replica."""
        return self._switchboard.in_force(model)

    def _fetch(self, split: Split) -> dict[int, Future[None]]:
        """Begin with whatever is neither here nor on its way; by version."""
        started = {}
        for version in split.versions():
            key = split.model, version
            known = self._fetching.get(key)
            if known is None or (known.done() and known.exception() is not None):
                started[version] = self._fetching[key] = self._threads.submit(self._bring, *key)
        return started

    def _bring(self, model: str, version: int) -> None:
        try:
            self._registry.fetch(model, version, self._cache)
        except WindvaneError:  # replicas fetch for themselves, and say so when they cannot
            raise
        except Exception:
            logger.exception("Version %d of %s could not be brought to this machine", version, model)
            raise

    def _held(self, model: str) -> frozenset[int]:
        """The versions that every replica has in memory."""
        try:
            reports = self._switchboard.in_force(model).values()
        except Unavailable:
            return frozenset()
        held = [frozenset(report.loaded) for report in reports]
        return frozenset.intersection(*held) if held else frozenset()
