"""Result of inspecting one segment: what it holds now, and what in it is not what was written."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from windvane.cluster.decision_log.audit.fault import Fault, Kind, decision_of
from windvane.cluster.decision_log.read import merkle
from windvane.cluster.decision_log.write.segment import Header


@dataclass(frozen=True, slots=True)
class Tear:
    """Place where a live segment stops to be readable in a way that a power cut may leave."""

    records: int  # before it
    faults: int  # noted before it
    bytes: int  # from there on


@dataclass(slots=True)
class Inspected:
    """A segment's records as they stand now; `heads` are the chain's by how many records lie before them."""

    place: str  # <log>/<segment>
    header: Header | None = None
    records: int = 0
    root: bytes = merkle.EMPTY
    heads: dict[int, bytes] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    unlinked_bytes: int = 0  # after the last group, in a live segment
    ends: int = 0  # bytes of the segment up to its last group, as it was written
    tear: Tear | None = None  # where a power cut may explain what is wrong from there on

    def fault(self, kind: Kind, detail: str, position: int | None = None, payload: bytes | None = None) -> None:
        """Note one."""
        self.faults.append(Fault(kind, self.place, detail, position, decision_of(payload)))

    def without_tear(self) -> "Inspected":
        """The segment up to its tear: what follows was never promised to survive a power cut."""
        if self.tear is None:
            return self
        heads = {records: head for records, head in self.heads.items() if records <= self.tear.records}
        faults, lost = self.faults[: self.tear.faults], self.tear.bytes
        return replace(self, records=self.tear.records, heads=heads, faults=faults, unlinked_bytes=lost, tear=None)

    def fault_of_group(self, first: int, payloads: Sequence[bytes]) -> None:
        """Note that the group which starts at position `first` breaks the chain."""
        names = ", ".join(name for payload in payloads if (name := decision_of(payload)))
        what = f"records {first} to {first + len(payloads) - 1} ({names}) do" if len(payloads) > 1 else "it does"
        self.fault(
            "changed",
            f"{what} not follow in the chain: changed, moved or put in, or the ones before were dropped",
            first,
            payloads[0] if payloads else None,
        )
