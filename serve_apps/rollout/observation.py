"""Looks once at replicas and evidence; whoever does not answer vouches for nothing."""

from collections.abc import Mapping
from datetime import UTC, datetime

from windvane.cluster.errors import Unavailable
from windvane.monitoring.evidence import Evidence
from windvane.serve_apps.rollout.demanded_split import split_of
from windvane.serve_apps.rollout.ports import EvidencePort, ReplicaReport, SwitchboardPort, loading
from windvane.serve_apps.rollout.rollout_record import Rollout


class Sight:
    """Asks switchboard and monitor, and turns their silence into a reason to wait."""

    def __init__(self, switchboard: SwitchboardPort, evidence: EvidencePort) -> None:
        self._switchboard = switchboard
        self._evidence = evidence

    def waiting(self, rollout: Rollout, pins: tuple[int, ...]) -> str | None:
        """Reason why the rollout's split is not in force yet, or None."""
        return loading(split_of(rollout, pins), self._reports(rollout.model))

    def in_force_since(self, rollout: Rollout, now: datetime) -> datetime | None:
        """Time at which the last replica said that it has the final split in force; replicas say so at once."""
        reports = self._reports(rollout.model).values()
        if not reports or any(report.in_force < rollout.revision for report in reports):
            return None
        said = datetime.fromtimestamp(max(report.seen_at for report in reports), UTC)
        return max(rollout.entered_at, min(said, now))

    def evidence(self, rollout: Rollout) -> tuple[Evidence | None, str]:
        """Evidence of the split that the record demands, paired parts since it began; else why there is none."""
        since = rollout.started_at.timestamp()
        try:
            seen = self._evidence.evidence(rollout.model, rollout.revision, rollout.champion, rollout.candidate, since)
        except Unavailable as error:
            return None, f"the monitor does not answer ({error})"
        return seen, ""

    def _reports(self, model: str) -> Mapping[str, ReplicaReport]:
        try:
            return self._switchboard.in_force(model)
        except Unavailable:
            return {}  # nobody vouches for the replicas: the phase waits
