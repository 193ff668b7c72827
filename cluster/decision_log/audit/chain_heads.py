"""Reads what stands in the log now, for the next checkpoint: heads of what is written, roots of what is sealed."""

import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pyarrow.parquet as pq

from windvane.cluster.decision_log import disk
from windvane.cluster.decision_log.audit.checkpoint import CheckpointState, Vouched, contradiction
from windvane.cluster.decision_log.audit.fault import Fault
from windvane.cluster.decision_log.read import merkle
from windvane.cluster.decision_log.read.columns import DATASETS
from windvane.cluster.decision_log.read.seal import SEAL, Seal, sealed
from windvane.cluster.decision_log.write import chain
from windvane.cluster.decision_log.write.live import claim
from windvane.cluster.decision_log.write.segment import (
    LINK_BYTES,
    Link,
    is_chained,
    live_names,
    live_path,
    read_header,
    scan_linked,
    sealed_path,
)
from windvane.cluster.decoders import json_decoder
from windvane.cluster.errors import Invalid

logger = logging.getLogger(__name__)


class ChainHeads:
    """Follows one log under `root`; reads what is new in it, and checks the chain of that on the way.

    Whatever contradicts what it saw before, or what a checkpoint says, is a fault and is not vouched for again.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._log = root.name
        self._live: dict[str, _Head] = {}
        self._faulty: set[str] = set()

    def news(self, standing: CheckpointState) -> tuple[list[Vouched], list[Fault]]:
        """Changes since `standing`, and faults of the rest; every fault is told once."""
        found: list[Vouched] = []
        faults: list[Fault] = []
        live = live_names(self._root)
        for name in live:
            head = self._live.setdefault(name, _Head(live_path(self._root, name), name))
            known = standing.segments.get((self._log, name))
            try:
                if known is not None and known.root is not None:  # sealed, and it came back with a power cut
                    vouched: Vouched | Fault | None = _as_sealed(self._log, name, head.path)
                else:
                    vouched = head.read(self._log, 0 if known is None else known.records)
            except FileNotFoundError:  # sealed since the listing: told as such next time
                continue
            self._take(name, vouched, head.passed, standing, found, faults)
        for name in self._live.keys() - set(live):
            del self._live[name]
        for name in sealed_names(self._root) - set(live):
            known = standing.segments.get((self._log, name))
            if known is None or known.root is None:
                self._take(name, _sealed(self._root, name), _links(self._root, name), standing, found, faults)
        return found, faults

    def _take(
        self,
        name: str,
        found: Vouched | Fault | None,
        passed: Mapping[int, bytes],
        standing: CheckpointState,
        into: list[Vouched],
        faults: list[Fault],
    ) -> None:
        if name in self._faulty or found is None:
            return
        if isinstance(found, Vouched):
            if standing.segments.get((self._log, name)) == found:
                return
            wrong = contradiction(standing, found, "what stands there now", passed)
            if wrong is None:
                into.append(found)
                return
            found = wrong
        self._faulty.add(name)
        faults.append(found)


class _Head:
    """One live segment, read on from the last link that was vouched for."""

    def __init__(self, path: Path, name: str) -> None:
        self.path = path
        self._name = name
        self._offset = 0
        self._records = 0
        self._head: bytes | None = None
        self._is_committed = True
        self._is_doubtful = False  # whether a sync failed: later ones do not tell what it lost
        self._seen: tuple[int, bytes] | None = None  # the last link of the last read: records, head
        self.passed: dict[int, bytes] = {}  # heads since the one that was signed last, by the records before them

    def read(self, log: str, vouched: int) -> Vouched | Fault | None:
        """The segment as far as it is durable, or as its first `vouched` records go; None for one that has no chain.

        What is signed has to survive a power cut, and its writer: both would look like a hand that cut it. So it is
        synced before, and a group that its writer may be about to take back, since the sync failed, has to be met twice
        or to be followed by another. A segment that cannot be synced is vouched for once it is sealed.
        """
        with self.path.open("rb") as file:
            if os.fstat(file.fileno()).st_size < self._offset:
                return Fault("cut", f"{log}/{self._name}", f"is shorter than the {self._offset} bytes it had")
            file.seek(self._offset)
            content = file.read()
            start = 0
            if self._head is None:
                start = self._begin(content)
                if self._head is None:
                    return None
            _, links, end = scan_linked(content, start)
            if chain.breaks(self._head, content, links):
                return Fault("changed", f"{log}/{self._name}", "its chain does not hold: run `windvane audit verify`")
            links = links[: self._settled(file.fileno(), links, self._offset + end, vouched)]
        self.passed = {records: head for records, head in self.passed.items() if records >= vouched}
        self.passed[self._records] = self._head
        self.passed |= {self._records + link.records: link.head for link in links}
        if links:
            self._records, self._head = self._records + links[-1].records, links[-1].head
        self._offset += links[-1].ends + LINK_BYTES if links else start
        return Vouched(log, self._name, self._records, self._head.hex())

    def _settled(self, descriptor: int, links: Sequence[Link], end: int, vouched: int) -> int:
        """Number of links that stay, whatever happens to the machine and to their writer; `vouched` records do."""
        least = sum(self._records + link.records <= vouched for link in links)
        if self._is_doubtful or least == len(links):
            return least
        try:
            disk.sync(descriptor)
        except OSError as error:
            self._is_doubtful = True
            logger.warning("%s is not signed before it is sealed: it cannot be synced (%s)", self._name, error)
            return least
        known, self._seen = self._seen, (self._records + links[-1].records, links[-1].head)
        if not self._is_committed or known == self._seen:
            return len(links)
        with claim(self.path) as held:
            is_closed = held is not None
        return len(links) if is_closed and os.fstat(descriptor).st_size >= end else max(least, len(links) - 1)

    def _begin(self, content: bytes) -> int:
        try:
            found = read_header(content, self._name)
        except Invalid:  # written by a newer Windvane, which vouches for it
            return 0
        if found is None or not is_chained(content):
            return 0
        self._head = chain.begin(content[: found[1]])
        self._is_committed = found[0].durability == "committed"
        return found[1]


def sealed_names(root: Path) -> set[str]:
    """Segments of which a Parquet file of any kind is there."""
    return {path.stem for dataset in DATASETS for path in sealed_path(root, dataset, "").parent.glob("[!.]*.parquet")}


def is_sealed(root: Path, name: str) -> bool:
    """Whether a Parquet file of any kind is there for the segment."""
    return any(sealed_path(root, dataset, name).exists() for dataset in DATASETS)


def seals(root: Path, name: str) -> Iterable[Seal | None]:
    """Seal in each of the segment's Parquet files; None for one that has none."""
    for dataset in DATASETS:
        path = sealed_path(root, dataset, name)
        if path.exists():
            seal = (pq.read_schema(path).metadata or {}).get(SEAL)
            yield None if seal is None else json_decoder(Seal).decode(seal)


