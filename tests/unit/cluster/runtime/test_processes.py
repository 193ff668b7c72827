"""Only what we started is found and ended, and whoever holds a port is named."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from windvane.cluster.errors import Conflict
from windvane.cluster.runtime import haproxy
from windvane.cluster.runtime.processes import (
    BEHIND,
    Mark,
    demand_free,
    end_all,
    find,
    mark,
    mentioning,
    with_descendants,
)

PATIENT = ["sh", "-c", "echo ready; read line"]
STUBBORN = ["sh", "-c", "trap '' TERM; echo ready; read line"]


class Nursery:
    """Starts processes that wait for ever, and ends them with the test."""

    def __init__(self) -> None:
        self._started: list[subprocess.Popen[bytes]] = []

    def start(self, *command: str) -> psutil.Process:
        child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._started.append(child)
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        return psutil.Process(child.pid)

    def close(self) -> None:
        for child in self._started:
            child.kill()
            child.communicate()


@pytest.fixture
def nursery() -> Iterator[Nursery]:
    made = Nursery()
    yield made
    made.close()


SAY_NICE = """
import os, threading, psutil
from windvane.cluster.runtime.processes import step_back
before, now, told = threading.Event(), threading.Event(), []
def nice(): return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
def work(): before.set(); now.wait(); told.append(nice())
os.nice({nice})
threads = [threading.Thread(target=work)]
threads[0].start(); before.wait()
step_back()
threads.append(threading.Thread(target=work)); threads[1].start()
now.set()
for thread in threads: thread.join()
print(nice(), *told)
"""


@pytest.mark.parametrize(("nice", "after"), [(0, BEHIND), (BEHIND + 3, BEHIND + 3)])
def test_whoever_steps_back_does_so_with_all_its_threads_and_never_forward(nice: int, after: int) -> None:
    own = os.getpriority(os.PRIO_PROCESS, 0)
    told = subprocess.run([sys.executable, "-c", SAY_NICE.format(nice=max(0, nice - own))], capture_output=True)
    assert told.stdout.split() == [b"%d" % max(after, own)] * 3, told.stderr


def test_a_marked_process_is_found_until_it_ends(nursery: Nursery) -> None:
    process = nursery.start(*PATIENT)
    marked = mark(process)
    assert [each.pid for each in find([marked])] == [process.pid]
    end_all([process])
    assert find([marked]) == []


def test_a_later_process_with_the_same_id_is_not_ours() -> None:
    me = psutil.Process()
    assert find([Mark(me.pid, me.create_time() - 60.0)]) == []


def test_a_process_that_will_not_end_is_killed_after_the_patience(nursery: Nursery) -> None:
    process = nursery.start(*STUBBORN)
    end_all([process], patience_seconds=0.05)
    assert find([mark(process)]) == []


UNREAPING = """
import subprocess, sys
child = subprocess.Popen(["sh", "-c", "read line"], stdin=subprocess.PIPE)
print("ready", flush=True)
sys.stdin.read()
"""


def test_a_process_that_nobody_reaps_is_not_waited_for(nursery: Nursery) -> None:
    """Where a container's first process reaps no orphans, `windvane down` took half a minute."""
    parent = nursery.start(sys.executable, "-c", UNREAPING)
    [child] = parent.children()
    begun = time.monotonic()
    end_all([child], patience_seconds=60.0)
    assert child.status() == psutil.STATUS_ZOMBIE
    assert time.monotonic() - begun < 20.0


def test_the_first_is_asked_before_the_others_and_the_oldest_of_these_last() -> None:
    """`windvane down` took ten seconds more: raylet and autoscaler waited for a GCS that was gone, until killed."""
    told: list[str] = []

    class Told:
        def __init__(self, name: str, started: float) -> None:
            self.pid, self.name, self._started = len(name), name, started

        def create_time(self) -> float:
            return self._started

        def terminate(self) -> None:
            told.append(f"{self.name} is asked")

        def is_running(self) -> bool:
            told.append(f"{self.name} ends")
            return False

    end_all([Told("raylet", 3.0), Told("gcs", 1.0), Told("autoscaler", 2.0)])  # type: ignore[list-item]
    assert told == [f"{name} {what}" for name in ("raylet", "autoscaler", "gcs") for what in ("is asked", "ends")]
    end_all([])


def test_ending_what_has_ended_is_no_trouble(nursery: Nursery) -> None:
    process = nursery.start(*PATIENT)
    end_all([process])
    end_all([process])
    assert with_descendants([process]) in ([], [process])


def test_processes_are_found_by_what_their_command_line_mentions(nursery: Nursery, tmp_path: Path) -> None:
    process = nursery.start(*PATIENT, str(tmp_path / "session"))
    assert [each.pid for each in mentioning(str(tmp_path))] == [process.pid]


def test_who_asks_is_never_among_those_mentioned() -> None:
    mine = {os.getpid(), os.getppid()}
    assert not mine & {each.pid for each in mentioning("")}


def test_descendants_come_along_once(nursery: Nursery) -> None:
    parent = nursery.start("sh", "-c", "exec 3<&0; sh -c 'echo ready; read line' <&3 & wait")
    family = with_descendants([parent, *parent.children()])
    assert len(family) == len({each.pid for each in family}) == 2


def test_a_port_in_use_names_its_holder_and_the_setting() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        demand_free(port, "WINDVANE_PORT")
        listener.listen()
        with pytest.raises(Conflict, match=rf"Port {port} is in use by .*process {os.getpid()}.*WINDVANE_PORT"):
            demand_free(port, "WINDVANE_PORT")


def test_a_haproxy_is_ours_by_its_configuration_file_alone(nursery: Nursery, tmp_path: Path) -> None:
    """Named haproxy by a link: only the name and the arguments are looked at."""
    program = tmp_path / "haproxy"
    program.symlink_to("/bin/sh")
    for run in ("ours", "theirs"):
        named = haproxy.config_path(tmp_path / run)
        nursery.start(str(program), *PATIENT[1:], "-f", str(named.parent / "the-nodes-id" / named.name))
    assert len(haproxy.ours(tmp_path / "ours")) == 1
    assert haproxy.end_stale(tmp_path / "ours") == 1
    assert haproxy.end_stale(tmp_path / "ours") == 0
    assert len(haproxy.ours(tmp_path / "theirs")) == 1


def test_two_windvanes_haproxies_share_neither_ports_nor_files(tmp_path: Path) -> None:
    one, two = haproxy.environment(tmp_path / "a", 8000), haproxy.environment(tmp_path / "b", 8100)
    assert (one["RAY_SERVE_HAPROXY_METRICS_PORT"], one["RAY_SERVE_HAPROXY_STATS_PORT"]) == ("9101", "8404")
    assert {name for name in one if one[name] == two[name]} == {
        "RAY_SERVE_ENABLE_HA_PROXY",
        "RAY_SERVE_THROUGHPUT_OPTIMIZED",
        "RAY_SERVE_HAPROXY_NBTHREAD",
        "RAY_SERVE_HAPROXY_TIMEOUT_CLIENT_S",
        "RAY_SERVE_HAPROXY_METRICS_ENABLED",
        "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH",
    }
