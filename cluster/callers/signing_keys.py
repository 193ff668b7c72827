"""An issuer's public keys as last read: read again by and by, when an unknown one is named, and never too often."""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from windvane.cluster.errors import Unavailable, WindvaneError

REFRESH_SECONDS = 300.0  # after which a key that the issuer took back opens nothing any more
LEAST_SECONDS = 10.0  # between two looks for unknown keys, since anybody can name one
OUTLIVE_SECONDS = 86_400.0  # that keys are good for while the issuer does not answer
logger = logging.getLogger(__name__)
T = TypeVar("T")


class SigningKeys(Generic[T]):
    """Keys by `parse` from what `read` reads, both blocking and run in a thread; the rest lives on one event loop."""

    def __init__(
        self,
        read: Callable[[], bytes],
        parse: Callable[[bytes], T],
        ticks: Callable[[], float] = time.monotonic,
        refresh_seconds: float = REFRESH_SECONDS,
        least_seconds: float = LEAST_SECONDS,
        outlive_seconds: float = OUTLIVE_SECONDS,
    ) -> None:
        self._read = read
        self._parse = parse
        self._ticks = ticks
        self._refresh_seconds = refresh_seconds
        self._least_seconds = least_seconds
        self._outlive_seconds = outlive_seconds
        self._document: bytes | None = None
        self._keys: T | None = None
        self._read_at = 0.0
        self._looked_at = -least_seconds
        self._looking: asyncio.Task[bool] | None = None
        self._trouble = "they were not read yet"
        self._task: asyncio.Task[None] | None = None
        self.generation = 0  # of the keys

    @property
    def keys(self) -> T:
        """The keys; raises Unavailable when there are none, or they are too old to go by."""
        if self._keys is None:
            raise Unavailable(f"The public keys of the tokens' issuer are not known: {self._trouble}")
        return self._keys

    async def start(self) -> None:
        """Return when they were looked for once, found or not; look again until stopped."""
        await self._look_safely()
        self._task = asyncio.ensure_future(self._run())

    async def stop(self) -> None:
        """Read no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def refresh(self) -> bool:
        """Read now; whether the keys are others than before. Whoever asks while this is under way gets its answer."""
        if self._looking is None:
            self._looking = asyncio.ensure_future(self._look())
        return await asyncio.shield(self._looking)  # one that gives up does not end it for the others

    async def look_again(self) -> bool:
        """The same, unless somebody looked a moment ago: then False."""
        if self._looking is None and self._ticks() - self._looked_at < self._least_seconds:
            return False
        return await self.refresh()

    async def _look(self) -> bool:
        self._looked_at = self._ticks()
        try:
            document = await asyncio.to_thread(self._read)
            changed = document != self._document
            if changed:
                self._put(await asyncio.to_thread(self._parse, document))
                self._document = document
            self._read_at = self._ticks()
            self._trouble = ""
            return changed
        except WindvaneError as error:
            if self._trouble != str(error):
                logger.warning("The public keys of the tokens' issuer: %s", error)
            self._trouble = str(error)
            if self._keys is None or self._ticks() - self._read_at < self._outlive_seconds:
                return False
            self._put(None)
            self._document = None
            return True
        finally:
            self._looking = None

    def _put(self, keys: T | None) -> None:
        self._keys = keys
        self.generation += 1

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._refresh_seconds)
            await self._look_safely()

    async def _look_safely(self) -> None:
        try:
            await self.refresh()
        except Exception:
            logger.exception("Reading the public keys of the tokens' issuer met an unforeseen error; it goes on")
