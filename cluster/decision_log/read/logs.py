"""All logs under one folder: which there are, which features each was written with, and where a decision is."""

from pathlib import Path

import pyarrow.parquet as pq

from windvane.cluster.decision_log.read.columns import Table
from windvane.cluster.decision_log.read.query import Query
from windvane.cluster.decision_log.read.seal import MARK
from windvane.cluster.decision_log.read.selection import Selection
from windvane.cluster.decision_log.write.segment import (
    FeatureColumn,
    Header,
    live_names,
    live_path,
    read_header,
    sealed_path,
)
from windvane.cluster.decision_log.write.trail import TRAIL
from windvane.cluster.decoders import json_decoder
from windvane.cluster.errors import NotFound


def models_of(logs: Path) -> list[str]:
    """Every model that has a log, deployed or not, by name."""
    return sorted(path.name for path in logs.iterdir() if path.is_dir() and path.name != TRAIL) if logs.is_dir() else []


def query_of(logs: Path, model: str) -> Query:
    """The model's log with the features of its newest segment; raises NotFound when there is no such log."""
    if model not in models_of(logs):
        raise NotFound(f"There is no log of a model {model[:80]!r}; there are: {', '.join(models_of(logs)) or 'none'}")
    return Query(logs / model, _features(logs / model))


def find_decision(logs: Path, decision_id: str) -> tuple[str, Table]:
    """The model that the decision is of, and its row; raises NotFound when no log has it."""
    for model in models_of(logs):
        found = query_of(logs, model).select(Selection(decision_id=decision_id, limit=1))
        if found.num_rows:
            return model, found
    raise NotFound(f"No log has a decision {decision_id[:80]!r}: check the id, and whether its time was over")


def _features(root: Path) -> tuple[FeatureColumn, ...]:
    sealed = sealed_path(root, "decisions", "").parent.glob("[!.]*.parquet")
    names = {path.stem for path in sealed} | set(live_names(root))
    for name in sorted(names, key=lambda name: name.rpartition("-")[2], reverse=True):
        header = _header(root, name)
        if header is not None:
            return header.features
    return ()


def _header(root: Path, name: str) -> Header | None:
    try:
        with live_path(root, name).open("rb") as segment:
            found = read_header(segment.read(1 << 20), name)
            return found[0] if found else None
    except FileNotFoundError:
        path = sealed_path(root, "decisions", name)
    if not path.exists():
        return None
    mark = (pq.read_schema(path).metadata or {}).get(MARK)
    return None if mark is None else json_decoder(Header).decode(mark)
