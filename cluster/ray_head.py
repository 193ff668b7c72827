"""The local Ray head that `windvane up` starts, and how exactly it, and nothing else, is ended again."""

import contextlib
import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil

from cluster import grpc_frontend, haproxy, head_record, processes
from cluster.access import ensure_secret
from cluster.errors import Unavailable
from cluster.head_record import Head
from cluster.serve_apps_api import CONTROL
from configs.schema import Settings

LONGEST_RUN_PATH = 24  # HAProxy binds Unix sockets up to 82 characters below it, and Linux allows 107
MOST_GRPC_BYTES = 64 * 2**20  # Ray's own 2 GiB would be read before a model's limit is looked at
MOST_CPUS_TO_COUNT_ON = 2  # serving takes fractions of one, a retraining job one at a time


def run_folder(home: Path) -> Path:
    """Where Ray and HAProxy keep sockets, sessions and logs; a short link to it when `home` is too long for sockets.

    Nobody else may look into it: HAProxy's own socket, which takes orders, is open to whoever reaches it.
    """
    run = home / "run"
    run.mkdir(parents=True, exist_ok=True)
    run.chmod(0o700)
    if len(str(run)) <= LONGEST_RUN_PATH:
        return run
    link = Path(tempfile.gettempdir()) / f"windvane-{hashlib.sha256(str(run).encode()).hexdigest()[:10]}"
    with contextlib.suppress(FileExistsError):
        link.symlink_to(run)
    if not link.is_symlink() or link.resolve() != run.resolve() or link.lstat().st_uid != os.getuid():
        raise Unavailable(f"{link} exists and is not our link to {run}: remove it, or choose a shorter WINDVANE_HOME.")
    return link


def start(settings: Settings) -> Head:
    """Start a head on loopback with HAProxy and the throughput mode, and record its processes."""
    home = Path(settings.home)
    run = run_folder(home)
    end_leftovers(home)
    for port, setting in (
        (settings.port, "WINDVANE_PORT"),
        (settings.grpc_port, "WINDVANE_GRPC_PORT"),
        (settings.dashboard_port, "WINDVANE_DASHBOARD_PORT"),
    ):
        processes.demand_free(port, setting)
    grpc_frontend.write(haproxy.config_path(run).parent, settings, CONTROL)
    ensure_secret(settings.ray_token_file)
    command = [
        *(sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--port=0", "--disable-usage-stats"),
        *("--node-ip-address=127.0.0.1", "--dashboard-host=127.0.0.1", f"--dashboard-port={settings.dashboard_port}"),
        *("--dashboard-agent-listen-port=0", f"--temp-dir={run / 'ray'}", "--object-store-memory=500000000"),
        *(f"--ray-client-server-port={settings.port + 2001}", "--min-worker-port=0", "--max-worker-port=0"),
        f"--num-cpus={max(MOST_CPUS_TO_COUNT_ON, os.cpu_count() or 1)}",
    ]
    log = run / "ray-start.log"
    with log.open("wb") as output:
        code = subprocess.run(
            command, stdout=output, stderr=subprocess.STDOUT, env=environment(settings, run)
        ).returncode
    family = processes.with_descendants(processes.mentioning(str(run / "ray")))
    if code != 0:
        processes.end_all(family)
        raise Unavailable(f"Ray did not start (exit {code}); the last lines of {log}:\n{_tail(log)}")
    address = (run / "ray" / "ray_current_cluster").read_text().strip()
    processes.end_all(processes.mentioning(f"--address={address}"))  # Ray Client's door: nobody of ours goes through it
    head = Head(
        address=address,
        dashboard_url=f"http://127.0.0.1:{settings.dashboard_port}",
        run=str(run),
        marks=tuple(processes.mark(process) for process in family if process.is_running()),
    )
    head_record.save(home, head)
    return head


def end(home: Path, head: Head) -> int:
    """End every process of the head and what they started, and our HAProxy; returns how many there were."""
    family = processes.find(head.marks) + processes.mentioning(str(Path(head.run) / "ray"))
    family = processes.with_descendants(family) + haproxy.ours(Path(head.run))
    count = len({process.pid for process in family})
    processes.end_all(_workers_last(family))
    haproxy.end_stale(Path(head.run))
    head_record.forget(home)
    return count


def end_leftovers(home: Path) -> int:
    """End processes of ours that outlived their head, a stale HAProxy above all; returns how many there were."""
    run = run_folder(home)
    left = processes.mentioning(str(run / "ray"))
    processes.end_all(left)
    return len(left) + haproxy.end_stale(run)


def environment(settings: Settings, run: Path) -> dict[str, str]:
    """What the head's processes, and all that Ray starts from them, read."""
    here = str(Path(sys.executable).parent)
    inherited = dict(os.environ)
    inherited.pop("PYTHONDONTWRITEBYTECODE", None)  # a dozen processes would compile each module anew, for minutes
    return (
        inherited
        | haproxy.environment(run, settings.port)
        | settings.environment()
        | {
            "PATH": f"{here}:{os.environ.get('PATH', '')}",  # so that `ray job submit -- python …` runs this Python
            "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "3",  # one node: HAProxy knows within a second
            "RAY_AUTH_MODE": "token",  # who may talk to Ray's job API may run anything
            "RAY_SERVE_GRPC_MAX_MESSAGE_SIZE": str(MOST_GRPC_BYTES),
            "RAY_task_events_report_interval_ms": "0",  # off: every call of our actors, kept, grows by 1 MB a minute
            # who answers goes first, and what can wait steps back itself (`processes.step_back`): Ray's 15 puts them
            # level, behind whatever else runs on the machine
            "RAY_worker_niceness": "0",
            # the raylet's threads keep neither arenas of their own nor what they freed: both fill for an hour
            "RAY_JEMALLOC_PROFILE": "raylet",
            "RAY_JEMALLOC_CONF": "narenas:1,tcache:false",
            "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
            "PYTHONWARNINGS": "ignore::FutureWarning",
        }
    )


def _workers_last(family: list[psutil.Process]) -> list[psutil.Process]:
    """The raylet first: it ends its workers itself and does not restart what we end."""
    return sorted(family, key=lambda process: process.is_running() and process.name() != "raylet")


def _tail(log: Path, lines: int = 15) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
