"""Looks up in the installed Ray what is used of it beyond what it promises, before anything is started.

Ray ignores a variable that it does not know without a word, and what its HAProxy template says otherwise is not found
by who rewrites it. Files are searched, since importing Ray takes seconds. `serve_apps/serve_hooks.py` has what is used
in replicas; docs/upgrading-ray.md has the order of work. Imports little, for `haproxy_program`.
"""

import mmap
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from windvane.cluster.errors import Unavailable

GUIDE = "docs/upgrading-ray.md"
SERVE, CONSTANTS = "serve/_private/", "serve/_private/constants.py"
TEMPLATE, MANAGER = "serve/_private/haproxy_templates.py", "serve/_private/haproxy.py"
RAYLET = "core/src/ray/raylet/raylet"  # a program: flags are `RAY_CONFIG` entries of src/ray/common/ray_config_def.h


@dataclass(frozen=True, slots=True)
class Use:
    """Something of Ray's that it may change without a word: where it stands, and what happens without it."""

    file: str  # below the folder of the package `ray`
    line: int  # in Ray 2.60.0, which the lines below are of; 0 in a program
    text: str
    without: str


_TRAIN = "train/v2/_internal/constants.py"
_PORTS = "two Windvanes on one machine would take the same ports"
_FILES = "two Windvanes on one machine would take the same files, and leftovers would not be found"
USES = (
    # Variables that `haproxy.environment` sets.
    Use(CONSTANTS, 752, '"RAY_SERVE_ENABLE_HA_PROXY"', "there would be no HAProxy"),
    Use(CONSTANTS, 1108, '"RAY_SERVE_THROUGHPUT_OPTIMIZED"', "apps would have another loop than uvicorn"),
    Use(CONSTANTS, 774, '"RAY_SERVE_HAPROXY_NBTHREAD"', "HAProxy would take four threads"),
    Use(CONSTANTS, 898, '"RAY_SERVE_HAPROXY_TIMEOUT_CLIENT_S"', "who stalls would hold its place for an hour"),
    Use(CONSTANTS, 833, '"RAY_SERVE_HAPROXY_METRICS_ENABLED"', "every request would cost a log line"),
    Use(CONSTANTS, 474, '"RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH"', "requests would go through Serve, unbounded"),
    Use(CONSTANTS, 767, '"RAY_SERVE_HAPROXY_BINARY_PATH"', "HAProxy would be open, without queues"),
    Use(CONSTANTS, 844, '"RAY_SERVE_HAPROXY_METRICS_PORT"', _PORTS),
    Use(CONSTANTS, 848, '"RAY_SERVE_HAPROXY_STATS_PORT"', _PORTS),
    Use(CONSTANTS, 56, '"RAY_SERVE_FALLBACK_PROXY_HTTP_PORT"', _PORTS),
    Use(CONSTANTS, 67, '"RAY_SERVE_FALLBACK_PROXY_GRPC_PORT"', _PORTS),
    Use(CONSTANTS, 1052, '"RAY_SERVE_DIRECT_INGRESS_MIN_GRPC_PORT"', _PORTS),
    Use(CONSTANTS, 1058, '"RAY_SERVE_DIRECT_INGRESS_MAX_GRPC_PORT"', _PORTS),
    Use(CONSTANTS, 778, '"RAY_SERVE_HAPROXY_CONFIG_FILE_LOC"', _FILES),
    Use(CONSTANTS, 783, '"RAY_SERVE_HAPROXY_SOCKET_PATH"', _FILES),
    Use(CONSTANTS, 1045, '"RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH"', _FILES),
    Use(CONSTANTS, 794, '"RAY_SERVE_HAPROXY_SERVER_STATE_BASE"', _FILES),
    Use(CONSTANTS, 799, '"RAY_SERVE_HAPROXY_SERVER_STATE_FILE"', _FILES),
    # Variables that `ray_head.environment` and `Settings.environment` set.
    Use(
        CONSTANTS, 1081, '"RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S"', "a replica would take half a minute to end"
    ),
    Use(CONSTANTS, 592, '"RAY_SERVE_GRPC_MAX_MESSAGE_SIZE"', "messages of up to 2 GiB would be read"),
    Use("_private/services.py", 87, '"RAY_JEMALLOC_PROFILE"', "the raylet's memory would grow for an hour"),
    Use("_private/services.py", 86, '"RAY_JEMALLOC_CONF"', "the raylet's memory would grow for an hour"),
    Use("_private/accelerators/accelerator.py", 13, '"RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"', "Ray would warn"),
    Use(RAYLET, 0, "RAY_AUTH_MODE", "whoever reaches the dashboard could run anything"),
    Use(RAYLET, 0, "RAY_AUTH_TOKEN_PATH", "Ray would look for another token"),
    Use(RAYLET, 0, "RAY_worker_niceness", "replicas would wait behind whatever else runs on the machine"),
    Use(RAYLET, 0, "RAY_task_events_report_interval_ms", "Ray's memory would grow by 1 MB a minute"),
    Use(RAYLET, 0, "RAY_preload_python_modules", "a deployment would take seconds longer"),
    # Variables that training/fit/train.py and training/search/tune.py set.
    Use(_TRAIN, 36, '"RAY_TRAIN_HEALTH_CHECK_INTERVAL_S"', "a fit of milliseconds would take two seconds"),
    Use(_TRAIN, 65, '"RAY_TRAIN_ENABLE_PREEMPTION_WATCHER"', "every fit would start a process more"),
    Use("tune/utils/callback.py", 123, '"TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"', "every trial would write files"),
    Use("tune/experimental/output.py", 117, '"RAY_AIR_NEW_OUTPUT"', "a job's log would hold Tune's tables"),
    # How Ray starts HAProxy: `haproxy_program` stands in its place, and `haproxy.ours` finds it by its command line.
    Use(MANAGER, 1098, 'args = [haproxy_bin, "-db", "-f", self.config_file_path]', "its file would not be found"),
    Use(MANAGER, 1793, "return os.path.join(d, self._node_id, f)", "HAProxy would not be told from others'"),
    # What Ray writes for HAProxy: `haproxy_closed`, `haproxy_limits`, `haproxy_queue` and `grpc_frontend` look for it.
    Use(MANAGER, 604, 'default_server_directive = "default-server " + ', "replicas would have no queue"),
    Use(MANAGER, 2071, 'f"{target_group.protocol.value.lower()}-{target_group.app_name}"', "no backend would be found"),
    Use(TEMPLATE, 250, "backend {{ backend.name or 'unknown' }}\n", "no backend would be found"),
    Use(TEMPLATE, 283, "    {{ hc.default_server_directive }}\n", "replicas would have no queue"),
    Use(TEMPLATE, 136, "frontend prometheus\n    bind :{{ ", "HAProxy's metrics would be open to everybody"),
    Use(TEMPLATE, 176, "    http-request return status {{ route_info.status }} content-type", "routes would be told"),
    Use(TEMPLATE, 100, "%}timeout client {{ config.timeout_client_s }}s{%", "headers could take as long as they like"),
    Use(TEMPLATE, 141, "frontend http_frontend\n", "one address could take all connections"),
    Use(TEMPLATE, 336, "frontend grpc_frontend\n", "Ray's own gRPC frontend would be open to everybody"),
    Use(TEMPLATE, 353, "    use_backend grpc_fallback_backend if is_list_applications\n", "applications would be told"),
    Use(TEMPLATE, 439, "listen stats\n  bind *:{{ ", "HAProxy's statistics would be open to everybody"),
    # Files, command lines and words of Ray's: `ray_head.start` and `waiting`.
    Use("_common/utils.py", 349, '"ray_current_cluster"', "the head that was started would not be found"),
    Use("_private/services.py", 2470, 'f"--address={address}"', "Ray Client's endpoint would run on"),
    Use(SERVE + "deployment_state.py", 5673, "to be scheduled. ", "`windvane status` would not say what waits"),
    Use("dashboard/modules/job/common.py", 152, "It may be waiting for", "`windvane status` would not say what waits"),
)


