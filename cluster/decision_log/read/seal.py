"""Seals a segment: its first bytes, the head of its chain and the Merkle root over its records.

It lies in the metadata of each of the segment's Parquet files, as JSON under `windvane.seal`.
"""

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from windvane.cluster.decision_log.read import merkle
from windvane.cluster.decision_log.read.columns import SegmentProof
from windvane.cluster.decision_log.write import chain
from windvane.cluster.decision_log.write.segment import is_chained, scan, scan_linked
from windvane.cluster.errors import Invalid

SEAL = b"windvane.seal"
MARK = b"windvane.segment"  # the segment's header, in the same metadata


class Seal(msgspec.Struct, frozen=True):
    """Everything that is known of a whole segment."""

    segment: str
    preamble: bytes  # with its header, as it was written
    records: int
    root: bytes
    head: bytes | None  # None: written in format 1, before there was a chain


def leaf_prefixes(leaves: Sequence[bytes]) -> NDArray[np.uint64]:
    """The first eight bytes of each leaf: kept beside the rows they say which one was changed; the root convicts."""
    return np.frombuffer(b"".join(leaves), ">u8")[::4].astype(np.uint64)


def sealed(name: str, content: bytes, start: int) -> tuple[list[bytes], SegmentProof, Seal, int]:
    """The records from `start` that the chain covers, with their proof, and where they end; Invalid when it breaks."""
    first = content[:start]
    if is_chained(content):
        payloads, links, end = scan_linked(content, start)
        head = chain.begin(first)
        if chain.breaks(head, content, links):
            raise Invalid("its chain does not hold: records were changed; run `windvane audit verify`")
        heads = {link.records - 1: link.head for link in links}
        last = links[-1].head if links else head
        seal = Seal(name, first, len(payloads), b"", last)
    else:
        payloads, end = scan(content, start)
        heads, seal = {}, Seal(name, first, len(payloads), b"", None)
    leaves = merkle.leaves(payloads)
    return (
        payloads,
        SegmentProof(heads, leaf_prefixes(leaves)),
        msgspec.structs.replace(seal, root=merkle.root(leaves)),
        end,
    )
