"""The record of the local Ray head that `windvane up` started: where it answers, which processes it is made of."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from windvane.cluster.decoders import json_decoder
from windvane.cluster.host.run_folder import mend
from windvane.cluster.runtime import processes
from windvane.cluster.runtime.processes import Mark


@dataclass(frozen=True, slots=True)
class Head:
    """A running local Ray head: where it answers and which processes it is made of."""

    address: str
    dashboard_url: str
    run: str
    marks: tuple[Mark, ...]


def load(home: Path) -> Head | None:
    """The head recorded for this home, or None when none of its processes run any more (or the record is torn)."""
    try:
        head = json_decoder(Head).decode(_file(home).read_bytes())
    except (FileNotFoundError, msgspec.DecodeError):
        return None
    return head if processes.find(head.marks) else None


def save(home: Path, head: Head) -> None:
    """Remember it, instead of the one before."""
    _file(home).write_bytes(msgspec.json.encode(head))


def mend_link(home: Path) -> None:
    """Put back the link by which the head's processes find their sockets, where somebody who cleans /tmp took it."""
    with suppress(FileNotFoundError, msgspec.DecodeError):
        mend(home, Path(json_decoder(Head).decode(_file(home).read_bytes()).run))


def forget(home: Path) -> None:
    """There is none any more."""
    _file(home).unlink(missing_ok=True)


def _file(home: Path) -> Path:
    return home / "run" / "head.json"
