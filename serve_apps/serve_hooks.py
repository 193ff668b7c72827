"""Uses of Ray Serve beyond what it promises: each with its line, and looked up before an application is built.

A replica that Serve has started otherwise does not become ready (`endpoints/ingress.py`, `demand_in_front`). What the
cluster's start uses of Ray stands in `cluster/runtime/ray_source.py`; docs/upgrading-ray.md has the order of work.
"""

import logging
from logging.handlers import MemoryHandler

from windvane.cluster.faults.log_redaction import redact_logs
from windvane.cluster.runtime import ray_source
from windvane.cluster.runtime.ray_source import CONSTANTS, Use

UNWATCHED = (b"x-request-disconnect-disabled", b"?1")  # nobody but the endpoint watches this request's client
SERVE = "ray.serve"  # Serve's own logger
OURS = "windvane"

_REPLICA, _HTTP, _GRPC = (f"serve/_private/{name}.py" for name in ("replica", "http_util", "grpc_util"))
_OPTIONS = "DEFAULT_GRPC_SERVER_OPTIONS"
USES = (
    # `serve.ingress()` without an app: Gateway and Control build theirs in the replica, with its store and loops.
    Use("serve/api.py", 436, '"__serve_build_asgi_app__"', "no application could be built"),
    Use(_REPLICA, 221, '"__serve_build_asgi_app__"', "no replica would have an app"),
    Use(_REPLICA, 4051, "_run_asgi_lifespan_startup()", "replicas would answer before versions are loaded"),
    Use("serve/api.py", 505, "await ASGIAppReplicaWrapper.__del__(self)", "replicas would end without draining"),
    # Requests past Serve: `endpoints/ingress.py`.
    Use(_HTTP, 1022, "if RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH:", "requests would go through Serve, unbounded"),
    Use(_REPLICA, 2398, "options = configure_http_middlewares(", "replicas would not ask for our middleware"),
    Use(_REPLICA, 2407, "event_loop=self._event_loop,", "uvicorn would have another event loop than the app"),
    Use(_REPLICA, 3754, "asyncio.get_running_loop()", "the app would have another event loop than uvicorn"),
    Use(CONSTANTS, 1111, '"RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD", "0"', "the app would have a loop of its own"),
    Use(CONSTANTS, 1092, f'"{UNWATCHED[0].decode()}"', "two tasks a request would watch its client"),
    Use(_HTTP, 873, '== "?1"', "two tasks a request would watch its client"),
    # Methods that Serve finds by name.
    Use(CONSTANTS, 255, '"check_health"', "a replica that can decide no more would stay"),
    Use(_REPLICA, 1926, "await self.check_health()", "a replica would be ready before it was looked at"),
    Use(_REPLICA, 4107, '"record_autoscaling_stats"', "requests past Serve would not be scaled for"),
    Use("serve/config.py", 150, "def aggregated_metrics(self)", "requests past Serve would not be scaled for"),
    Use(_REPLICA, 3888, "getattr(self._callable, method_name)", "nothing would answer over gRPC"),
    Use(_REPLICA, 2531, "result.SerializeToString()", "gRPC's health service would not answer"),
    Use(_REPLICA, 4664, 'hasattr(self._callable, "__del__")', "the loops of a control that is replaced would go on"),
    # What a replica's gRPC server reads before anybody is asked for a key: `grpc_limits.py`.
    Use(CONSTANTS, 602, f"{_OPTIONS} = [", "large messages would be read"),
    Use(_GRPC, 53, f"options={_OPTIONS} + (extra_options or []),", "large messages would be read, and compressed ones"),
    # Loggers: `attach`.
    Use(CONSTANTS, 20, f'SERVE_LOGGER_NAME = "{SERVE}"', "our warnings would be in no file"),
    Use("serve/_private/logging_utils.py", 416, "logging.handlers.MemoryHandler(", "our warnings would come late"),
)


def demand() -> None:
    """Raise Unavailable, with a sentence for each, where the installed Ray does not have them all."""
    ray_source.demand(USES, ray_source.folder())


def attach(serve: logging.Logger | None = None) -> None:
    """Hand what we say to the files that Serve's logger writes, past its buffer; without any it goes to stderr.

    Serve takes a replica's stderr for information. A Gateway writes warnings only, so ours were dropped, and in the
    throughput mode Serve waits for a thousand lines before it writes one. What foreign exceptions say is kept out.
    """
    redact_logs()
    handlers = [_behind(handler) for handler in (serve or logging.getLogger(SERVE)).handlers]
    logger = logging.getLogger(OURS)
    logger.handlers = handlers
    logger.propagate = not handlers


def _behind(handler: logging.Handler) -> logging.Handler:
    """The handler that a buffer is written to."""
    return handler.target if isinstance(handler, MemoryHandler) and handler.target is not None else handler
