"""The segment file: one header, then framed records; what was torn or flipped is never read as a record.

    8 bytes  "WVSEG\\0\\0" and the format's version
    frame    the header
    frame…   one record each
    link     the chain's head after the frames before it
    …
    zeros    as long as it is written: room that was reserved

A frame is `u32 length, u32 crc32, payload`, little-endian; the checksum starts from the length, so a flipped length
fails it as well. Bytes after the first bad frame are not searched for more frames: a record holds text that callers
chose, and text that looks like a frame must never be read as one.

Records that were written together end with one link: a frame of 32 bytes whose length has its highest bit set, so that
it can never be taken for a record. It holds the head of the writer's chain (`chain.py`). Format 1 had no links and is
read as before; a Windvane that knows no links refuses format 2 by its number.

A payload is kept as it was written through sealing, so hashes over payloads stay checkable, and the header takes new
fields without a new version.
"""

import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from windvane.cluster.errors import Invalid
from windvane.configs.schema import Feature

MAGIC = b"WVSEG\x00\x00\x02"
UNCHAINED = b"WVSEG\x00\x00\x01"  # format 1: the same without links
FRAME = struct.Struct("<II")
MAX_PAYLOAD_BYTES = 1 << 26
HEAD_BYTES = 32
SECTOR_BYTES = 512  # the least that a disk writes whole
LINK_BYTES = FRAME.size + HEAD_BYTES
_LINK_LENGTH = (1 << 31) | HEAD_BYTES  # beyond any record's
_LINK_START = struct.pack("<I", _LINK_LENGTH)

ColumnType = Literal["number", "integer", "boolean", "category"]
Durability = Literal["committed", "buffered"]


class FeatureColumn(msgspec.Struct, frozen=True):
    """One feature as the writer knew it."""

    name: str
    type: ColumnType


class Previous(msgspec.Struct, frozen=True):
    """The segment that the same writer wrote before, and the head its chain ended with.

    Not `sure` after a disk that failed: a power cut may then take what came before the head, or leave a group after it
    that was refused.
    """

    segment: str
    head: bytes
    sure: bool = True


class Header(msgspec.Struct, frozen=True):
    """Facts that a reader must know about a segment's records; `opened_at` in Unix seconds."""

    model: str
    writer: str
    opened_at: float
    features: tuple[FeatureColumn, ...]
    previous: Previous | None = None  # None: the writer's first
    durability: Durability = "committed"  # buffered: groups are not synced one by one


@dataclass(frozen=True, slots=True)
class Link:
    """End of a group: its frames lie at [starts, ends) and `records` records of the segment lie before `ends`."""

    records: int
    starts: int
    ends: int
    head: bytes


def header_for(model: str, writer: str, features: Iterable[Feature], durability: Durability = "committed") -> Header:
    """The header of a writer's segments, of which none is open yet."""
    columns = tuple(FeatureColumn(feature.name, feature.type) for feature in features)
    return Header(model, writer, 0.0, columns, durability=durability)


_HEADER = msgspec.msgpack.Decoder(Header)


def frame(payload: bytes) -> bytes:
    """The payload as it stands in a segment."""
    length = len(payload)
    return FRAME.pack(length, zlib.crc32(payload, length)) + payload


def frames(payloads: Iterable[bytes]) -> bytes:
    """The payloads one after another, each as `frame` has it."""
    pack, checksum = FRAME.pack, zlib.crc32
    parts: list[bytes] = []
    for payload in payloads:
        length = len(payload)
        parts += (pack(length, checksum(payload, length)), payload)
    return b"".join(parts)


def link(head: bytes) -> bytes:
    """A chain's head as it stands behind the group that it covers."""
    return FRAME.pack(_LINK_LENGTH, zlib.crc32(head, _LINK_LENGTH)) + head


def preamble(header: Header) -> bytes:
    """The first bytes of a segment."""
    return MAGIC + frame(msgspec.msgpack.encode(header))


def scan(content: bytes, start: int = 0, limit: int | None = None) -> tuple[list[bytes], int]:
    """The payloads of all whole frames from `start` (at most `limit`), and the offset after the last frame or link.

    >>> scan(frame(b"one") + link(bytes(32)) + frame(b"two")[:-1])
    ([b'one'], 51)
    """
    payloads, end = _records(content, start, limit)
    while (limit is None or len(payloads) < limit) and _head(content, end) is not None:
        more, end = _records(content, end + LINK_BYTES, None if limit is None else limit - len(payloads))
        payloads += more
    return payloads, end


