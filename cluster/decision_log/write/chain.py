"""The chain of one writer's records: every head covers the segment's header and every frame before it, in their order.

    head of a segment without records   SHA-256(0x02, preamble)
    head after a group                  SHA-256(0x03, head before, the group's frames)

A frame says how long it is, so no two lists of records give the same bytes. The preamble names the segment before and
the head that one ended with, which makes one chain of all segments of a writer. One hash is taken per group that is
written together, in the writer's thread; the event loop takes none.

The chain needs no key, so whoever can write the log can also write a chain anew from any place on. What holds it in
place is the next signed checkpoint (`checkpoint.py`): a head that was vouched for cannot be written anew unseen.
"""

from collections.abc import Sequence
from hashlib import sha256

from windvane.cluster.decision_log.write.segment import Link

_BEGIN, _EXTEND = b"\x02", b"\x03"  # a Merkle tree's hashes start with 0x00 and 0x01


def begin(preamble: bytes) -> bytes:
    """The head of a segment that holds no record yet."""
    return sha256(_BEGIN + preamble).digest()


def extend(head: bytes, frames: bytes | memoryview) -> bytes:
    """The head after one more group.

    >>> extend(bytes(32), b"ab") == extend(extend(bytes(32), b"a"), b"b")
    False
    """
    hashed = sha256(_EXTEND + head)
    hashed.update(frames)
    return hashed.digest()


def breaks(head: bytes, content: bytes, links: Sequence[Link]) -> list[int]:
    """Places of links that do not follow from what precedes them; `head` precedes the first.

    Each link is held against the one that is written before it, so that every changed group is found and not only the
    first.
    """
    view = memoryview(content)
    broken: list[int] = []
    for place, link in enumerate(links):
        if extend(head, view[link.starts : link.ends]) != link.head:
            broken.append(place)
        head = link.head
    return broken
