"""Gain from replicas that go before what can wait: the same Windvane, with and without, in turns.

    python -m benchmarks.priority --rounds 9

Ray starts every worker with niceness 15: replica, control and monitor are level, and behind whatever else runs on the
machine. Windvane starts them at 0, and what can wait steps back (`cluster/runtime/processes.py`). Both are set on
the same running processes, one after the other, so that both see the same minutes of a rented machine; as root, since
nobody else may raise a priority.
"""

import argparse
import os
import sys
from contextlib import suppress
from dataclasses import dataclass
from statistics import median

import psutil

from benchmarks import dialects, load
from benchmarks.load import Load, Traffic
from benchmarks.measure import OPEN_RATE, REQUESTS
from benchmarks.model import make_rows
from benchmarks.soak import PATIENT
from benchmarks.world import world
from windvane.cluster.runtime.processes import BEHIND

RAYS = 15
CAN_WAIT = ("ray::ServeReplica:control:", "ray::MonitorActor")
SETTINGS = {"Ray's 15 for all": (RAYS, RAYS), "Windvane's": (0, BEHIND)}  # who answers, what can wait
SECONDS, MANY = 4.0, 64


@dataclass(frozen=True, slots=True)
class Round:
    """One setting in one round."""

    alone: Load
    many: Load
    due: Load  # open loop


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    found: dict[str, list[Round]] = {name: [] for name in SETTINGS}
    with world(PATIENT) as place:
        place.control()
        waiting = {each.pid for each in place.family() if _title(each).startswith(CAN_WAIT)}
        working = {each.pid for each in place.family() if each.nice() == 0 and _works(each)} - waiting
        traffic = Traffic(place.settings.port, dialects.DECIDE.requests(make_rows(REQUESTS), place.headers))
        for niceness in (RAYS, 0):  # a priority that cannot be raised again is told before anything is measured
            _renice(working, niceness)
        _measure(traffic)  # every subject is known from here on
        for number in range(rounds):
            for name, (first, later) in SETTINGS.items():
                _renice(working, first)
                _renice(waiting, later)
                found[name].append(_measure(traffic))
            sys.stderr.write(f"round {number + 1} of {rounds}\n")
    for name, each in found.items():
        sys.stdout.write(f"{name:18s}{_line(each)}\n")


def _measure(traffic: Traffic) -> Round:
    return Round(
        load.closed_loop(traffic, 1, SECONDS / 2),
        load.closed_loop(traffic, MANY, SECONDS / 2),
        load.open_loop(traffic, OPEN_RATE, SECONDS),
    )


def _line(rounds: list[Round]) -> str:
    late = [each.due.p99_ms for each in rounds]
    return (
        f"alone p50 {median(each.alone.p50_ms for each in rounds):.2f} ms, "
        f"{MANY} connections {median(each.many.per_second for each in rounds):,.0f}/s, "
        f"{OPEN_RATE:,.0f}/s due p50 {median(each.due.p50_ms for each in rounds):.2f} "
        f"p99 {median(late):.1f} ms ({min(late):.1f} to {max(late):.1f})"
    )


def _renice(pids: set[int], niceness: int) -> None:
    for pid in pids:
        for thread in psutil.Process(pid).threads():
            with suppress(ProcessLookupError):  # it ended in between
                try:
                    os.setpriority(os.PRIO_PROCESS, thread.id, niceness)
                except PermissionError:
                    sys.exit("Nobody but root may raise a priority again: run this as root")


def _works(process: psutil.Process) -> bool:
    """Whether Ray's setting decides its niceness: a worker of Ray's, or HAProxy, which one of them starts."""
    return process.name() == "haproxy" or (_title(process).startswith("ray::") and "Agent" not in _title(process))


def _title(process: psutil.Process) -> str:
    return (process.cmdline() or [""])[0]


if __name__ == "__main__":
    main()