def changed(what: str) -> Unavailable:
    """The error of a Ray that is not as Windvane knows it.

    >>> str(changed("HAProxy's statistics would be open"))
    "HAProxy's statistics would be open: this Ray is not as Windvane knows it, see docs/upgrading-ray.md"
    """
    return Unavailable(f"{what}: this Ray is not as Windvane knows it, see {GUIDE}")


def folder() -> Path:
    """Folder of package `ray`; raises Unavailable when it is not installed."""
    found = find_spec("ray")
    if found is None or found.origin is None:
        raise Unavailable("Ray is not installed: install Windvane into an environment of its own.")
    return Path(found.origin).parent


def demand(uses: Iterable[Use], root: Path) -> None:
    """Raise Unavailable with a sentence for each use that the Ray in this folder does not have any more."""
    wanted = tuple(uses)
    texts = {file: _read(root / file) for file in dict.fromkeys(use.file for use in wanted)}
    gone = [use for use in wanted if texts[use.file].find(use.text.encode()) < 0]
    if gone:
        raise Unavailable("\n".join(str(changed(_sentence(use))) for use in gone))


def trouble() -> str:
    """Uses that the installed Ray lacks, a line each; empty where nothing is missing."""
    try:
        demand(USES, folder())
    except Unavailable as error:
        return str(error)
    return ""


def _sentence(use: Use) -> str:
    import importlib.metadata  # takes longer than all else of `haproxy_program`

    version = importlib.metadata.version("ray")
    return f"Ray {version} has no {use.text.strip()!r} in ray/{use.file}, and without it {use.without}"


def _read(path: Path) -> bytes | mmap.mmap:
    """The file's bytes, a program's only as far as they are looked at; none where there is no such file."""
    try:
        with path.open("rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (FileNotFoundError, ValueError):  # an empty file cannot be mapped
        return b""
