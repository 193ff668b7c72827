"""Ports of a rollout: one spreads splits, one counts."""

from collections.abc import Collection, Mapping
from typing import Protocol

from windvane.cluster.errors import Conflict
from windvane.monitoring.evidence import Evidence
from windvane.serve_apps.traffic.router import Split


class ReplicaReport(Protocol):
    """One Gateway replica's last report about itself."""

    @property
    def in_force(self) -> int:
        """The revision of the split it answers by."""

    @property
    def loaded(self) -> Collection[int]:
        """The versions it holds in memory."""

    @property
    def seen_at(self) -> float:
        """Time of the report, Unix seconds."""

    @property
    def trouble(self) -> str:
        """Reason why a newer split is not in force there yet; empty when nothing is wrong."""


class Displaced(Conflict):
    """Replicas were told of another split; `revision` is that one's, as high as the published one's or higher."""

    def __init__(self, detail: str, revision: int) -> None:
        super().__init__(detail)
        self.revision = revision


class SwitchboardPort(Protocol):
    """Brings splits to the replicas; both calls may raise Unavailable."""

    def publish(self, split: Split) -> None:
        """Make it known, which changes nothing when it is; raises Displaced when replicas go by another one."""

    def in_force(self, model: str) -> Mapping[str, ReplicaReport]:
        """The newest report of every living replica, by replica."""


class EvidencePort(Protocol):
    """Counts what the versions did; may raise Unavailable."""

    def evidence(self, model: str, revision: int, champion: int, candidate: int, since: float) -> Evidence:
        """Arms of that revision; paired parts over decisions answered since (Unix seconds)."""


def loading(split: Split, reports: Mapping[str, ReplicaReport]) -> str | None:
    """Reason why the split is not in force yet, or None when every replica has it and its versions.

    >>> loading(Split("m", 1, "s", ()), {})
    'no replica reports; is the model deployed?'
    """
    if not reports:
        return "no replica reports; is the model deployed?"
    needed = split.versions()
    behind = [
        report
        for report in reports.values()
        if report.in_force < split.revision or not needed <= frozenset(report.loaded)
    ]
    if not behind:
        return None
    troubles = sorted({report.trouble for report in behind if report.trouble})
    return f"loading on {len(behind)} of {len(reports)} replicas" + (f" ({'; '.join(troubles)})" if troubles else "")
