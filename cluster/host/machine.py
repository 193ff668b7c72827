"""Looks up what a Windvane stands on: ports, folders, memory, versions. Deciding about it is `preconditions`."""

import importlib.metadata
import os
import re
import resource
import shutil
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from windvane.cluster.host.run_folder import shortest
from windvane.cluster.host.unix_user import user_name
from windvane.configs.settings import Settings

_PINNED = re.compile(r"([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^\s;,]+)$")


@dataclass(frozen=True, slots=True)
class Machine:
    """Facts of one machine, as one user finds them for one home."""

    user: str
    said_user: str  # by LOGNAME or USER, empty where neither is set
    listeners: Mapping[int, str]  # who listens on a TCP port
    first_open_port: int  # below it only root may listen
    host_is_here: bool  # whether the host's address is this machine's
    socket_folder: Path | None  # by which path sockets can lie there, None where by none
    home_obstacle: str  # why the home cannot be written, empty where it can
    disk_free_bytes: int
    disk_used_share: float
    file_system: str  # the home's kind, such as ext4
    runs_programs: bool  # whether programs in the home may be executed
    memory_free_bytes: int
    shared_memory_bytes: int  # of /dev/shm
    open_files: int
    wrong_versions: tuple[str, ...]  # such as `ray 2.59.0, and 2.60.0 is needed`
    keeps_bytecode: bool


def look(settings: Settings) -> Machine:
    """Look at this machine; takes a fraction of a second and changes nothing."""
    home = Path(settings.home)
    there = _nearest(home)
    disk, mounted = shutil.disk_usage(there), _mounted(there)
    return Machine(
        user=user_name(),
        said_user=os.environ.get("LOGNAME") or os.environ.get("USER") or "",
        listeners=_listeners(),
        first_open_port=0
        if os.geteuid() == 0
        else _number(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start"), 1024),
        host_is_here=_can_bind(settings.host),
        socket_folder=shortest(home),
        home_obstacle=_obstacle(home, there),
        disk_free_bytes=disk.free,
        disk_used_share=disk.used / (disk.used + disk.free) if disk.used + disk.free else 0.0,
        file_system=mounted.fstype if mounted else "",
        runs_programs=mounted is None or "noexec" not in mounted.opts.split(","),
        memory_free_bytes=memory_free(),
        shared_memory_bytes=shutil.disk_usage("/dev/shm").free if Path("/dev/shm").is_dir() else 0,  # noqa: S108
        open_files=resource.getrlimit(resource.RLIMIT_NOFILE)[1],
        wrong_versions=_wrong_versions(),
        keeps_bytecode=not os.environ.get("PYTHONDONTWRITEBYTECODE"),
    )


def _nearest(path: Path) -> Path:
    """The path itself, or the nearest folder above it that is there."""
    return next(each for each in (path, *path.parents) if each.exists())


def _obstacle(home: Path, there: Path) -> str:
    if not there.is_dir():
        return f"{there} is a file"
    if not os.access(there, os.W_OK | os.X_OK):
        return f"{there} cannot be written by {user_name()}"
    for part in ("run", "log", "mlflow"):
        if (home / part).exists() and not os.access(home / part, os.W_OK | os.X_OK):
            return f"{home / part} cannot be written by {user_name()}"
    return ""


def _listeners() -> dict[int, str]:
    found: dict[int, str] = {}
    for connection in psutil.net_connections(kind="tcp"):
        if connection.status == psutil.CONN_LISTEN and connection.laddr:
            found[connection.laddr.port] = _holder(connection.pid)
    return found


def _holder(pid: int | None) -> str:
    """`haproxy (process 7, of the Windvane in /srv/wv)`."""
    if not pid:
        return "another user's process"
    home = ""
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        with suppress(psutil.Error):
            home = process.environ().get("WINDVANE_HOME", "")
        return f"{process.name()} (process {pid}{f', of the Windvane in {home}' if home else ''})"
    return f"process {pid}"


def _can_bind(host: str) -> bool:
    try:
        found = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, protocol, _, address in found:
            with socket.socket(family, kind, protocol) as probe:
                probe.bind(address)
                return True
    except OSError:
        return False
    return False


def _mounted(path: Path) -> Any:
    """Partition by psutil on which the path lies; None where it knows of none."""
    held = [each for each in psutil.disk_partitions(all=True) if path.resolve().is_relative_to(each.mountpoint)]
    return max(held, key=lambda each: len(each.mountpoint), default=None)


def memory_free() -> int:
    """Bytes of the machine, or of the container where that allows less."""
    limit, used = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")
    free = int(psutil.virtual_memory().available)
    return min(free, _number(limit, free + _number(used, 0)) - _number(used, 0))


def _number(file: Path, otherwise: int) -> int:
    with suppress(OSError, ValueError):
        return int(file.read_text())
    return otherwise


def _wrong_versions() -> tuple[str, ...]:
    """Packages that are installed in another version than Windvane is tried with, or not at all."""
    try:
        wanted = importlib.metadata.requires("windvane") or []
    except importlib.metadata.PackageNotFoundError:  # run from a folder that was never installed
        return ()
    wrong = []
    for requirement in wanted:
        pinned = _PINNED.match(requirement)
        if pinned is None:
            continue
        try:
            installed = importlib.metadata.version(pinned[1])
        except importlib.metadata.PackageNotFoundError:
            installed = "none"
        if installed != pinned[2]:
            wrong.append(f"{pinned[1]} {installed}, and {pinned[2]} is needed")
    return tuple(wrong)
