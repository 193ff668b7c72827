"""Processes of this Windvane: which of them can wait, and how those it started are found again and ended."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

import psutil

from windvane.cluster.errors import Conflict

POLL_SECONDS = 0.02
BEHIND = 10  # niceness: a tenth of a busy core's time is left for it, and the rest for who is at 0


def step_back() -> None:
    """Let replicas have the processor before this process: for what watches, seals and trains, and can wait.

    All of its threads, and those that they start; who is as nice already, or nicer, stays so.
    """
    for thread in psutil.Process().threads():
        with suppress(ProcessLookupError):  # it ended in between
            nice = os.getpriority(os.PRIO_PROCESS, thread.id)
            os.setpriority(os.PRIO_PROCESS, thread.id, max(nice, BEHIND))


def run_aside(module: str) -> None:
    """Run one of our modules in a process of its own, and wait for it in a thread that nobody waits for."""
    words = [sys.executable, "-m", module]
    threading.Thread(target=subprocess.run, args=(words,), name=module.rpartition(".")[2], daemon=True).start()


@dataclass(frozen=True, slots=True)
class Mark:
    """A process told from a later one that got the same id."""

    pid: int
    created: float  # Unix seconds


def mark(process: psutil.Process) -> Mark:
    """Remember a process."""
    return Mark(process.pid, process.create_time())


def find(marks: Iterable[Mark]) -> list[psutil.Process]:
    """The marked processes that still run."""
    found = []
    for each in marks:
        try:
            process = psutil.Process(each.pid)
            if abs(process.create_time() - each.created) < 1.0 and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    return found


def mentioning(text: str) -> list[psutil.Process]:
    """Running processes of this user whose command line contains `text`, such as a session's folder."""
    me = psutil.Process()
    family = {me.pid, *(parent.pid for parent in me.parents())}
    found = []
    for process in psutil.process_iter(["cmdline", "uids"]):
        uids = process.info["uids"]
        if process.pid in family or uids is None or uids.real != me.uids().real:
            continue
        if any(text in argument for argument in process.info["cmdline"] or []):
            found.append(process)
    return found


def with_descendants(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    """The processes and everything they started."""
    family: dict[int, psutil.Process] = {}
    for process in processes:
        try:
            for each in (process, *process.children(recursive=True)):
                family[each.pid] = each
        except psutil.NoSuchProcess:
            continue
    return list(family.values())


def end_all(processes: Iterable[psutil.Process], patience_seconds: float = 10.0) -> None:
    """Ask the first process to end, then all others, of these the oldest last; kill what is left after the patience.

    A raylet takes its workers along, and like Ray's autoscaler it needs the GCS to end, which was there before them:
    asked at once, they wait for it until they are killed.
    """
    waiting = list(processes)
    first, others = waiting[:1], sorted(waiting[1:], key=_started)
    left: list[psutil.Process] = []
    for asked in (first, others[1:], others[:1]):
        for process in asked:
            try:
                process.terminate()
            except psutil.NoSuchProcess:
                continue
        left = _waited_for([*left, *asked], patience_seconds / 2)
    for process in left:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    _waited_for(left, patience_seconds)


def _waited_for(processes: list[psutil.Process], patience_seconds: float) -> list[psutil.Process]:
    """Wait for their end, and return those that still run after the patience.

    What has ended and is yet to be reaped counts as ended: of orphans that is a matter of the container's first
    process, which may do it every other second or never.
    """
    deadline = time.monotonic() + patience_seconds
    while (processes := [each for each in processes if _runs(each)]) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    return processes


def _runs(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _started(process: psutil.Process) -> float:
    try:
        return process.create_time()
    except psutil.NoSuchProcess:
        return float("inf")


def demand_free(port: int, setting: str) -> None:
    """Raise Conflict, naming who holds it, when something listens on the port."""
    for connection in psutil.net_connections(kind="tcp"):
        if connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port:
            holder = f"process {connection.pid}" if connection.pid else "another user's process"
            if connection.pid:
                try:
                    holder = f"{psutil.Process(connection.pid).name()} (process {connection.pid})"
                except psutil.NoSuchProcess:
                    continue
            raise Conflict(f"Port {port} is in use by {holder}: end it, or choose another port with {setting}.")
