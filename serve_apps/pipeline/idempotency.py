"""Remembers answers by idempotency key, so that a request sent again is answered again, not decided again."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b

import msgspec

from windvane.cluster.errors import Conflict
from windvane.serve_apps.protocol.question import Answer, Question


@dataclass(frozen=True, slots=True)
class Remembered:
    """Digest of the question under a key (so that large questions cost no memory), and the answer to come."""

    asked: bytes
    subject: str
    answer: asyncio.Future[list[Answer]]  # of one


class Idempotency:
    """The last `most` keys of this replica, each a caller's own.

    One that fell out, or came to another replica, is decided again. It then has the same `decision_id`, and monitors
    and training count it once.
    """

    def __init__(self, most: int = 8192) -> None:
        self._most = most
        self._remembered: OrderedDict[tuple[str, str], Remembered] = OrderedDict()

    def find(self, question: Question, version: int | None, caller: str) -> asyncio.Future[list[Answer]] | None:
        """The answer under the caller's key, perhaps still coming; raises Conflict when the key meant another."""
        found = self._remembered.get((caller, question.request_id or ""))
        if found is None:
            return None
        if found.asked != _digest(question, version):
            raise Conflict(f"The id {question.request_id!a} was used for another request: give every request its own")
        return found.answer

    def open(self, question: Question, version: int | None, caller: str, answer: asyncio.Future[list[Answer]]) -> None:
        """Remember a question that has a key and is being decided; a failed one is forgotten."""
        if question.request_id is None:
            return
        key = (caller, question.request_id)
        self._remembered[key] = Remembered(_digest(question, version), question.subject, answer)
        answer.add_done_callback(lambda done: self._forget_failed(key, done))
        while len(self._remembered) > self._most:
            self._remembered.popitem(last=False)

    def forget(self, erased: Callable[[str], bool]) -> None:
        """Let go of every answer about a subject that `erased` tells."""
        for key in [key for key, kept in self._remembered.items() if erased(kept.subject)]:
            del self._remembered[key]

    def _forget_failed(self, key: tuple[str, str], done: asyncio.Future[list[Answer]]) -> None:
        if not done.cancelled() and done.exception() is None:
            return
        found = self._remembered.get(key)
        if found is not None and found.answer is done:
            del self._remembered[key]


def _digest(question: Question, version: int | None) -> bytes:
    return blake2b(msgspec.msgpack.encode((question, version), order="deterministic"), digest_size=16).digest()
