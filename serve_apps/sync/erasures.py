"""Makes a replica forget the subjects that were erased anywhere: their keys, and answers kept to be repeated."""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from windvane.cluster.decision_log.vault.vault import Vault
from windvane.cluster.errors import WindvaneError

SECONDS = 1.0
logger = logging.getLogger(__name__)


class Erasures:
    """Looks for erasures once a second in a thread, and forgets on the event loop that the vault belongs to."""

    def __init__(self, vault: Vault, forget: Callable[[Callable[[str], bool]], None], seconds: float = SECONDS) -> None:
        """`forget` is called with what tells an erased subject."""
        self._vault = vault
        self._forget = forget
        self._seconds = seconds
        self._task: asyncio.Task[None] | None = None
        self._told = ""
        self._thread = ThreadPoolExecutor(
            1, "erasures"
        )  # whose connection it is: a disk that is slow delays no request
        self._owed: frozenset[str] = frozenset()  # hashes of erased subjects that may still be remembered

    def start(self) -> None:
        """Look until stopped."""
        self._task = asyncio.ensure_future(self._work())

    async def stop(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._thread.shutdown(wait=False)

    async def look(self) -> None:
        """Forget who was erased since the last look; what cannot be asked or forgotten now is tried again."""
        try:
            erasures = await asyncio.get_running_loop().run_in_executor(self._thread, self._vault.unheard)
            self._vault.forget(erasures)
            self._owed |= {erasure.subject for erasure in erasures}
            self._told = ""
        except WindvaneError as error:
            if self._told != str(error):
                self._told = str(error)
                logger.warning("It is not known which subjects were erased: %s", error)
            return
        owed = self._owed
        if owed:
            self._forget(lambda subject: self._vault.hash(subject) in owed)
            self._owed = frozenset()

    async def _work(self) -> None:
        while True:
            try:
                await self.look()
            except Exception:
                logger.exception("Forgetting erased subjects met an unforeseen error; it goes on")
            await asyncio.sleep(self._seconds)
