"""A sealed segment looked at cell by cell and record by record."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from windvane.cluster.decision_log.audit.cells import changed_cells
from windvane.cluster.decision_log.audit.inspected import Inspected
from windvane.cluster.decision_log.read import merkle
from windvane.cluster.decision_log.read.columns import DATASETS, Dataset, schema
from windvane.cluster.decision_log.read.seal import MARK, SEAL, Seal, leaf_prefixes
from windvane.cluster.decision_log.write import chain
from windvane.cluster.decision_log.write.segment import FRAME, LINK_BYTES, Header, frames, read_header, sealed_path
from windvane.cluster.decoders import json_decoder
from windvane.cluster.errors import Invalid


def inspect_sealed(root: Path, name: str) -> Inspected:
    """A segment's Parquet files: every cell against its record, every record against its leaf, root and chain."""
    found = Inspected(f"{root.name}/{name}")
    files = _Files(found)
    for dataset in DATASETS:
        path = sealed_path(root, dataset, name)
        if path.exists():
            files.read(dataset, path)
    positions, payloads, stored = files.in_order()
    found.records = len(payloads)
    leaves = merkle.leaves(payloads)
    found.root = merkle.root(leaves)
    seal = files.seal
    if seal is not None:
        found.ends = (
            len(seal.preamble) + sum(FRAME.size + len(each) for each in payloads) + LINK_BYTES * len(files.links)
        )
    if seal is None:
        return found
    _note_gaps(found, positions, seal.records)
    changed = _note_leaves(found, positions, payloads, leaves, stored)
    if seal.head is not None:
        _note_chain(found, seal, positions, payloads, files.links, changed)
    if not found.faults and (found.root, found.records) != (seal.root, seal.records):
        found.fault("changed", "the root over its records is not the one it was sealed with")
    return found


_UNREADABLE = (pa.ArrowException, OSError, KeyError, ValueError, msgspec.DecodeError, Invalid)


@dataclass(frozen=True, slots=True)
class _File:
    """One Parquet file, read; `changed` are its row and column of every cell that is not its record's."""

    header: Header
    seal: Seal | None
    positions: Any
    payloads: list[bytes]
    leaves: Any  # uint64[rows]
    links: dict[int, bytes]
    changed: list[tuple[int, str]]
    unknown: list[str]  # columns that nothing was sealed in
    mistyped: list[str]  # columns whose values would be read as something else


def _file(dataset: Dataset, path: Path) -> _File:
    """Raises one of `_UNREADABLE`: a file can be changed in more ways than one error has names."""
    stored = pq.read_table(path, memory_map=False)
    marks = stored.schema.metadata or {}
    header = json_decoder(Header).decode(marks[MARK])
    seal = json_decoder(Seal).decode(marks[SEAL]) if SEAL in marks else None
    position, record = stored["position"].cast(pa.int64()), stored["record"].cast(pa.binary())
    if position.null_count or record.null_count:
        raise Invalid("rows lack their record")
    positions, payloads = position.to_numpy(), record.to_pylist()
    leaves = np.zeros(len(positions), np.uint64)
    links: dict[int, bytes] = {}
    if seal is not None:
        leaves = stored["leaf"].cast(pa.uint64()).combine_chunks().fill_null(0).to_numpy()
        link = stored["link"].cast(pa.binary())
        kept = link.is_valid()
        links = dict(zip(positions[kept.to_numpy()].tolist(), link.filter(kept).to_pylist(), strict=True))
    changed = list(changed_cells(dataset, stored, payloads, header))
    kinds = {kind.name: kind.type for kind in schema(dataset, header.features)}
    unknown = sorted(set(stored.column_names) - set(kinds))
    mistyped = [each.name for each in stored.schema if each.type != kinds.get(each.name, each.type)]
    return _File(header, seal, positions, payloads, leaves, links, changed, unknown, mistyped)


