"""Figures as the last tick brought them; too old ones are none."""

from typing import Any

import pytest

from windvane.cluster.errors import Unavailable
from windvane.serve_apps.ticks.snapshots import Snapshots


def test_the_newest_snapshot_is_there_for_some_seconds_and_then_there_is_none() -> None:
    clock = [0.0]
    snapshots = Snapshots(lambda: clock[0], fresh_seconds=15.0)
    first: Any = object()
    newest: Any = object()
    with pytest.raises(Unavailable, match="monitor of trips was not heard of"):
        snapshots.snapshot("trips")
    snapshots.put("trips", first)
    clock[0] = 10.0
    snapshots.put("trips", newest)
    clock[0] = 25.0
    assert snapshots.snapshot("trips") is newest
    with pytest.raises(Unavailable):
        snapshots.snapshot("loans")
    clock[0] = 25.1
    with pytest.raises(Unavailable, match="for 15 s"):
        snapshots.snapshot("trips")
