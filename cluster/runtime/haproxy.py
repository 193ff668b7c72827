"""HAProxy as Ray Serve starts it: where ours keeps its files, and how one that outlived its cluster is ended.

A killed driver leaves its HAProxy behind; it keeps the ports and routes to replicas that are gone, and the next
cluster cannot bind. Each Windvane gives HAProxy a configuration path of its own, so that ours is told from others'
by its command line.
"""

from contextlib import suppress
from pathlib import Path

import psutil

from windvane.cluster.errors import Unavailable
from windvane.cluster.host import ports
from windvane.cluster.runtime import grpc_frontend, haproxy_program
from windvane.cluster.runtime.processes import end_all


def environment(run: Path, port: int) -> dict[str, str]:
    """The variables, read by Ray at import, that switch HAProxy and the throughput mode on.

    Its files lie in `run`; which ports it takes stands in `windvane.cluster.host.ports`.
    """
    folder = config_path(run).parent
    replicas = ports.replica_grpc_ports(port)
    return {
        "RAY_SERVE_ENABLE_HA_PROXY": "1",
        "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
        "RAY_SERVE_HAPROXY_NBTHREAD": "1",
        "RAY_SERVE_HAPROXY_TIMEOUT_CLIENT_S": "30",  # Ray's hour would let who stalls hold a connection
        "RAY_SERVE_HAPROXY_METRICS_ENABLED": "0",  # replicas count requests too, for a tenth of a log line's parsing
        "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH": "windvane.serve_apps.endpoints.ingress:middlewares",
        "RAY_SERVE_HAPROXY_BINARY_PATH": str(grpc_frontend.program(folder)),
        "RAY_SERVE_HAPROXY_METRICS_PORT": str(port + ports.METRICS),
        "RAY_SERVE_HAPROXY_STATS_PORT": str(port + ports.STATISTICS),
        "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(port + ports.FALLBACK_HTTP),
        "RAY_SERVE_FALLBACK_PROXY_GRPC_PORT": str(port + ports.FALLBACK_GRPC),
        "RAY_SERVE_DIRECT_INGRESS_MIN_GRPC_PORT": str(replicas[0]),
        "RAY_SERVE_DIRECT_INGRESS_MAX_GRPC_PORT": str(replicas[-1]),
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(config_path(run)),
        "RAY_SERVE_HAPROXY_SOCKET_PATH": str(folder / "admin.sock"),
        "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH": str(folder / "metrics.sock"),
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(folder),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(folder / "server-state"),
    }


def config_path(run: Path) -> Path:
    """The configuration file that we name; Ray puts it into a folder of the node's below that one."""
    return run / "h" / "haproxy.cfg"  # short: Ray adds 57 characters before its socket's name


def demand_started(run: Path) -> None:
    """Raise Unavailable, with the sentence, when HAProxy was refused its configuration since the head was started."""
    with suppress(FileNotFoundError):
        raise Unavailable((config_path(run).parent / haproxy_program.REFUSAL).read_text())


def ours(run: Path) -> list[psutil.Process]:
    """Running HAProxy processes that were started with a configuration file of ours."""
    folder = config_path(run).parent
    found = []
    for process in psutil.process_iter(["name", "cmdline"]):
        named = [Path(argument) for argument in process.info["cmdline"] or [] if argument.endswith("/haproxy.cfg")]
        if "haproxy" in (process.info["name"] or "") and any(folder in path.parents for path in named):
            found.append(process)
    return found


def end_stale(run: Path) -> int:
    """End our HAProxy processes and return how many there were; call only when our cluster is not running."""
    stale = ours(run)
    end_all(stale)
    return len(stale)
