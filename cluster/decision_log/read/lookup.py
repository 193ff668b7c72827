"""One decision of the log by its id, whole and as it was written, in whichever file it stands by now."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from windvane.cluster.decision_log.read.columns import FEATURE_TYPES
from windvane.cluster.decision_log.record import Decision, Value
from windvane.cluster.decision_log.write.segment import (
    FeatureColumn,
    live_names,
    live_path,
    read_header,
    scan,
    sealed_path,
)
from windvane.cluster.errors import NotFound

DECISION_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_DECISION = msgspec.msgpack.Decoder(Decision)
_TYPES = {str(kind): name for name, kind in FEATURE_TYPES.items()}


@dataclass(frozen=True, slots=True)
class Kept:
    """A decision, and the features that its writer knew, in the order of its row."""

    decision: Decision
    features: tuple[FeatureColumn, ...]

    @property
    def row(self) -> dict[str, Value]:
        """The values that were decided on, by name."""
        return {column.name: value for column, value in zip(self.features, self.decision.features, strict=False)}


def find(root: Path, decision_id: str) -> Kept:
    """The decision of the log under `root`, the first where it was logged twice; raises NotFound."""
    if DECISION_ID.fullmatch(decision_id):
        # Live files first: what is sealed in between is found in its sealed file.
        found = [*_live(root, decision_id), *_sealed(root, decision_id)]
        if found:
            return min(found, key=lambda kept: kept.decision.at)
    raise NotFound(f"The log of {root.name} has no decision {decision_id[:60]!r}")


def _live(root: Path, decision_id: str) -> Iterator[Kept]:
    for name in live_names(root):
        try:
            content = live_path(root, name).read_bytes()
        except FileNotFoundError:
            continue
        header = read_header(content, name)
        if header is None:
            continue
        known, start = header
        wanted = decision_id.encode()
        for payload in scan(content, start)[0]:
            if wanted in payload:
                kept = _opened(payload, decision_id, known.features)
                if kept is not None:
                    yield kept


def _sealed(root: Path, decision_id: str) -> Iterator[Kept]:
    paths = sorted(str(path) for path in sealed_path(root, "decisions", "").parent.glob("[!.]*.parquet"))
    if not paths:
        return
    scanner = ds.dataset(paths, format="parquet").scanner(
        columns=["record", "__filename"], filter=pc.field("decision_id") == decision_id
    )
    for row in scanner.to_table().to_pylist():
        kept = _opened(row["record"], decision_id, _columns(row["__filename"]))
        if kept is not None:
            yield kept


def _opened(payload: bytes, decision_id: str, features: tuple[FeatureColumn, ...]) -> Kept | None:
    """The decision of that id; None for another record, which may hold the id as an outcome does."""
    try:
        decision = _DECISION.decode(payload)
    except msgspec.ValidationError:
        return None
    return Kept(decision, features) if decision.decision_id == decision_id else None


def _columns(path: str) -> tuple[FeatureColumn, ...]:
    """The features as the segment's writer knew them."""
    fields = [field for field in pq.read_schema(path) if field.name.startswith("x_")]
    return tuple(FeatureColumn(field.name[2:], _TYPES[str(field.type)]) for field in fields)
