"""A writer of the log that is opened for a test, and what it has written."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from windvane.cluster.decision_log.record import Decision, Record
from windvane.cluster.decision_log.write.segment import header_for, live_names, live_path, read_header, scan_linked
from windvane.cluster.decision_log.write.write_ahead import Sync
from windvane.cluster.decision_log.write.writer import Writer
from windvane.configs.schema import Feature

FEATURES = (Feature(name="temp", type="number"), Feature(name="carrier", type="category", categories=("UA", "DL")))


def decision(name: str, note: str = "") -> Decision:
    return Decision(name, 10.0, 9.0, 1, "champion", 1, "N1", 7, (20.5, "UA"), 0.7, "warn", context={"note": note})


@dataclass(frozen=True)
class Ahead:
    """Something that records of a test need to be readable: due whenever they are written, unless it says when."""

    flush: Callable[[], Sync | None]
    is_due: Callable[[], bool] = lambda: True


@asynccontextmanager
async def open_writer(root: Path, durability: Any = "committed", **options: Any) -> AsyncIterator[Writer]:
    header = header_for("flight-delay", "replica-1", FEATURES, durability)
    writer = Writer(root, header, asyncio.get_running_loop(), **options)
    try:
        yield writer
    finally:
        writer.close()


def records(root: Path) -> list[Record]:
    found: list[Record] = []
    decoder = msgspec.msgpack.Decoder(Record)
    for name in live_names(root):
        content = live_path(root, name).read_bytes()
        header = read_header(content, name)
        assert header is not None
        found += map(decoder.decode, scan_linked(content, header[1])[0])
    return found
