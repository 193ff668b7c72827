"""Tells a Windvane that is down from one that runs, or of which a process was left behind."""

from windvane.cluster.decision_log.write.live import claim
from windvane.cluster.decision_log.write.segment import live_names, live_path
from windvane.cluster.errors import Conflict
from windvane.cluster.runtime import addresses
from windvane.configs.settings import Settings


def demand_idle(settings: Settings) -> None:
    """Raise Conflict while this Windvane runs, or a process of it still writes to its log.

    A cluster that was attached to runs on when its Windvane is down: there, only who writes says so.
    """
    if settings.ray_address is None and addresses.dashboard_url(settings) is not None:
        raise Conflict("Windvane is running: `windvane down` first")
    for log in sorted(path for path in settings.log.glob("*") if path.is_dir()):
        for name in live_names(log):
            path = live_path(log, name)
            with claim(path) as descriptor:
                if descriptor is None and path.exists():
                    raise Conflict(f"A process still writes to {path}: `windvane down` first, and end what is left")
