"""Asks Ray and Serve for what waits on this cluster."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import ray
from ray.util.placement_group import placement_group_table

from windvane.cluster.host.machine import memory_free
from windvane.cluster.host.preconditions import MODEL_MEMORY
from windvane.cluster.runtime.waiting import (
    Demand,
    Wait,
    groups_to_come,
    held,
    jobs_to_come,
    replicas_to_come,
    short_of_memory,
    waits,
)


class RayWaits:
    """Remembers what it saw last; `look` blocks and raises Unavailable, `seen` never does."""

    def __init__(
        self,
        applications: Callable[[], dict[str, dict[str, Any]]],
        jobs: Callable[[], list[dict[str, Any]]],
        local: bool,
    ) -> None:
        """`applications` are Serve's details of each, `jobs` Ray's; `local` where replicas run on this machine."""
        self._applications, self._jobs, self._local = applications, jobs, local
        self.seen: tuple[Wait, ...] = ()

    def look(self) -> None:
        """See who waits now."""
        applications, now = self._applications(), datetime.now(UTC)
        demands: list[Demand] = [
            *replicas_to_come(applications),
            *jobs_to_come(self._jobs()),
            *groups_to_come(placement_group_table().values()),
        ]
        free = ray.available_resources().get("CPU", 0.0) if demands else 0.0
        total = ray.cluster_resources().get("CPU", 0.0) if demands else 0.0
        found = waits(demands, free, total, held(applications), self.seen, now)
        short = short_of_memory(memory_free(), MODEL_MEMORY) if self._local else ""
        self.seen = (*found, Wait(None, short, now)) if short else found
