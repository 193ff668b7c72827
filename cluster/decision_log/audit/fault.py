"""Faults that an audit names: a record, a segment or a checkpoint that is not what was written."""

from dataclasses import dataclass
from typing import Literal

import msgspec

Kind = Literal["changed", "missing", "inserted", "reordered", "cut", "damaged", "forged"]
_NAMED = ("decision", "outcome")  # records whose first field is a decision's id
_read = msgspec.msgpack.Decoder(list[msgspec.Raw]).decode


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong, and where: `place` is `<log>/<segment>` or `checkpoint <number>`."""

    kind: Kind
    place: str
    detail: str
    position: int | None = None  # of the record in its segment, from 0
    decision_id: str | None = None

    @property
    def log(self) -> str | None:
        """Whose log it is in; None for a checkpoint's."""
        return self.place.partition("/")[0] if "/" in self.place else None

    def __str__(self) -> str:
        record = "" if self.position is None else f" record {self.position}"
        name = "" if self.decision_id is None else f" (decision {self.decision_id})"
        return f"{self.kind}: {self.place}{record}{name}: {self.detail}"


def decision_of(payload: bytes | None) -> str | None:
    """The decision that a record is about, whatever else it says; None when it does not say so.

    >>> decision_of(msgspec.msgpack.encode(("decision", "d1", 1.0))), decision_of(b"rubbish"), decision_of(None)
    ('d1', None, None)
    """
    if payload is None:
        return None
    try:
        fields = _read(payload)
        if len(fields) > 1 and msgspec.msgpack.decode(fields[0]) in _NAMED:
            return msgspec.msgpack.decode(fields[1], type=str)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return None
