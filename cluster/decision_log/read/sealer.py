"""Turns segments that no writer holds into Parquet; killed at any line, it is simply run again."""

import logging
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from windvane.cluster.decision_log import disk
from windvane.cluster.decision_log.read.columns import Dataset, SegmentProof, Table, rows, schema, table
from windvane.cluster.decision_log.read.seal import MARK, SEAL, Seal, sealed
from windvane.cluster.decision_log.write.live import claim
from windvane.cluster.decision_log.write.segment import Header, live_names, live_path, read_header, sealed_path, torn
from windvane.cluster.decoders import json_decoder
from windvane.cluster.errors import Conflict, Invalid, Unavailable

_log = logging.getLogger(__name__)
_BATCH = 1024  # records turned into columns at once: with all that they are made of they fit a core's cache
_GROUP = 16 * _BATCH  # records side by side in a file
_REPEATING = ("arm", "action")  # worth a dictionary; for the rest building one costs more than it saves


class Sealer:
    """Seals the log under `root`; several may run, the claim on a segment keeps them apart.

    The segment goes last. Until then sealing again puts the same files in the same places, and a reader that sees a
    live segment ignores what is sealed of it already.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def seal(self) -> list[Path]:
        """Seal every segment that nobody holds and return the Parquet files; raises Unavailable when the disk refuses.

        A segment that this Windvane cannot read, whose chain does not hold, or whose name is taken by another, stays
        and is reported in the log: sealing would vouch for it.
        """
        files: list[Path] = []
        try:
            self._sweep()
            for name in live_names(self._root):
                with claim(live_path(self._root, name)) as descriptor:
                    if descriptor is not None:
                        disk.sync(descriptor)  # should its removal be lost, it comes back as long as it was sealed
                        files += self._seal(name, _content(descriptor))
        except OSError as error:
            raise Unavailable(f"the decision log in {self._root} cannot be sealed: {error}; nothing is lost") from error
        if files:
            for pool in (pa.default_memory_pool(), pa.system_memory_pool()):
                pool.release_unused()  # else the process keeps what the largest segments took, a little more each time
        return files

    def _sweep(self) -> None:
        """Take away drafts of segments whose writer died before it wrote to them."""
        for draft in (self._root / "live").glob(".*.new"):
            with claim(draft) as descriptor:
                if descriptor is not None:
                    disk.remove(draft)

    def _seal(self, name: str, content: bytes) -> list[Path]:
        live = live_path(self._root, name)
        left = content  # reserved room is cut off what has a header, and only there
        files: list[Path] = []
        try:
            found = read_header(content, name)
            if found is not None:
                payloads, proof, seal, end = sealed(name, content, found[1])
                files = self._write(name, found[0], payloads, proof, seal)
                left = torn(content, end)
        except (Invalid, Conflict, msgspec.DecodeError, UnicodeDecodeError, pa.ArrowInvalid, OverflowError) as error:
            _log.error("segment %s stays unsealed: %s", live, error)
            return []
        if left:
            self._set_aside(name, left)
        disk.remove(live)
        disk.sync_folder(live.parent)
        return files

    def _write(
        self, name: str, header: Header, payloads: Sequence[bytes], proof: SegmentProof, seal: Seal
    ) -> list[Path]:
        """Every record of the segment in its place, for good: one Parquet file per kind of record."""
        files: dict[Dataset, Any] = {}
        contents: dict[Dataset, Any] = {}
        with ExitStack() as writers:
            for first in range(0, len(payloads), _GROUP):
                for dataset, group in _tables(payloads[first : first + _GROUP], first, header, proof).items():
                    if dataset not in files:
                        contents[dataset] = pa.BufferOutputStream()
                        _demand_free(sealed_path(self._root, dataset, name), header)
                        files[dataset] = writers.enter_context(_file(contents[dataset], dataset, header, seal))
                    files[dataset].write_table(group.cast(files[dataset].schema))
        paths = {dataset: sealed_path(self._root, dataset, name) for dataset in contents}
        for dataset, path in paths.items():
            disk.make_folder(path.parent)
            disk.write_file(_draft(path), memoryview(contents[dataset].getvalue()))
        for path in paths.values():
            disk.rename(_draft(path), path)
        for folder in {path.parent for path in paths.values()}:
            disk.sync_folder(folder)
        return list(paths.values())

    def _set_aside(self, name: str, left: bytes) -> None:
        """Keep what no link covers: mostly half a group nobody was promised, but a damaged disk looks the same."""
        path = self._root / "torn" / f"{name}.bin"
        disk.make_folder(path.parent)
        disk.write_file(path, left)
        disk.sync_folder(path.parent)
        _log.warning("cut %d bytes after the last whole group of segment %s; they are in %s", len(left), name, path)


def _content(descriptor: int) -> bytes:
    with open(descriptor, "rb", closefd=False) as segment:
        return segment.read()


def _tables(payloads: Sequence[bytes], first: int, header: Header, proof: SegmentProof) -> dict[Dataset, Table]:
    """The records by kind, the first of which stands at `first` in its segment."""
    batches: dict[Dataset, list[Table]] = {}
    for start in range(0, len(payloads), _BATCH):
        for dataset, found in rows(payloads[start : start + _BATCH], first + start).items():
            batches.setdefault(dataset, []).append(table(dataset, found, header.features, proof))
    return {dataset: pa.concat_tables(tables) for dataset, tables in batches.items()}


def _draft(path: Path) -> Path:
    return path.with_name(f".{path.name}.new")


def _demand_free(path: Path, header: Header) -> None:
    """Raise Conflict when the place belongs to another segment: its own records may replace a file, nothing else."""
    if path.exists():
        mark = (pq.read_schema(path).metadata or {}).get(MARK)
        if mark is None or json_decoder(Header).decode(mark) != header:
            raise Conflict(f"{path} holds another segment of that name: move one of them away")


def _file(content: Any, dataset: Dataset, header: Header, seal: Seal) -> Any:
    """A Parquet writer into `content`: compressed, a segment's records are smaller than the segment."""
    marks = {MARK: msgspec.json.encode(header), SEAL: msgspec.json.encode(seal)}
    names = schema(dataset, header.features).with_metadata(marks)
    texts = [f"x_{column.name}" for column in header.features if column.type == "category"]
    return pq.ParquetWriter(content, names, compression="zstd", use_dictionary=[*_REPEATING, *texts])
