"""MessagePack read in many records at once: one step of numpy for each field, not one of Python for each value.

A cursor is one record and the place where its reader stands. A cursor leaves when its next value is not the one that
it is held against, or is written in a way that is not looked at here. So those that are still there at the end are
proven; of those that left nothing is known, and they are to be read one by one.
Bytes mean what https://github.com/msgpack/msgpack/blob/master/spec.md says.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

Places: TypeAlias = NDArray[np.int64]
Mask: TypeAlias = NDArray[np.bool_]
Agreed: TypeAlias = tuple[Mask, Any]  # whether each value is the one, and how many bytes it has: int64 or one for all

NIL, FALSE, TRUE, FLOAT64 = 0xC0, 0xC2, 0xC3, 0xCB
INTEGERS = {0xCC: ">u1", 0xCD: ">u2", 0xCE: ">u4", 0xCF: ">u8", 0xD0: ">i1", 0xD1: ">i2", 0xD2: ">i4", 0xD3: ">i8"}
BYTES = {0xC4: ">u1", 0xC5: ">u2"}
_LENGTHS = {0xD9: ">u1", 0xDA: ">u2", **BYTES}  # of text and bytes that say how long they are behind their tag
_PADDING = 16  # bytes behind the last record, so that a value's head may be read before it is known to be whole


class Values(Protocol):
    """Values that cursors are held against; `places` says which of them each cursor's next one has to be."""

    def agree(self, cursors: "RecordCursors", tag: int, at: Places, ends: Places, places: Places, /) -> Agreed:
        """Of the cursors that stand at `at` before a value with this tag, and whose records end at `ends`."""


class RecordCursors:
    """Reads all records side by side; starts with every record, `rows` are those that are left."""

    def __init__(self, records: Sequence[bytes]) -> None:
        self._bytes = np.frombuffer(b"".join((*records, bytes(_PADDING))), np.uint8)
        self._ends = np.cumsum(np.fromiter(map(len, records), np.int64, len(records)))
        self._at = np.concatenate([np.zeros(1, np.int64), self._ends[:-1]]) if len(records) else self._ends.copy()
        self.rows: Places = np.arange(len(records))

    @property
    def at(self) -> Places:
        """Where each cursor's next value begins."""
        return self._at

    def tags(self) -> NDArray[np.uint8]:
        """The first byte of each cursor's next value; somebody else's where a record is over already."""
        return self._bytes[self._at]

    def content(self, start: int, end: int) -> bytes:
        """These bytes of all records."""
        return self._bytes[start:end].tobytes()

    def read(self, kind: str, at: Places) -> NDArray[Any]:
        """One value of this numpy type at each place, which has to lie within what was joined and its padding."""
        return of_kind(self._bytes, kind)[at]

    def keep(self, good: Mask) -> None:
        """Let the others leave."""
        if not good.all():
            self.rows, self._at, self._ends = self.rows[good], self._at[good], self._ends[good]

    def constant(self, content: bytes) -> None:
        """Go on over exactly these bytes."""
        self.keep(self._at + len(content) <= self._ends)
        if len(self.rows):
            self.keep(
                same(of_kind(self._bytes, f"V{len(content)}")[self._at], np.frombuffer(content, f"V{len(content)}"))
            )
        self._at = self._at + len(content)

    def hold(self, values: Values, places: Places | None = None, taking: Mask | None = None) -> None:
        """Go on over a value that has to be the one at its place, which is the cursor's row where nothing else is said.

        With `taking` only those cursors go on.
        """
        chosen: Any = slice(None) if taking is None or taking.all() else np.flatnonzero(taking)
        at, ends, wanted = self._at[chosen], self._ends[chosen], (self.rows if places is None else places)[chosen]
        tags = self._bytes[at]
        good, sizes = at < ends, np.zeros(len(at), np.int64)
        for tag, which in _by_tag(tags):
            agreed, sizes[which] = values.agree(self, tag, at[which], ends[which], wanted[which])
            good[which] &= agreed
        everybody = np.ones(len(self.rows), np.bool_)
        everybody[chosen] = good
        self._at = self._at.copy()
        self._at[chosen] += sizes
        self.keep(everybody)

    def enter(self, small: int, large: int, counts: NDArray[Any], nulls: Mask | None = None) -> None:
        """Go on over the head of an array or a map that has to have as many members as `counts` says of its row.

        `small` and `large` are its tags; `nulls` are the rows whose value has to be nil instead.
        """
        tags = self.tags()
        short, long = (tags & 0xF0) == small, tags == large
        found = np.where(short, tags & 0x0F, self.read(">u2", self._at + 1))
        good = (short | long) & (found == counts[self.rows])
        sizes = np.where(long, 3, 1)
        if nulls is not None:
            good = np.where(nulls[self.rows], tags == NIL, good)
            sizes = np.where(nulls[self.rows], 1, sizes)
        self._at = self._at + sizes
        self.keep(good & (self._at <= self._ends))

    def leave(self) -> Places:
        """The rows whose record ends here."""
        self.keep(self._at == self._ends)
        return self.rows


def text_length(cursors: RecordCursors, tag: int, at: Places) -> tuple[int, Any] | None:
    """How many bytes the head of a text or of bytes has, and how many follow; None for any other value."""
    if 0xA0 <= tag <= 0xBF:
        return 1, tag & 0x1F
    if tag in _LENGTHS:
        kind = np.dtype(_LENGTHS[tag])
        return 1 + kind.itemsize, cursors.read(kind.str, at + 1).astype(np.int64)
    return None


class Anything:
    """Any scalar: cursors go on over it."""

    def agree(self, cursors: RecordCursors, tag: int, at: Places, ends: Places, _: Places) -> Agreed:
        """See `Values`."""
        length = text_length(cursors, tag, at)
        if length is not None:
            size: Any = length[0] + length[1]
        elif tag <= 0x7F or tag >= 0xE0 or tag in (NIL, FALSE, TRUE):
            size = 1
        elif tag == FLOAT64 or tag in INTEGERS:
            size = 9 if tag == FLOAT64 else 1 + np.dtype(INTEGERS[tag]).itemsize
        else:
            return np.zeros(len(at), np.bool_), 0
        return at + size <= ends, size


def of_kind(content: NDArray[np.uint8], kind: str) -> NDArray[Any]:
    """The content as overlapping values of this numpy type, one from every byte on."""
    size = np.dtype(kind).itemsize
    return np.ndarray((max(0, len(content) - size + 1),), kind, content, strides=(1,))


def same(some: NDArray[Any], others: NDArray[Any]) -> Mask:
    """Which of these void values have the same bytes as the others, or as the one other."""
    size = some.dtype.itemsize
    if len(some) == len(others) and some.tobytes() == others.tobytes():
        return np.ones(len(some), np.bool_)
    one, other = (np.frombuffer(each.tobytes(), np.uint8).reshape(len(each), size) for each in (some, others))
    return np.asarray((one == other).all(axis=1))


def _by_tag(tags: NDArray[np.uint8]) -> Iterator[tuple[int, Any]]:
    """Every tag, and the cursors that stand before it."""
    counted = np.bincount(tags, minlength=256)
    for tag in np.flatnonzero(counted).tolist():
        yield tag, slice(None) if counted[tag] == len(tags) else np.flatnonzero(tags == tag)
