"""The segment file: one header, then framed records; what was torn or flipped is never read as a record.

    8 bytes  "WVSEG\\0\\0" and the format's version
    frame    the header
    frame…   one record each

A frame is `u32 length, u32 crc32, payload`, little-endian; the checksum starts from the length, so a flipped length
fails it as well. Bytes after the first bad frame are not searched for more frames: a record holds text that callers
chose, and text that looks like a frame must never be read as one.

A payload is kept as it was written through sealing, so hashes over payloads stay checkable, and the header takes new
fields without a new version: both are there for a chain of hashes over a writer's segments.
"""

import struct
import zlib
from pathlib import Path
from typing import Literal

import msgspec

from cluster.errors import Invalid

MAGIC = b"WVSEG\x00\x00\x01"
FRAME = struct.Struct("<II")
MAX_PAYLOAD_BYTES = 1 << 26

ColumnType = Literal["number", "integer", "boolean", "category"]


class Column(msgspec.Struct, frozen=True):
    """One feature as the writer knew it."""

    name: str
    type: ColumnType


class Header(msgspec.Struct, frozen=True):
    """What a reader must know about a segment's records; `opened_at` in Unix seconds."""

    model: str
    writer: str
    opened_at: float
    features: tuple[Column, ...]


_HEADER = msgspec.msgpack.Decoder(Header)


def frame(payload: bytes) -> bytes:
    """The payload as it stands in a segment."""
    length = len(payload)
    return FRAME.pack(length, zlib.crc32(payload, length)) + payload


def preamble(header: Header) -> bytes:
    """The first bytes of a segment."""
    return MAGIC + frame(msgspec.msgpack.encode(header))


def scan(content: bytes, start: int = 0, limit: int | None = None) -> tuple[list[bytes], int]:
    """The payloads of all whole frames from `start` (at most `limit`), and the offset after the last of them.

    >>> scan(frame(b"one") + frame(b"two")[:-1])
    ([b'one'], 11)
    """
    unpack, checksum, size = FRAME.unpack_from, zlib.crc32, len(content)
    payloads: list[bytes] = []
    while size - start >= FRAME.size and (limit is None or len(payloads) < limit):
        length, expected = unpack(content, start)
        end = start + FRAME.size + length
        if length == 0 or length > MAX_PAYLOAD_BYTES or end > size:  # zeros are what a power cut leaves behind
            break
        payload = content[start + FRAME.size : end]
        if checksum(payload, length) != expected:
            break
        payloads.append(payload)
        start = end
    return payloads, start


def claimed_bytes(content: bytes) -> int:
    """How many bytes the first frame says it has; 0 when that cannot be, or when too little is there to say.

    >>> claimed_bytes(frame(b"one")[:9])
    11
    """
    if len(content) < FRAME.size:
        return 0
    length, _ = FRAME.unpack_from(content)
    return FRAME.size + int(length) if 0 < length <= MAX_PAYLOAD_BYTES else 0


def read_header(content: bytes, name: str) -> tuple[Header, int] | None:
    """The header and where the records start; None when it is damaged, Invalid when its version is not known here."""
    if content[: len(MAGIC)] != MAGIC:
        if content[: len(MAGIC) - 1] == MAGIC[:-1] and len(content) >= len(MAGIC):
            raise Invalid(
                f"segment {name} has format {content[len(MAGIC) - 1]}, this Windvane reads {MAGIC[-1]}: update it"
            )
        return None
    payloads, end = scan(content, len(MAGIC), limit=1)
    if not payloads:
        return None
    try:
        return _HEADER.decode(payloads[0]), end
    except msgspec.DecodeError as error:
        raise Invalid(f"segment {name} has a header this Windvane cannot read: {error}; update it") from error


def live_path(root: Path, name: str) -> Path:
    """Where the segment of that name is while it is written."""
    return root / "live" / f"{name}.seg"


def live_names(root: Path) -> list[str]:
    """Segments not sealed yet, by writer and then oldest first; empty when the log was never written."""
    return sorted(path.stem for path in (root / "live").glob("*.seg"))


def sealed_path(root: Path, dataset: str, name: str) -> Path:
    """Where a sealed segment's records of one kind are."""
    return root / "sealed" / dataset / f"{name}.parquet"
