"""The record of a Ray head in a home."""

from pathlib import Path

import msgspec

from windvane.cluster.runtime.head_record import Head
from windvane.cluster.runtime.processes import Mark


def record(home: Path, *marks: Mark) -> Head:
    head = Head("127.0.0.1:6379", "http://127.0.0.1:8265", str(home / "run"), marks)
    (home / "run").mkdir()
    (home / "run" / "head.json").write_bytes(msgspec.json.encode(head))
    return head
