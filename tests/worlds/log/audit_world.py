"""A small log with checkpoints for the tests of audits, and ways to tamper with it."""

import itertools
import math
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.worlds.log.decision_log import COLUMNS, decision, outcome, shadow
from windvane.cluster.clock import Clock
from windvane.cluster.decision_log.audit.chain_heads import ChainHeads
from windvane.cluster.decision_log.audit.checkpoint import Witnessed
from windvane.cluster.decision_log.audit.checkpoints import Checkpoints
from windvane.cluster.decision_log.audit.fault import Fault
from windvane.cluster.decision_log.audit.verify import VerifyReport, Witnesses, verify
from windvane.cluster.decision_log.read.sealer import Sealer
from windvane.cluster.decision_log.record import Record
from windvane.cluster.decision_log.write.limits import WriterLimits
from windvane.cluster.decision_log.write.rolling import RollingSegments
from windvane.cluster.decision_log.write.segment import Header, frame, live_names, live_path, sealed_path

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
LOG = "flight-delay"


class World:
    """One writer's log: groups of records, two groups a segment."""

    def __init__(self, home: Path, writer: str = "replica-1") -> None:
        self.logs = home / "log"
        self.root = self.logs / LOG
        self.file = home / "checkpoints.jsonl"
        self.copy = home / "elsewhere" / "checkpoints.jsonl"
        self.checkpoints = Checkpoints(self.file, KEY, self.copy)
        self.heads = ChainHeads(self.root)
        moments = itertools.count(1.0)
        header = Header(LOG, writer, 0.0, COLUMNS, durability="buffered")
        limits = WriterLimits(segment_bytes=1 << 20, segment_seconds=1e9)
        self.writer = RollingSegments(self.root, header, limits, Clock(lambda: next(moments)))

    def write(self, *records: Record) -> None:
        """One group."""
        assert self.writer.write(b"".join(frame(msgspec.msgpack.encode(record)) for record in records)) is None

    def fill(self, segments: int = 3) -> list[str]:
        """Closed segments of five records in two groups each; returns their names."""
        for n in range(segments):
            self.write(decision(f"d{n}a"), decision(f"d{n}b"), shadow([f"d{n}a"]))
            self.write(decision(f"d{n}c"), outcome(f"d{n}a"))
            self.writer.roll(now=True)
        return live_names(self.root)

    def checkpoint(self, at: float = 3.0) -> list[Fault]:
        found, faults = self.heads.news(self.checkpoints.refresh())
        self.checkpoints.append(at, found)
        return faults

    def seal(self) -> None:
        Sealer(self.root).seal()

    def verify(self, since: float = 0.0, until: float = math.inf, witnessed: Witnessed | None = None) -> VerifyReport:
        keys, span = [KEY.public_key()], {"since": since, "until": until}
        return verify(self.logs, self.file, keys, **span, witnesses=Witnesses(self.copy, witnessed), processes=1)

    def live(self, name: str) -> Path:
        return live_path(self.root, name)

    def rewrite(self, dataset: str, name: str, change: Callable[[list[dict[str, object]]], Iterable[object]]) -> None:
        """A sealed file with other rows, and all else as it was."""
        path = sealed_path(self.root, dataset, name)
        table = pq.read_table(path)
        rows = list(change(table.to_pylist()))
        pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), path)
