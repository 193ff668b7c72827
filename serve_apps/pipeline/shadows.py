"""Scores by versions that do not answer: after the reply, bounded, and what is too much is dropped and counted."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from windvane.cluster.decision_log.record import Shadow, Value
from windvane.cluster.errors import WindvaneError
from windvane.monitoring.counts.arm_key import ArmKey
from windvane.serve_apps.pipeline.ports import Counts, Log
from windvane.serve_apps.traffic.loaded_versions import InForce
from windvane.serve_apps.versions.loaded_version import LoadedVersion

MOST_WAITING = 16_384  # rows, over all versions
CHUNK = 64  # rows scored at once, so that a waiting request waits at most half a millisecond for them
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Answered:
    """Rows of one micro-batch that one version answered, and who else is to score them."""

    in_force: InForce
    version: int
    decision_ids: Sequence[str]
    records: Sequence[Sequence[Value]]


class Shadows:
    """Scores answered rows by the split's shadows, in the order they were answered."""

    def __init__(
        self, log: Log, counts: Counts, now: Callable[[], float] = time.time, most_waiting: int = MOST_WAITING
    ) -> None:
        self._log = log
        self._counts = counts
        self._most_waiting = most_waiting
        self._queue: deque[Answered] = deque()
        self._waiting = 0
        self._task: asyncio.Task[None] | None = None
        self._now = now
        self._failing: dict[int, int] = {}  # version → revision of the split under which its failure was logged

    def offer(self, answered: Answered) -> None:
        """Take the rows if there is room, else count them as dropped for every shadow."""
        shadows = [version for version in answered.in_force.split.shadows if version != answered.version]
        if not shadows:
            return
        rows = len(answered.decision_ids)
        if self._waiting + rows > self._most_waiting:
            for version in shadows:
                self._counts.dropped(version, rows)
            return
        self._queue.append(answered)
        self._waiting += rows
        if self._task is None or self._task.done():
            self._task = asyncio.ensure_future(self._work())

    async def drain(self) -> None:
        """Return when everything that waits is scored and logged."""
        if self._task is not None:
            await self._task

    async def _work(self) -> None:
        while self._queue:
            await asyncio.sleep(0)  # replies go first
            for in_force, answered in self._take():
                for version in in_force.split.shadows:
                    await self._shadow(in_force, version, [one for one in answered if one.version != version])

    async def _shadow(self, in_force: InForce, version: int, answered: Sequence[Answered]) -> None:
        """Have one version score the rows; whatever happens, those that it did not score are counted as dropped."""
        left = sum(len(one.decision_ids) for one in answered)
        try:
            loaded = in_force.versions[version]
            for chunk in _chunks(answered):
                if self._score(in_force, loaded, chunk):
                    left -= len(chunk)
                await asyncio.sleep(0)
        except Exception:
            logger.exception("Version %d was not asked to score %d rows as a shadow", version, left)
        finally:
            if left:
                self._counts.dropped(version, left)

    def _take(self) -> list[tuple[InForce, list[Answered]]]:
        """Everything that waits, by the split it was answered under."""
        by_split: dict[int, tuple[InForce, list[Answered]]] = {}
        for answered in self._queue:
            by_split.setdefault(id(answered.in_force), (answered.in_force, []))[1].append(answered)
        self._queue.clear()
        self._waiting = 0
        return list(by_split.values())

    def _score(self, in_force: InForce, loaded: LoadedVersion, chunk: "list[tuple[str, Sequence[Value]]]") -> bool:
        """Whether the chunk was scored and logged."""
        revision = in_force.split.revision
        try:
            _, scores = loaded.score([record for _, record in chunk])
            values = tuple(scores.tolist())
        except Exception as error:  # noqa: BLE001  said and counted
            self._say(loaded.number, revision, error)
            self._counts.error(ArmKey(revision, loaded.number, "shadow"), len(chunk))
            return False
        try:
            self._log.append(Shadow(self._now(), loaded.number, tuple([name for name, _ in chunk]), values))
        except WindvaneError as error:  # no fault of the version
            self._say(loaded.number, revision, error)
            return False
        self._counts.shadow(loaded.number, revision, scores)
        return True

    def _say(self, version: int, revision: int, error: Exception) -> None:
        """Once a version and split; the counts say how often."""
        if self._failing.get(version) != revision:
            self._failing[version] = revision
            logger.warning("Shadow of split %d: %s", revision, error, exc_info=error)


def _chunks(answered: Sequence[Answered]) -> Iterator[list[tuple[str, Sequence[Value]]]]:
    rows = (pair for one in answered for pair in zip(one.decision_ids, one.records, strict=True))
    while chunk := list(islice(rows, CHUNK)):
        yield chunk
