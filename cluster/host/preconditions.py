"""Preconditions of a start, and what had better hold: each a sentence, decided from facts alone."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from windvane.cluster.host.machine import Machine
from windvane.cluster.host.ports import HIGHEST, RAY_CLIENT, REPLICA_HTTP, Port, ports, replica_grpc_ports
from windvane.cluster.host.run_folder import too_long
from windvane.configs.settings import GRPC_OFFSET, Settings

State = Literal["ok", "warning", "stop"]

# Measured on Ray 2.60: Ray, Serve and control 1.3 GB; a model 0.6 GB, of which the replica 0.42 and the monitor 0.16.
LEAST_MEMORY, GOOD_MEMORY, MODEL_MEMORY = 1_000_000_000, 2_500_000_000, 600_000_000  # bytes
LEAST_DISK, GOOD_DISK = 200_000_000, 2_000_000_000  # bytes
FULLEST_DISK = 0.95  # beyond which Ray keeps no object on it
LEAST_OPEN_FILES = 1024
SHARED_MEMORY = 500_000_000  # bytes of Ray's object store
UNUSABLE = "?#%"  # in a path, since the addresses of SQLite files give them another meaning
OVER_NETWORK = ("nfs", "nfs4", "cifs", "smb3", "smbfs", "fuse.sshfs", "9p")


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at, and the sentence that says how it stands, with what to do where it stops."""

    name: str
    state: State
    sentence: str


def examine(settings: Settings, machine: Machine, running: bool = False) -> tuple[Check, ...]:
    """Every check, whether it holds or not; of a Windvane that is `running` the ports are its own."""
    own_head = settings.ray_address is None
    checks = [_home(settings, machine), _user(machine), _versions(machine), _disk(machine), _network_disk(machine)]
    if own_head:
        checks += [_sockets(settings, machine), _memory(machine, running), _shared_memory(machine), _files(machine)]
        checks += [_host(settings, machine), _bytecode(machine)]
        checks += list(_ports(settings, machine, running))
    return tuple(checks)


def of_ray(trouble: str) -> Check:
    """The check of what the installed Ray lacks, of which `windvane.cluster.runtime.ray_source` has the sentences."""
    return Check("ray", "stop" if trouble else "ok", trouble or "has what is used of it beyond its promise")


def of_issuer(trouble: str) -> Check:
    """The check of WINDVANE_TOKEN_ISSUER's file, of which `windvane.cluster.callers.declared` has the sentences."""
    return Check(
        "tokens", "stop" if trouble else "ok", trouble or "whose tokens are taken is declared, or nobody's are"
    )


def _home(settings: Settings, machine: Machine) -> Check:
    if machine.home_obstacle:
        sentence = f"{machine.home_obstacle}: choose another folder with WINDVANE_HOME, or make that one writable."
        return Check("home", "stop", sentence)
    odd = sorted({character for character in settings.home if character in UNUSABLE or not character.isprintable()})
    if odd:
        sentence = f"{settings.home!r} has {', '.join(map(repr, odd))} in it, which database addresses cannot have: "
        return Check("home", "stop", f"{sentence}choose another folder with WINDVANE_HOME.")
    if not machine.runs_programs and settings.ray_address is None:
        sentence = f"{settings.home} lies on a disk that is mounted noexec, and HAProxy is started from there"
        return Check("home", "stop", f"{sentence}: choose another folder with WINDVANE_HOME.")
    return Check("home", "ok", f"{settings.home} can be written")


def _user(machine: Machine) -> Check:
    if machine.said_user and machine.said_user != machine.user:
        sentence = f"LOGNAME says {machine.said_user}, but the user is {machine.user}: so it stands on the record"
        return Check("user", "warning", sentence)
    return Check("user", "ok", f"acts on the command line are on record as {machine.user}'s")


def _versions(machine: Machine) -> Check:
    if machine.wrong_versions:
        wrong = "; ".join(machine.wrong_versions)
        return Check("packages", "stop", f"{wrong}: install Windvane into an environment of its own.")
    return Check("packages", "ok", "in the versions that Windvane is tried with")


def _disk(machine: Machine) -> Check:
    free = f"{_gb(machine.disk_free_bytes)} free on the disk of WINDVANE_HOME"
    if machine.disk_free_bytes < LEAST_DISK:
        return Check("disk", "stop", f"{free}, and decisions have to be logged: make room, or choose another disk.")
    if machine.disk_free_bytes < GOOD_DISK or machine.disk_used_share > FULLEST_DISK:
        full = f"{free}, {machine.disk_used_share:.0%} full: beyond {FULLEST_DISK:.0%} Ray keeps nothing on it"
        return Check("disk", "warning", full)
    return Check("disk", "ok", free)


def _network_disk(machine: Machine) -> Check:
    if machine.file_system in OVER_NETWORK:
        sentence = f"WINDVANE_HOME lies on {machine.file_system}, where SQLite's files break when two machines use them"
        return Check("file system", "warning", f"{sentence}: take a local disk, or PostgreSQL for WINDVANE_STORE")
    return Check("file system", "ok", machine.file_system or "of an unknown kind")


