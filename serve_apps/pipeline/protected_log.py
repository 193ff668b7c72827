"""The decision log behind the vault: nothing personal goes on unencrypted."""

import asyncio

from windvane.cluster.decision_log.record import Decision, Record
from windvane.cluster.decision_log.vault.personal import Protection
from windvane.serve_apps.pipeline.ports import GroupLog


class ProtectedLog:
    """Keeps a group's decisions until their commit, which encrypts them together: subjects are looked up in one go."""

    def __init__(self, log: GroupLog, protection: Protection) -> None:
        self._log = log
        self._protection = protection
        self._group: list[Decision] = []

    def append(self, record: Record) -> None:
        """Take the record into the group of this turn; decisions go on with their commit."""
        if isinstance(record, Decision):
            self._group.append(record)
        else:
            self._log.append(record)

    def commit(self, *, alone: bool = False) -> "asyncio.Future[None]":
        """Done when what was appended is durable; Unavailable when it is not, or when the vault does not answer."""
        group, self._group = self._group, []
        if group:
            self._log.extend(self._protection.protect_all(group))
        return self._log.commit(alone=alone)

    def demand_writable(self) -> None:
        """Raise Unavailable while nothing can be written."""
        self._log.demand_writable()
