"""The port to what records need to be readable, which is written ahead of them."""

from collections.abc import Callable
from typing import Protocol, TypeAlias

Sync: TypeAlias = Callable[[], None]


class WriteAhead(Protocol):
    """Keeps what records refer to; a vault keeps the keys of their subjects."""

    def is_due(self) -> bool:
        """Whether `flush` has anything to do; asked on the event loop."""

    def flush(self) -> Sync | None:
        """Write it, in the writer's thread ahead of every write of records, and return what syncs it, if anything does.

        The log is synced meanwhile: two syncs at once take hardly longer than one. When either raises, the records are
        refused.
        """


class NothingAhead:
    """Of records that can be read by themselves."""

    def is_due(self) -> bool:
        """Never."""
        return False

    def flush(self) -> Sync | None:
        """Do nothing."""
        return None


NOTHING_AHEAD = NothingAhead()
