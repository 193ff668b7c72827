"""Control's metrics on Ray's own endpoint too, so that one scrape of the cluster has processes and decisions."""

from collections.abc import Sequence
from threading import Lock
from typing import Any

from prometheus_client.metrics_core import Metric
from ray.util.metrics import Counter, Gauge

from windvane.monitoring.metrics import ModelState, families


class RayMetrics:
    """Names, labels and help texts are those of `windvane.monitoring.metrics`; Ray puts `ray_` before the names.

    Any thread may tell.
    """

    def __init__(self) -> None:
        self._made: dict[str, Any] = {}
        self._lock = Lock()
        self._told: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}

    def tell(self, states: Sequence[ModelState]) -> None:
        """Set every gauge, add to every counter what came since the last time."""
        with self._lock:
            for family in families(states):
                for sample in family.samples:
                    self._tell(family, sample.labels, sample.value)

    def _tell(self, family: Metric, labels: dict[str, str], value: float) -> None:
        if family.name not in self._made:
            make = Counter if family.type == "counter" else Gauge
            self._made[family.name] = make(family.name, family.documentation, tag_keys=tuple(labels))
        if family.type != "counter":
            self._made[family.name].set(value, tags=labels)
            return
        key = (family.name, tuple(sorted(labels.items())))
        came = value - self._told.get(key, 0.0)
        self._told[key] = value
        if came > 0.0:
            self._made[family.name].inc(came, tags=labels)
