"""Who waits on this cluster, asked of Ray and of Serve."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import ray
from ray.util.placement_group import placement_group_table

from cluster.waiting import Demand, Wait, groups_to_come, held, jobs_to_come, replicas_to_come, waits


class RayWaits:
    """Remembers what it saw last; `look` blocks and raises Unavailable, `seen` never does."""

    def __init__(
        self, applications: Callable[[], dict[str, dict[str, Any]]], jobs: Callable[[], list[dict[str, Any]]]
    ) -> None:
        """`applications` are Serve's details of each, `jobs` Ray's."""
        self._applications, self._jobs = applications, jobs
        self.seen: tuple[Wait, ...] = ()

    def look(self) -> None:
        """See who waits now."""
        applications = self._applications()
        demands: list[Demand] = [
            *replicas_to_come(applications),
            *jobs_to_come(self._jobs()),
            *groups_to_come(placement_group_table().values()),
        ]
        free = ray.available_resources().get("CPU", 0.0) if demands else 0.0
        total = ray.cluster_resources().get("CPU", 0.0) if demands else 0.0
        self.seen = waits(demands, free, total, held(applications), self.seen, datetime.now(UTC))
