"""A replica's line to the Ray actor that monitors its model."""

import asyncio
from typing import Any

import ray
from ray.exceptions import RayError

from windvane.cluster.errors import Unavailable
from windvane.monitoring.ray_monitor import actor_name


class RayMonitorLine:
    """Looks the actor up by name, again after it was lost."""

    def __init__(self, model: str, replica: str, namespace: str) -> None:
        self._name = actor_name(model)
        self._namespace = namespace
        self._replica = replica
        self._handle: Any = None

    async def ship(self, payload: bytes) -> None:
        """Deliver one shipment; raises Unavailable when the monitor is gone."""
        try:
            if self._handle is None:  # the look-up blocks
                self._handle = await asyncio.to_thread(ray.get_actor, self._name, self._namespace)
            await self._handle.ship.remote(self._replica, payload)
        except (RayError, ValueError) as error:
            self._handle = None
            raise Unavailable(f"{self._name} does not answer ({type(error).__name__})") from error
