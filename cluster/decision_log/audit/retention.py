"""Segments whose time is over: which they are, and their end; what was signed about them stays."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from windvane.cluster.decision_log import disk
from windvane.cluster.decision_log.audit.chain_heads import sealed_names
from windvane.cluster.decision_log.audit.checkpoint import opened_at
from windvane.cluster.decision_log.read.columns import DATASETS
from windvane.cluster.decision_log.write.segment import live_path, sealed_path
from windvane.cluster.errors import Unavailable


def expired(root: Path, before: float) -> list[str]:
    """The sealed segments of which every record is older than `before` (Unix seconds), by name."""
    found = []
    for name in sorted(sealed_names(root)):
        if opened_at(name) >= before or live_path(root, name).exists():
            continue
        if all(newest < before for newest in _newest(root, name)):
            found.append(name)
    return found


def delete(root: Path, names: Sequence[str]) -> None:
    """Delete these sealed segments whole; raises Unavailable when the disk refuses. Sign that they go, before."""
    try:
        for name in names:
            for path in (*(sealed_path(root, dataset, name) for dataset in DATASETS), root / "torn" / f"{name}.bin"):
                disk.remove(path)
        for folder in (*(sealed_path(root, dataset, "").parent for dataset in DATASETS), root / "torn"):
            if folder.is_dir():
                disk.sync_folder(folder)
    except OSError as error:
        raise Unavailable(f"segments whose time is over cannot be deleted from {root}: {error}") from error


def _newest(root: Path, name: str) -> list[float]:
    """Time of the newest record of each kind; a segment that cannot be read is never too old."""
    newest = []
    for dataset in DATASETS:
        path = sealed_path(root, dataset, name)
        if path.exists():
            try:
                last = pc.max(pq.read_table(path, columns=["recorded_at"])["recorded_at"]).as_py()
            except (pa.ArrowException, OSError):
                last = float("inf")
            newest.append(float("inf") if last is None else last)
    return newest
