"""Group of records that one turn of the event loop appended to the log, and who waits for it."""

import asyncio
from dataclasses import dataclass, field

from windvane.cluster.errors import Unavailable


@dataclass(slots=True)
class Group:
    """Frames that go to the disk together, all or none."""

    frames: bytearray = field(default_factory=bytearray)
    records: int = 0
    waiting: list[asyncio.Future[None]] = field(default_factory=list)


def answer(future: asyncio.Future[None], refusal: str | None) -> None:
    """Tell who waits that the group is kept, or why it is refused; nobody may wait any more."""
    if future.done():  # its caller went away
        return
    if refusal is None:
        future.set_result(None)
    else:
        future.set_exception(Unavailable(refusal))
