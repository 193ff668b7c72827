"""The monitor as a real Ray actor: found by name, shipped to without waiting, back after kill -9 with its evidence."""

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import ray

from tests.worlds.observations import DAY, PROFILE, SPEC, count, decided, rows, tally
from windvane.cluster.decision_log.write.segment import header_for
from windvane.cluster.decision_log.write.writer import Writer
from windvane.cluster.errors import Unavailable
from windvane.configs.settings import namespace_of
from windvane.monitoring.counts.snapshot import Snapshot
from windvane.monitoring.ray_monitor import RayMonitors, end_monitors, start_monitor
from windvane.serve_apps.sync.ray_switchboard import RaySwitchboard, ensure_switchboard

OURS, THEIRS = (namespace_of(f"sqlite:////srv/{home}/windvane.db") for home in ("ours", "theirs"))


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, namespace="elsewhere", address="local")
    yield
    ray.shutdown()


def write(root: Path, *records: Any) -> None:
    async def run() -> None:
        writer = Writer(root, header_for("delay", f"r{os.urandom(4).hex()}", ()), asyncio.get_running_loop())
        for record in records:
            writer.append(record)
        await writer.commit()
        await asyncio.to_thread(writer.close)

    asyncio.run(run())


def patient(ask: Any) -> Any:
    """The answer once the actor has come back; each try waits in Ray, not here."""
    for _ in range(60):
        try:
            return ask()
        except Unavailable:
            continue
    raise AssertionError("the monitor did not come back")


def test_a_monitor_killed_comes_back_and_joins_the_log_again(cluster: None, tmp_path: Path) -> None:
    handle = start_monitor(SPEC, tmp_path, OURS)
    assert start_monitor(SPEC, tmp_path, OURS) == handle
    monitors = RayMonitors(OURS)
    monitors.watch_profile("delay", 1, PROFILE.to_json())
    counts = tally()
    count(counts, 3, rows(500))
    handle.ship.remote("r1", counts.drain())
    now = time.time()
    write(tmp_path, *decided(400, day=3, shadow=2, at=now))
    view = monitors.view("delay", 1, None, 100, None)
    assert view.reference == PROFILE.performance
    assert view.watermark == 3 * DAY + 499
    assert view.measures[0].rows == 500
    before = monitors.evidence("delay", 1, 1, 2, now - 1.0)
    assert before.paired is not None
    assert before.paired.n == 400

    pid = ray.get(handle.__ray_call__.remote(lambda _: os.getpid()))
    os.kill(pid, signal.SIGKILL)
    after = patient(lambda: monitors.evidence("delay", 1, 1, 2, now - 1.0))
    assert after.paired == before.paired
    assert after.arms == ()  # counts that were shipped are gone, and are not shown as zero
    assert monitors.view("delay", 1, None, 100, None).reference is None


def test_a_model_without_monitor_is_unavailable(cluster: None) -> None:
    with pytest.raises(Unavailable, match="monitor:nobody does not answer"):
        RayMonitors(OURS).snapshot("nobody")


def test_two_windvanes_on_one_cluster_leave_each_others_actors_alone(cluster: None, tmp_path: Path) -> None:
    """Both had one Switchboard, of the store of who came first, and each ended the other's monitors."""
    for namespace in (OURS, THEIRS):
        start_monitor(SPEC, tmp_path, namespace)
        patient(lambda namespace=namespace: RayMonitors(namespace).snapshot("delay"))
    end_monitors((), OURS)
    assert isinstance(RayMonitors(THEIRS).snapshot("delay"), Snapshot)
    with pytest.raises(Unavailable, match="monitor:delay does not answer"):
        RayMonitors(OURS).snapshot("delay")
    assert ensure_switchboard(OURS) != ensure_switchboard(THEIRS)
    assert patient(lambda: RaySwitchboard(OURS).in_force("delay")) == {}
