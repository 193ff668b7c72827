"""Builds decoders of records, one thread at a time.

msgspec 0.22 crashes the process where two threads build what it knows of the same type at once, as replicas that load
two versions did: `msgspec.json.decode(text, type=Profile)` builds it on first use.
"""

from threading import Lock
from typing import Any, TypeVar

import msgspec

Record = TypeVar("Record")
_building = Lock()
_built: "dict[Any, msgspec.json.Decoder[Any]]" = {}


def json_decoder(record: type[Record]) -> "msgspec.json.Decoder[Record]":
    """The decoder of that record from JSON, built once.

    >>> json_decoder(dict[str, int]).decode(b'{"a": 1}')
    {'a': 1}
    """
    with _building:
        if record not in _built:
            _built[record] = msgspec.json.Decoder(record)
        return _built[record]
