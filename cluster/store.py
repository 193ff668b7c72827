"""Port to the durable records of the loop: documents with compare-and-set, and an append-only event list."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, Protocol, TypeVar

import msgspec

from windvane.cluster.decoders import json_decoder
from windvane.cluster.errors import Conflict

DECLARATION = "model"  # kind of the declarations that serve: a ModelSpec as JSON, its name the key


@dataclass(frozen=True, slots=True)
class Saved:
    """A document as stored: `revision` counts its writes from 1."""

    kind: str
    key: str
    revision: int
    body: bytes
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a model, for operators and the report; `facts` are its figures."""

    at: datetime  # wall clock
    kind: str
    model: str
    version: int | None
    detail: str  # one sentence a person can read
    event_time: datetime | None = None  # the model's own clock, where it has one
    facts: Mapping[str, str | float | int | None] = field(default_factory=dict)
    number: int = 0  # given by the store, rising


class Store(Protocol):
    """Small enough to keep in SQLite or PostgreSQL; safe for many processes."""

    def get(self, kind: str, key: str) -> Saved | None:
        """The document, or None."""

    def put(self, kind: str, key: str, body: bytes, expected_revision: int) -> int:
        """Write if the stored revision is the expected one (0: none) and return the new one, else raise Conflict."""

    def remove(self, kind: str, key: str, expected_revision: int) -> None:
        """Take the document away if the stored revision is the expected one, else raise Conflict."""

    def list(self, kind: str, prefix: str = "") -> tuple[Saved, ...]:
        """All documents of a kind whose key starts with `prefix`, by key."""

    def append(self, event: Event) -> int:
        """Add an event and return its number."""

    def events(self, model: str | None = None, after: int = 0, limit: int = 1000) -> tuple[Event, ...]:
        """Events with a number above `after`, oldest first."""


T = TypeVar("T")


class Shelf(Generic[T]):
    """Typed documents of one kind in a store; `T` is a frozen dataclass."""

    def __init__(self, store: Store, kind: str, record: type[T]) -> None:
        self._store = store
        self._kind = kind
        self._decoder = json_decoder(record)

    def load(self, key: str) -> tuple[T | None, int]:
        """The record and its revision; (None, 0) when there is none."""
        saved = self._store.get(self._kind, key)
        if saved is None:
            return None, 0
        return self._decoder.decode(saved.body), saved.revision

    def save(self, key: str, record: T, expected_revision: int) -> int:
        """Compare-and-set; raises Conflict when somebody wrote in between."""
        return self._store.put(self._kind, key, msgspec.json.encode(record), expected_revision)

    def all(self, prefix: str = "") -> tuple[T, ...]:
        """Every record whose key starts with `prefix`, by key."""
        return tuple(self._decoder.decode(saved.body) for saved in self._store.list(self._kind, prefix))


def conflict(kind: str, key: str, expected: int, found: int) -> Conflict:
    """The error every adapter raises when compare-and-set fails."""
    return Conflict(f"{kind} {key!r} is at revision {found}, not {expected}: load it again and decide anew")