def _sockets(settings: Settings, machine: Machine) -> Check:
    if machine.socket_folder is None:
        return Check("sockets", "stop", too_long(Path(settings.home)))
    return Check("sockets", "ok", f"lie in {machine.socket_folder}")


def _memory(machine: Machine, running: bool) -> Check:
    free, models = _gb(machine.memory_free_bytes), max(0, machine.memory_free_bytes) // MODEL_MEMORY
    if running:
        state: State = "ok" if models else "warning"
        return Check("memory", state, f"{free} free: room for {models} more models of {_gb(MODEL_MEMORY)} each")
    if machine.memory_free_bytes < LEAST_MEMORY:
        return Check("memory", "stop", f"{free} free, and Ray with control takes 1.3 GB: end something, or add memory.")
    if machine.memory_free_bytes < GOOD_MEMORY:
        sentence = f"{free} free: 1.3 GB are Ray's and control's, and each model takes {_gb(MODEL_MEMORY)}"
        return Check("memory", "warning", sentence)
    room = (machine.memory_free_bytes - 1_300_000_000) // MODEL_MEMORY
    return Check("memory", "ok", f"{free} free: room for about {room} models of {_gb(MODEL_MEMORY)} each")


def _shared_memory(machine: Machine) -> Check:
    if machine.shared_memory_bytes < SHARED_MEMORY:
        there = f"/dev/shm has {_gb(machine.shared_memory_bytes)}"  # noqa: S108  named, not used
        sentence = f"{there}, so Ray's objects lie on disk, which is slower"
        return Check("shared memory", "warning", f"{sentence}: `docker run --shm-size=1g` gives more")
    return Check("shared memory", "ok", f"{_gb(machine.shared_memory_bytes)} in /dev/shm")


def _files(machine: Machine) -> Check:
    if 0 <= machine.open_files < LEAST_OPEN_FILES:
        sentence = f"a process may have {machine.open_files} files open, and Ray needs {LEAST_OPEN_FILES}: "
        return Check(
            "open files", "stop", f"{sentence}raise it, with `ulimit -Hn {LEAST_OPEN_FILES}` or your system's limits."
        )
    return Check("open files", "ok", "enough are allowed")


def _host(settings: Settings, machine: Machine) -> Check:
    if not machine.host_is_here:
        sentence = (
            f"WINDVANE_HOST={settings.host} is no address of this machine: leave it at 127.0.0.1, or take 0.0.0.0."
        )
        return Check("host", "stop", sentence)
    return Check("host", "ok", settings.host)


def _bytecode(machine: Machine) -> Check:
    if not machine.keeps_bytecode:
        sentence = "PYTHONDONTWRITEBYTECODE is set, so every command compiles what it imports: unset it to wait less"
        return Check("bytecode", "warning", sentence)
    return Check("bytecode", "ok", "is kept")


def _ports(settings: Settings, machine: Machine, running: bool) -> Iterator[Check]:
    """One check for each port that stops; one for all where none does."""
    wanted = ports(settings)
    follows = settings.grpc_port == min(settings.port + GRPC_OFFSET, HIGHEST)
    if follows and settings.port + RAY_CLIENT > HIGHEST:  # nobody wrote it: what is said of WINDVANE_PORT moves it too
        wanted = tuple(port for port in wanted if port.setting != "WINDVANE_GRPC_PORT")
    highest = {port.setting: max(each for each in wanted if each.setting == port.setting) for port in wanted}
    shown = [port for port in wanted if port.number <= HIGHEST or port == highest[port.setting]]
    troubles = [trouble for port in shown if (trouble := _trouble(port, settings, machine, running))]
    first: dict[int, Port] = {}
    for port in wanted:
        other = first.setdefault(port.number, port)
        if other is not port:
            move = f"choose another {port.setting}"
            troubles.append(f"Port {port.number} is wanted twice, for {other.use} and for {port.use}: {move}.")
    for trouble in troubles:
        yield Check("port", "stop", trouble)
    if not troubles:
        yield Check("ports", "ok", ", ".join(str(port.number) for port in wanted))


def _trouble(port: Port, settings: Settings, machine: Machine, running: bool) -> str:
    """Reason why the port cannot be had, and what to do; empty where it can."""
    base = {"WINDVANE_PORT": settings.port, "WINDVANE_GRPC_PORT": settings.grpc_port}.get(port.setting, port.number)
    derived = f", which is {port.setting} + {port.number - base}" if port.number != base else ""
    named = f"Port {port.number} ({port.use}{derived})"
    move = f"choose another {port.setting}"
    if port.number > HIGHEST:
        return f"{named} is above {HIGHEST}: choose a {port.setting} of at most {HIGHEST - (port.number - base)}."
    if port.number < machine.first_open_port:
        return f"{named} is below {machine.first_open_port}, where only root may listen: {move}."
    replicas = port.number in REPLICA_HTTP or port.number in replica_grpc_ports(settings.port)
    if replicas and port.number != settings.port + RAY_CLIENT:  # that one is let go of before there is a replica
        return f"{named} is among those that replicas take: {move}."
    if not running and port.number in machine.listeners:
        return f"{named} is in use by {machine.listeners[port.number]}: end it, or {move}."
    return ""


def _gb(count: int) -> str:
    return f"{count / 1e9:.1f} GB"
