"""The lines of one replica to the actors that it follows and reports to."""

from dataclasses import dataclass

from windvane.serve_apps.sync.shipping import MonitorLine
from windvane.serve_apps.sync.topic_reader import Lines


@dataclass(frozen=True, slots=True)
class ReplicaLines:
    """Makes lines to the Switchboard, one a reader, and has the one to the model's monitor."""

    topics: Lines
    monitor: MonitorLine