class _Files:
    """The Parquet files of one segment put together."""

    def __init__(self, found: Inspected) -> None:
        self._found = found
        self.seal: Seal | None = None
        self.links: dict[int, bytes] = {}
        self._leaves: list[Any] = []
        self._positions: list[Any] = []
        self._payloads: list[bytes] = []

    def read(self, dataset: Dataset, path: Path) -> None:
        found = self._found
        try:
            file = _file(dataset, path)
        except _UNREADABLE as error:
            found.fault("damaged", f"its {dataset} cannot be read: {error}")
            return
        if found.header not in (None, file.header) or self._differs(file.seal, file.header):
            found.fault("changed", f"what {dataset} says of the segment is not what it was sealed with")
        found.header, self.seal = found.header or file.header, self.seal or file.seal
        for column in file.unknown:
            found.fault("inserted", f"{dataset} has a column {column!r} that no record was sealed in")
        for column in file.mistyped:
            found.fault("changed", f"{column} of {dataset} is not of the type that it was sealed in")
        for row in (np.flatnonzero(np.diff(file.positions) <= 0) + 1).tolist():
            place = int(file.positions[row])
            found.fault("reordered", f"stands out of its place in {dataset}", place, file.payloads[row])
        for row, column in file.changed:
            place = int(file.positions[row])
            found.fault("changed", f"{column} is not what was recorded", place, file.payloads[row])
        self._leaves.append(file.leaves)
        self.links.update(file.links)
        self._positions.append(file.positions)
        self._payloads += file.payloads

    def in_order(self) -> tuple[list[int], list[bytes], Any]:
        """Positions, payloads and stored leaves of all files, by position."""
        if not self._positions:
            return [], [], np.empty(0, np.uint64)
        positions, leaves = np.concatenate(self._positions), np.concatenate(self._leaves)
        order = np.argsort(positions, kind="stable")
        return positions[order].tolist(), [self._payloads[place] for place in order.tolist()], leaves[order]

    def _differs(self, seal: Seal | None, header: Header) -> bool:
        if seal is None:
            return self.seal is not None
        within = read_header(seal.preamble, seal.segment)
        return (self.seal or seal) != seal or within is None or within[0] != header


def _note_gaps(found: Inspected, positions: Sequence[int], records: int) -> None:
    if positions == list(range(records)):
        return
    expected = 0
    for position in positions:
        if position < expected:
            found.fault("inserted", "stands there twice", position)
        elif position > expected:
            _note_missing(found, expected, position)
        expected = max(expected, position + 1)
    if expected < records:
        _note_missing(found, expected, records)
    elif expected > records:
        found.fault("inserted", f"{expected - records} more than the {records} it was sealed with", records)


def _note_missing(found: Inspected, first: int, after: int) -> None:
    found.fault("missing", "is gone" if after == first + 1 else f"and those up to {after - 1} are gone", first)


def _note_leaves(
    found: Inspected, positions: Sequence[int], payloads: Sequence[bytes], leaves: Sequence[bytes], stored: Any
) -> set[int]:
    """Notes records whose leaf is another, and returns where they stand."""
    places = np.flatnonzero(leaf_prefixes(leaves) != stored).tolist()
    for place in places:
        found.fault("changed", "its record is not the one that was sealed", positions[place], payloads[place])
    return {positions[place] for place in places}


def _note_chain(
    found: Inspected,
    seal: Seal,
    positions: Sequence[int],
    payloads: Sequence[bytes],
    links: Mapping[int, bytes],
    changed: set[int],
) -> None:
    """Follows the chain through the rows; a group is noted unless one of its records was already."""
    head, first = chain.begin(seal.preamble), 0
    found.heads[0] = head
    known = changed | {fault.position for fault in found.faults}
    for position, link in sorted(links.items()):
        after = bisect_right(positions, position, first)
        group = payloads[first:after]
        if chain.extend(head, frames(group)) != link and known.isdisjoint(positions[first:after]):
            found.fault_of_group(positions[first] if group else position, group)
        head, first = link, after
        found.heads[position + 1] = link
    if (first < len(positions) or head != seal.head) and not found.faults:
        found.fault("changed", "its chain does not end with the head it was sealed with", max(0, len(positions) - 1))
