"""A replica's lines to the Ray actors of its Windvane."""

from functools import partial

from windvane.serve_apps.sync.ray_shipping import RayMonitorLine
from windvane.serve_apps.sync.ray_switchboard import RayTopicLine
from windvane.serve_apps.sync.replica_lines import ReplicaLines


def ray_lines(model: str, replica: str, namespace: str) -> ReplicaLines:
    """Of the replica by that name, which no other has; nothing is looked up yet."""
    return ReplicaLines(
        topics=partial(RayTopicLine, model, replica, namespace), monitor=RayMonitorLine(model, replica, namespace)
    )