def scan_linked(content: bytes, start: int) -> tuple[list[bytes], list[Link], int]:
    """The payloads that a link covers, the links, and the offset after the last of them.

    >>> payloads, links, end = scan_linked(frame(b"one") + link(bytes(32)) + frame(b"two"), 0)
    >>> payloads, [(link.records, link.starts, link.ends) for link in links], end
    ([b'one'], [(1, 0, 11)], 51)
    """
    payloads: list[bytes] = []
    links: list[Link] = []
    while True:
        group, end = _records(content, start, None)
        head = _head(content, end)
        if head is None:
            return payloads, links, start
        payloads += group
        links.append(Link(len(payloads), start, end, head))
        start = end + LINK_BYTES


def torn(content: bytes, end: int) -> bytes:
    """Bytes after the last frame or link, without the zeros of room that its writer had reserved.

    >>> torn(frame(b"one") + b"half" + bytes(100), 11)
    b'half'
    """
    return content[end:].rstrip(b"\0")


def next_link(content: bytes, start: int = 0) -> int | None:
    """Start of the first whole link from `start` on: a group was completed there, whatever stands before it."""
    at = content.find(_LINK_START, start)
    while at >= 0:
        if _head(content, at) is not None:
            return at
        at = content.find(_LINK_START, at + 1)
    return None


def is_tear(content: bytes, start: int, durability: Durability, offset: int = 0) -> bool:
    """Whether what cannot be read from `start` on looks as a power cut leaves it; `offset` is where `content` begins.

    Some of the disk's sectors were written and others not, and those read as zeros. `committed` syncs every group
    before the next is written, so only its last one can be torn; `buffered` may lose some of any since the last sync.

    >>> torn = frame(b"lost")[:4] + bytes(600) + link(bytes(32))
    >>> is_tear(torn, 0, "committed"), is_tear(torn + frame(b"next"), 0, "committed"), is_tear(torn, 0, "buffered")
    (True, False, True)
    >>> is_tear(b"flipped" + link(bytes(32)), 0, "committed")
    False
    """
    resume = next_link(content, start)
    if resume is None:
        return True
    if durability == "committed" and content[resume + LINK_BYTES :].rstrip(b"\0"):
        return False
    first = (offset + start) // SECTOR_BYTES * SECTOR_BYTES - offset
    return any(
        not content[max(begins, start) : min(begins + SECTOR_BYTES, resume)].strip(b"\0")
        for begins in range(first, resume, SECTOR_BYTES)
    )


def claimed_bytes(content: bytes) -> int:
    """Bytes that the first frame says it has; 0 when it is no record, or when too little is there to say.

    >>> claimed_bytes(frame(b"one")[:9])
    11
    """
    if len(content) < FRAME.size:
        return 0
    length, _ = FRAME.unpack_from(content)
    return FRAME.size + int(length) if 0 < length <= MAX_PAYLOAD_BYTES else 0


def read_header(content: bytes, name: str) -> tuple[Header, int] | None:
    """The header and where the records start; None when it is damaged, Invalid when its version is not known here."""
    if content[: len(MAGIC)] not in (MAGIC, UNCHAINED):
        if content[: len(MAGIC) - 1] == MAGIC[:-1] and len(content) >= len(MAGIC):
            raise Invalid(
                f"segment {name} has format {content[len(MAGIC) - 1]}, this Windvane reads up to {MAGIC[-1]}: update it"
            )
        return None
    payloads, end = scan(content, len(MAGIC), limit=1)
    if not payloads:
        return None
    try:
        return _HEADER.decode(payloads[0]), end
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Invalid(f"segment {name} has a header this Windvane cannot read: {error}; update it") from error


def is_chained(content: bytes) -> bool:
    """Whether the segment's groups end with links; format 1 had none."""
    return content[: len(MAGIC)] == MAGIC


def _records(content: bytes, start: int, limit: int | None) -> tuple[list[bytes], int]:
    """The payloads up to a link, a bad frame, the limit or the end."""
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


def _head(content: bytes, start: int) -> bytes | None:
    """The head in the link that starts there, or None."""
    head = content[start + FRAME.size : start + LINK_BYTES]
    if len(head) < HEAD_BYTES or FRAME.unpack_from(content, start) != (_LINK_LENGTH, zlib.crc32(head, _LINK_LENGTH)):
        return None
    return head


def live_path(root: Path, name: str) -> Path:
    """Path of the segment of that name while it is written."""
    return root / "live" / f"{name}.seg"


def live_names(root: Path) -> list[str]:
    """Segments not sealed yet, by writer and then oldest first; empty when the log was never written."""
    return sorted(path.stem for path in (root / "live").glob("*.seg"))


def sealed_path(root: Path, dataset: str, name: str) -> Path:
    """Path of a sealed segment's records of one kind."""
    return root / "sealed" / dataset / f"{name}.parquet"
