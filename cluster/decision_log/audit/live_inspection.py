"""A live segment looked at record by record."""

from collections.abc import Sequence

from windvane.cluster.decision_log.audit.inspected import Inspected, Tear
from windvane.cluster.decision_log.read import merkle
from windvane.cluster.decision_log.write import chain
from windvane.cluster.decision_log.write.segment import (
    FRAME,
    LINK_BYTES,
    Durability,
    Link,
    claimed_bytes,
    frame,
    is_chained,
    is_tear,
    next_link,
    read_header,
    scan,
    scan_linked,
    torn,
)
from windvane.cluster.errors import Invalid


def inspect_live(log: str, name: str, content: bytes) -> Inspected:
    """A segment's file; damage in its middle is passed over to the next link, so that what follows is looked at too."""
    found = Inspected(f"{log}/{name}")
    try:
        header = read_header(content, name)
    except Invalid as error:
        found.fault("damaged", str(error))
        return found
    if header is None:
        found.fault("damaged", "its header cannot be read")
        return found
    found.header, start = header
    if not is_chained(content):
        payloads, end = scan(content, start)
    else:
        payloads, end = _linked(found, content, start, found.header.durability)
    found.records, found.root = len(payloads), merkle.root(merkle.leaves(payloads))
    found.unlinked_bytes, found.ends = len(torn(content, end)), end
    return found


def _linked(found: Inspected, content: bytes, start: int, durability: Durability) -> tuple[list[bytes], int]:
    payloads: list[bytes] = []
    head = found.heads[0] = chain.begin(content[:start])
    while True:
        more, links, end = scan_linked(content, start)
        _note_breaks(found, head, content, links, payloads, more)
        payloads += more
        resume = next_link(content, end)
        if resume is None:
            return payloads, end
        if found.tear is None and not found.faults and is_tear(content, end, durability):
            found.tear = Tear(len(payloads), len(found.faults), len(torn(content, end)))
        head = links[-1].head if links else head
        payloads += _damaged(found, content, end, resume, len(payloads))
        start, head = resume + LINK_BYTES, content[resume + LINK_BYTES - len(head) : resume + LINK_BYTES]
        found.heads.setdefault(len(payloads), head)  # where nothing could be read between, the former one counts


def _note_breaks(
    found: Inspected, head: bytes, content: bytes, links: Sequence[Link], before: list[bytes], group: list[bytes]
) -> None:
    broken = set(chain.breaks(head, content, links))
    first = 0
    for place, link in enumerate(links):
        if place in broken:
            found.fault_of_group(len(before) + first, group[first : link.records])
        first = link.records
        found.heads[len(before) + first] = link.head


def _damaged(found: Inspected, content: bytes, start: int, end: int, position: int) -> list[bytes]:
    """The records of [start, end), which has bad frames, taken by their lengths; notes every bad one."""
    payloads: list[bytes] = []
    while start < end:
        size = claimed_bytes(content[start : start + FRAME.size])
        payload = content[start + FRAME.size : start + size] if size <= end - start else b""
        place = position + len(payloads)
        if payload:
            if content[start : start + size] != frame(payload):
                found.fault("damaged", f"its checksum fails at byte {start}", place, payload)
            payloads.append(payload)
            start += size
            continue
        found.fault("damaged", f"neither a record nor a link can be read at byte {start}", place)
        if scan(content, start + LINK_BYTES, 1)[1] == start + LINK_BYTES:
            break  # it was no link either: how many records are gone cannot be told
        start += LINK_BYTES
    return payloads
