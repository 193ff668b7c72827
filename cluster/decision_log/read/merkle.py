"""Merkle trees over a sealed segment's records, as in RFC 6962 section 2.1 (and RFC 9162 section 2.1).

A leaf is SHA-256(0x00, record), a node SHA-256(0x01, left, right): a node can never be passed off as a record. Of n
leaves the left subtree holds the largest power of two below n, which is what pairing level by level gives when a node
without a partner goes up as it is. A proof for one record has at most ceil(log2 n) hashes.
"""

from collections.abc import Iterable, Sequence
from hashlib import sha256

EMPTY = sha256(b"").digest()  # the root of no records


def leaf(record: bytes) -> bytes:
    """The leaf's hash."""
    return sha256(b"\x00" + record).digest()


def leaves(records: Iterable[bytes]) -> list[bytes]:
    """The leaf of every record, in order."""
    return [sha256(b"\x00" + record).digest() for record in records]


def root(leaves: Sequence[bytes]) -> bytes:
    """The root over the leaves.

    >>> root([leaf(b"")]).hex()[:16], root([]).hex()[:16]
    ('6e340b9cffb37a98', 'e3b0c44298fc1c14')
    """
    level = list(leaves) or [EMPTY]
    while len(level) > 1:
        level = _above(level)
    return level[0]


def path(leaves: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """The hashes that lead from the leaf at `index` to the root, lowest first; raises IndexError beyond the leaves."""
    if not 0 <= index < len(leaves):
        raise IndexError(f"there is no leaf {index} among {len(leaves)}")
    level, found = list(leaves), []
    while len(level) > 1:
        if index ^ 1 < len(level):
            found.append(level[index ^ 1])
        level, index = _above(level), index // 2
    return tuple(found)


def climb(leaf: bytes, index: int, count: int, path: Sequence[bytes]) -> bytes | None:
    """The root that the path leads to from the leaf at `index` of `count`; None when it is not such a path.

    RFC 9162 section 2.1.3.2.
    """
    if not 0 <= index < count:
        return None
    last, found, rest = count - 1, leaf, list(path)
    while last:
        if index % 2 or index < last:
            if not rest:
                return None
            other = rest.pop(0)
            found = _node(other, found) if index % 2 else _node(found, other)
        index, last = index // 2, last // 2
    return None if rest else found


def _node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def _above(level: list[bytes]) -> list[bytes]:
    above = [sha256(b"\x01" + left + right).digest() for left, right in zip(level[::2], level[1::2], strict=False)]
    return above + level[-1:] if len(level) % 2 else above
