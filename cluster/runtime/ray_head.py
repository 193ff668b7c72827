"""The local Ray head that `windvane up` starts, and how exactly it, and nothing else, is ended again."""

import os
import subprocess
import sys
from pathlib import Path

import psutil

from windvane.cluster.errors import Unavailable
from windvane.cluster.host import ports
from windvane.cluster.host.run_folder import remove_link, run_folder, shortest, temporary_of
from windvane.cluster.host.secret_files import ensure_secret
from windvane.cluster.host.unix_user import user_name
from windvane.cluster.jobs import TRAINING_SHARE
from windvane.cluster.runtime import grpc_frontend, haproxy, head_record, preloading, processes
from windvane.cluster.runtime.addresses import no_proxy
from windvane.cluster.runtime.head_record import Head
from windvane.cluster.runtime.serve_apps_api import CONTROL
from windvane.configs.schema import Settings
from windvane.configs.settings import USERS_FOLDER

MOST_GRPC_BYTES = 4 * 2**20  # of Serve's own proxy, to or from; replicas have their model's limit instead
LEAST_CPUS_TO_COUNT_ON = 2  # on a single core, too, a search runs two trials in turn


def start(settings: Settings) -> Head:
    """Start a head on loopback with HAProxy and the throughput mode, and record its processes."""
    home = Path(settings.home)
    run = run_folder(home)
    preloading.forbid(home)
    grpc_frontend.write(haproxy.config_path(run).parent, settings, CONTROL)
    ensure_secret(settings.ray_token_file)
    cpus = max(LEAST_CPUS_TO_COUNT_ON, os.cpu_count() or 1)
    command = [
        *(sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--port=0", "--disable-usage-stats"),
        *("--node-ip-address=127.0.0.1", "--dashboard-host=127.0.0.1", f"--dashboard-port={settings.dashboard_port}"),
        *("--dashboard-agent-listen-port=0", f"--temp-dir={run / 'ray'}", "--object-store-memory=500000000"),
        *(f"--ray-client-server-port={settings.port + ports.RAY_CLIENT}", "--min-worker-port=0", "--max-worker-port=0"),
        *(f"--num-cpus={cpus}", f'--resources={{"{TRAINING_SHARE}": {cpus}}}'),
    ]
    log = run / "ray-start.log"
    try:
        _run(command, log, environment(settings, run))
    except BaseException:  # interrupted, too: what it started already would run on
        end_leftovers(home)
        raise
    family = processes.with_descendants(processes.mentioning(str(run / "ray")))
    address = (run / "ray" / "ray_current_cluster").read_text().strip()
    # Ray Client's endpoint: nobody of ours goes through it.
    processes.end_all(processes.mentioning(f"--address={address}"))
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
    preloading.forbid(home)
    remove_link(home)
    return count


def end_leftovers(home: Path) -> int:
    """End processes of ours that outlived their head, a stale HAProxy above all; returns how many there were."""
    run = shortest(home)
    if run is None:  # then there never was one
        return 0
    left = processes.with_descendants(processes.mentioning(str(run / "ray")))
    processes.end_all(left)
    count = len(left) + haproxy.end_stale(run)
    remove_link(home)
    return count


def environment(settings: Settings, run: Path) -> dict[str, str]:
    """Environment of the head's processes and all that Ray starts from them."""
    here = str(Path(sys.executable).parent)
    inherited = dict(os.environ)
    inherited.setdefault("HOME", settings.home)  # a user without a name may have none, and libraries ask for it
    inherited.pop("PYTHONDONTWRITEBYTECODE", None)  # a dozen processes would compile each module anew, for minutes
    return (
        inherited
        | haproxy.environment(run, settings.port)
        | settings.environment()
        | {
            "PATH": f"{here}:{os.environ.get('PATH', '')}",  # so that `ray job submit -- python …` runs this Python
            "TMPDIR": str(temporary_of(run)),
            "LOGNAME": user_name(),  # libraries ask for it, and fail where the system knows none
            USERS_FOLDER: os.getcwd(),
            **no_proxy(os.environ),
            "RAY_preload_python_modules": preloading.MODULE,
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


def _run(command: list[str], log: Path, variables: dict[str, str]) -> None:
    """Run what starts Ray, in a folder of our own: where `up` is called, packages of the same names as ours may lie."""
    with log.open("wb") as output:
        done = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, env=variables, cwd=log.parent)
    if done.returncode < 0:
        raise Unavailable(f"Ray's start was ended by signal {-done.returncode}: call `windvane up` again.")
    if done.returncode != 0:
        raise Unavailable(f"Ray did not start (exit {done.returncode}); the last lines of {log}:\n{_tail(log)}")


def _workers_last(family: list[psutil.Process]) -> list[psutil.Process]:
    """The raylet first: it ends its workers itself and does not restart what we end."""
    return sorted(family, key=lambda process: process.is_running() and process.name() != "raylet")


def _tail(log: Path, lines: int = 15) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
