"""Holds this replica's versions and the split in force: swapped as one pointer, never while loading."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from windvane.cluster.faults.log_redaction import brief
from windvane.serve_apps.traffic.router import Router, Split
from windvane.serve_apps.versions.loaded_version import LoadedVersion

Load = Callable[[int], LoadedVersion]  # blocking; runs in a thread
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class InForce:
    """One split with everything that is needed to answer by it."""

    split: Split
    router: Router
    versions: Mapping[int, LoadedVersion]

    def fallback(self, failed: int) -> int | None:
        """The version that answers when another cannot: the champion, or who was champion before it."""
        champions = [arm.version for arm in self.split.arms if arm.name == "champion"]
        others = [arm.version for arm in self.split.arms]
        for version in (*champions, *self.split.warm, *others, *self.split.shadows):
            if version != failed:
                return version
        return None


@dataclass(frozen=True, slots=True)
class LoadedReport:
    """A replica's report to the Switchboard; `trouble` is why a newer split is not in force yet."""

    revision: int  # in force; 0 when none is
    loaded: tuple[int, ...]
    trouble: str = ""
    known: int = 0  # the newest split heard of, in force or not: an older one, or another of its revision, is ignored
    routing: str = ""  # that split's `routing`


class LoadedVersions:
    """Holds versions and the split in force; `changed` is called after every change of the report."""

    def __init__(self, load: Load, retry_seconds: float = 2.0, changed: Callable[[], None] = lambda: None) -> None:
        self._load = load
        self._retry_seconds = retry_seconds
        self._changed = changed
        self._loaded: dict[int, LoadedVersion] = {}
        self._newest: Split | None = None
        self._trouble = ""
        self._loads: dict[int, asyncio.Task[None]] = {}
        self._arrivals: set[asyncio.Task[None]] = set()
        self.in_force: InForce | None = None

    @property
    def loaded(self) -> Mapping[int, LoadedVersion]:
        """Every version in memory by number, also those that a coming split will need."""
        return MappingProxyType(self._loaded)

    @property
    def known_revision(self) -> int:
        """Of the newest split heard of, in force or not."""
        return self._newest.revision if self._newest else 0

    def report(self) -> LoadedReport:
        """Report this replica's state."""
        revision = self.in_force.split.revision if self.in_force else 0
        routing = self._newest.routing() if self._newest else ""
        return LoadedReport(revision, tuple(sorted(self._loaded)), self._trouble, self.known_revision, routing)

    def take(self, split: Split) -> None:
        """Put the split in force now when nothing has to be loaded, else as soon as it is; an older one is ignored."""
        if split.revision <= self.known_revision:
            return
        router = Router(split)
        self._newest = split
        self._trouble = ""
        if self._swap_when_loaded(router):
            return
        arrival = asyncio.ensure_future(self._arrive(router))
        self._arrivals.add(arrival)
        arrival.add_done_callback(self._arrivals.discard)

    async def settled(self) -> None:
        """Return when the newest split is in force, or when loading for it failed once; raises what it failed with."""
        if self._newest is not None and self.in_force is None:
            await self._fetch(self._newest)
            self._swap_when_loaded(Router(self._newest))

    async def close(self) -> None:
        """Give up what is still being loaded."""
        for arrival in list(self._arrivals):
            arrival.cancel()
        await asyncio.gather(*self._arrivals, return_exceptions=True)

    async def _arrive(self, router: Router) -> None:
        split = router.split
        while self._newest is split:
            try:
                await self._fetch(split)
            except Exception as error:
                if self._newest is split:
                    self._trouble = brief(error)
                    logger.warning("Split %d waits and loading is tried again", split.revision, exc_info=error)
                    self._changed()
                await asyncio.sleep(self._retry_seconds)
            else:
                if self._swap_when_loaded(router):
                    return

    async def _fetch(self, split: Split) -> None:
        wanted = sorted(split.versions() - self._loaded.keys())
        results = await asyncio.gather(*(self._fetch_one(number) for number in wanted), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def _fetch_one(self, number: int) -> None:
        """One load per version at a time, whoever waits for it; a waiter that gives up does not end it."""
        task = self._loads.get(number)
        if task is None:
            task = self._loads[number] = asyncio.ensure_future(self._keep(number))
            task.add_done_callback(lambda done: self._loaded_or_failed(number, done))
        await asyncio.shield(task)

    def _loaded_or_failed(self, number: int, done: asyncio.Task[None]) -> None:
        self._loads.pop(number, None)
        if not done.cancelled():
            done.exception()  # seen, also when every waiter gave up

    async def _keep(self, number: int) -> None:
        version = await asyncio.to_thread(self._load, number)
        if self._newest is not None and number in self._newest.versions():
            self._loaded[number] = version
            self._changed()

    def _swap_when_loaded(self, router: Router) -> bool:
        """Whether the newest split is this one and now in force."""
        split = router.split
        if self._newest is not split or not split.versions() <= self._loaded.keys():
            return False
        if self.in_force is None or self.in_force.split is not split:
            self._loaded = {number: version for number, version in self._loaded.items() if number in split.versions()}
            self.in_force = InForce(split, router, MappingProxyType(dict(self._loaded)))
            self._trouble = ""
            logger.info("Split %d is in force: %s", split.revision, split.arms)
            self._changed()
        return True
