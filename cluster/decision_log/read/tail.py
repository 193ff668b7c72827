"""Follows the log: every record once, as soon as it is written, wherever its segment is by then."""

import logging
import os
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from time import time_ns
from typing import Any, Generic, Protocol, TypeVar, cast, overload

import msgspec
import pyarrow.parquet as pq

from windvane.cluster.decision_log.read.columns import DATASETS, Dataset
from windvane.cluster.decision_log.record import BriefRecord, Record
from windvane.cluster.decision_log.write.segment import (
    claimed_bytes,
    live_names,
    live_path,
    read_header,
    scan,
    sealed_path,
)
from windvane.cluster.errors import Invalid

_log = logging.getLogger(__name__)
CHUNK_BYTES = 1 << 20
_SETTLED_NS = 2_000_000_000  # a folder's time may stand still for this long after a change


class Timed(Protocol):
    """A record of any kind, whole or not."""

    @property
    def at(self) -> float:
        """Time it came about, Unix seconds."""


Kind = TypeVar("Kind", bound=Timed)
WHOLE: "msgspec.msgpack.Decoder[Record]" = msgspec.msgpack.Decoder(Record)
BRIEF: "msgspec.msgpack.Decoder[BriefRecord]" = msgspec.msgpack.Decoder(BriefRecord)  # a third of the cost


class Tail(Generic[Kind]):
    """Reads what is new; the order holds within a segment, between writers an outcome may come before its decision.

    A segment stays open here once it was seen live, so that its last records are read even after the sealer removed it;
    only segments that came and went between two reads (or before the first) are read from Parquet.
    """

    @overload
    def __init__(self: "Tail[Record]", root: Path, since: float | None = None) -> None: ...
    @overload
    def __init__(self, root: Path, since: float | None, records: "msgspec.msgpack.Decoder[Kind]") -> None: ...

    def __init__(self, root: Path, since: float | None = None, records: Any = WHOLE) -> None:
        """From the log's start, or only records whose `at` is not before `since` (Unix seconds)."""
        self._root = root
        self._since = since
        self._known: set[str] = set()
        self._following: dict[str, _Followed] = {}
        self._unread: deque[str] = deque()  # sealed segments, oldest first
        self._payloads: deque[bytes] = deque()  # of the sealed segment being read
        self._listed: dict[Dataset, int] = {}
        self._decode = cast("msgspec.msgpack.Decoder[Kind]", records).decode

    def read(self, limit: int = 50_000) -> list[Kind]:
        """At most `limit` payloads' records that no earlier call returned; call again when as many came back."""
        self._look_for_live()
        self._look_for_sealed()
        found: list[bytes] = []
        while len(found) < limit and (self._payloads or self._unread):
            if not self._payloads:
                self._payloads.extend(self._sealed_payloads(self._unread.popleft()))
            found += [self._payloads.popleft() for _ in range(min(limit - len(found), len(self._payloads)))]
        for name, followed in list(self._following.items()):
            found += followed.read(limit - len(found))
            if followed.finished:
                followed.close()
                del self._following[name]
        return self._records(found)

    def close(self) -> None:
        """Let go of the segments."""
        for followed in self._following.values():
            followed.close()
        self._following.clear()

    def _look_for_live(self) -> None:
        for name in _oldest_first(set(live_names(self._root)) - self._known):
            try:
                self._following[name] = _Followed(live_path(self._root, name), name)
            except FileNotFoundError:  # sealed since the listing, and found there
                continue
            self._known.add(name)

    def _look_for_sealed(self) -> None:
        found: set[str] = set()
        for dataset in DATASETS:
            folder = sealed_path(self._root, dataset, "").parent
            try:
                changed_at = folder.stat().st_mtime_ns
            except FileNotFoundError:
                continue
            if changed_at != self._listed.get(dataset):
                found.update(path.stem for path in folder.glob("[!.]*.parquet"))
                if time_ns() - changed_at > _SETTLED_NS:
                    self._listed[dataset] = changed_at
        for name in _oldest_first(found - self._known):
            if not live_path(self._root, name).exists():  # only then are all its datasets in place
                self._known.add(name)
                self._unread.append(name)

    def _sealed_payloads(self, name: str) -> list[bytes]:
        """The payloads of a sealed segment in the order they were written."""
        rows: list[tuple[int, bytes]] = []
        for dataset in DATASETS:
            path = sealed_path(self._root, dataset, name)
            if path.exists():
                newer = None if self._since is None else [("recorded_at", ">=", self._since)]
                table = pq.read_table(path, columns=["position", "record"], filters=newer)
                rows += zip(table["position"].to_pylist(), table["record"].to_pylist(), strict=True)
        return [payload for _, payload in sorted(rows)]

    def _records(self, payloads: Iterable[bytes]) -> list[Kind]:
        records: list[Kind] = []
        for payload in payloads:
            try:
                record = self._decode(payload)
            except (
                msgspec.DecodeError,
                UnicodeDecodeError,
            ) as error:  # kept in the log; whoever follows it must not stop for it
                _log.error(
                    "a record of %d bytes is not known to this Windvane and is passed over: %s", len(payload), error
                )
                continue
            if self._since is None or record.at >= self._since:
                records.append(record)
        return records


class _Followed:
    """One segment seen live, read on from where the last read ended."""

    def __init__(self, path: Path, name: str) -> None:
        self._descriptor = os.open(path, os.O_RDONLY)
        try:
            found = read_header(os.pread(self._descriptor, CHUNK_BYTES, 0), name)
        except Invalid as error:
            _log.error("%s; its records are passed over here", error)
            found = None
        self._offset = found[1] if found else 0
        self.finished = found is None

    def read(self, limit: int) -> list[bytes]:
        """Up to `limit` whole payloads; `finished` once the sealer took the segment and nothing is left in it."""
        gone = os.fstat(self._descriptor).st_nlink == 0  # asked before reading: nothing is written after that
        payloads: list[bytes] = []
        size = CHUNK_BYTES
        while len(payloads) < limit and not self.finished:
            content = os.pread(self._descriptor, size, self._offset)
            found, read = scan(content, 0, limit - len(payloads))
            payloads += found
            self._offset += read
            if not read and len(content) == size < claimed_bytes(content):
                size = claimed_bytes(content)
            elif not read:
                self.finished = gone
                break
        return payloads

    def close(self) -> None:
        os.close(self._descriptor)


def _oldest_first(names: Iterable[str]) -> list[str]:
    return sorted(names, key=lambda name: (name.rpartition("-")[2], name))
