"""Ports that take decisions besides the caller: the decision log, and what the monitors count."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from windvane.cluster.decision_log.record import Record
from windvane.cluster.encoding import Rows
from windvane.monitoring.counts.arm_key import ArmKey


class Log(Protocol):
    """The decision log; append and commit without an await between them."""

    def append(self, record: Record) -> None:
        """Take the record into the group of this turn; raises Unavailable when the disk is too far behind."""

    def commit(self, *, alone: bool = False) -> "asyncio.Future[None]":
        """Done when what was appended is durable; Unavailable when it is not. What is only appended follows too.

        `alone` says that nobody else waits for the loop: then it may be held up for a moment.
        """

    def demand_writable(self) -> None:
        """Raise Unavailable while nothing can be written: then every decision would be refused."""


class GroupLog(Log, Protocol):
    """One that takes a group at once."""

    def extend(self, records: Sequence[Record]) -> None:
        """Take the records into the group of this turn, all or none; raises Unavailable as `append` does."""


class Counts(Protocol):
    """Adds up what the monitors need, per micro-batch."""

    def add(
        self,
        key: ArmKey,
        rows: Rows,
        scores: NDArray[np.float64],
        event_times: Sequence[float],
        actions: Sequence[str],
        latencies_ms: Sequence[float],
    ) -> None:
        """Count answered decisions: encoded rows, scores, event times in Unix seconds, arrival to reply."""

    def error(self, key: ArmKey, n: int = 1) -> None:
        """Count requests that this version failed to answer."""

    def shadow(self, version: int, revision: int, scores: NDArray[np.float64]) -> None:
        """Count scores of a version that did not answer."""

    def dropped(self, version: int, n: int = 1) -> None:
        """Count shadow rows that were not scored, or whose score was not logged."""

    def denied(self, category: str, n: int = 1) -> None:
        """Count decisions that policy denied, by `Verdict.category`."""