def stored_records(root: Path, name: str) -> list[bytes]:
    """The payloads of a sealed segment in their order."""
    rows: list[tuple[int, bytes]] = []
    for dataset in DATASETS:
        path = sealed_path(root, dataset, name)
        if path.exists():
            table = pq.read_table(path, columns=["position", "record"])
            rows += zip(table["position"].to_pylist(), table["record"].to_pylist(), strict=True)
    return [record for _, record in sorted(rows)]


def _links(root: Path, name: str) -> dict[int, bytes]:
    """The chain's heads that a sealed segment keeps, by how many records they cover."""
    found: dict[int, bytes] = {}
    for seal in seals(root, name):
        if seal is not None:
            found[0] = chain.begin(seal.preamble)
    for dataset in DATASETS:
        path = sealed_path(root, dataset, name)
        if path.exists() and "link" in pq.read_schema(path).names:
            table = pq.read_table(path, columns=["position", "link"])
            ends = table.filter(table["link"].is_valid())
            places = (position + 1 for position in ends["position"].to_pylist())
            found |= dict(zip(places, ends["link"].to_pylist(), strict=True))
    return found


def _as_sealed(log: str, name: str, path: Path) -> Vouched | Fault:
    """Live segment as it would be vouched for once it is sealed."""
    content = path.read_bytes()
    try:
        header = read_header(content, name)
        seal = sealed(name, content, len(content) if header is None else header[1])[2]
    except Invalid as error:
        return Fault("changed", f"{log}/{name}", str(error))
    return Vouched(log, name, seal.records, seal.head.hex() if seal.head else None, seal.root.hex())


def _sealed(root: Path, name: str) -> Vouched:
    for seal in seals(root, name):
        if seal is not None:
            head = seal.head.hex() if seal.head else None
            return Vouched(root.name, name, seal.records, head, seal.root.hex())
    records = stored_records(root, name)  # sealed before there were seals: vouched for as it stands now
    return Vouched(root.name, name, len(records), None, merkle.root(merkle.leaves(records)).hex())
