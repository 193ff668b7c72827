"""The composition root: one replica that ticks both loops for every deployed model and answers the control API."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ray import serve

from cluster.access import read_digest
from cluster.cedar_policy import taken
from cluster.cedar_rules import compile_policies
from cluster.consent import ConsentRecords
from cluster.decision_log.sealer import Sealer
from cluster.errors import WindvaneError
from cluster.mlflow_registry import MlflowRegistry
from cluster.policy_library import PolicyLibrary
from cluster.ray_jobs import RayJobs
from cluster.sql_store import SqlStore
from configs.schema import ModelSpec
from configs.settings import Settings
from monitoring.ray_monitor import RayMonitors, end_monitors, start_monitor
from monitoring.watcher import Watcher
from serve_apps.admin import make_app
from serve_apps.admin_gate import AdminGate
from serve_apps.consent_desk import ConsentDesk
from serve_apps.desk import Desk
from serve_apps.event_clock import StampedStore
from serve_apps.governance_routes import Governance
from serve_apps.inference_server import server_metadata, server_routes, unready
from serve_apps.policy_desk import PolicyDesk
from serve_apps.prefetch import Prefetching
from serve_apps.protocol import oip_grpc
from serve_apps.ray_metrics import RayMetrics
from serve_apps.ray_switchboard import RaySwitchboard
from serve_apps.review_watch import ReviewWatch
from serve_apps.rollout.controller import RolloutController

logger = logging.getLogger("windvane.control")

ROLLOUT_SECONDS = 0.2  # between looks: part of the way from a breach to the rollback
WATCH_SECONDS = 1.0
SEAL_SECONDS = 5.0
METRICS_SECONDS = 5.0
POLICY_SECONDS = 1.0


@serve.deployment(
    name="Control",
    num_replicas=1,
    max_ongoing_requests=64,
    ray_actor_options={"num_cpus": 0},
    graceful_shutdown_timeout_s=5,
)
@serve.ingress()
class Control:
    """Holds no state that matters: kill it anywhere and its successor goes on from the store."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self._settings = Settings.model_validate(settings)
        home = Path(self._settings.home)
        self._log = home / "log"
        self._clocks: dict[str, datetime] = {}
        store = StampedStore(SqlStore(self._settings.store_url), self._clocks.get)
        registry = MlflowRegistry(self._settings.mlflow_uri, self._settings.artifacts)
        jobs = RayJobs(f"http://127.0.0.1:{self._settings.dashboard_port}", self._settings.ray_token_file)
        self._monitors = RayMonitors()
        cache = home / "cache" / "versions"
        board = RaySwitchboard(self._settings.store_url)
        self._switchboard = Prefetching(board, registry, cache)
        self._rollouts = RolloutController(store, registry, self._switchboard, self._monitors)
        self._desk = Desk(store, registry, self._rollouts, self._monitors)
        library = PolicyLibrary(store, compile_policies)
        gate = AdminGate(library, taken, self._desk.mandate)
        self._policies = PolicyDesk(library, gate, board.post)
        consents = ConsentDesk(ConsentRecords(store), gate, self._desk.mandate, board.post)
        self._governance = Governance(gate, self._policies, consents)
        self._reviews = ReviewWatch(store, gate)
        environment = self._settings.environment()
        self._watcher = Watcher(store, registry, jobs, self._monitors, self._desk.spec, cache, environment)
        self._ray_metrics = RayMetrics()
        self._stopping = threading.Event()
        self._told: dict[str, str] = {}
        self._watched: tuple[str, ...] | None = None
        for name, period, act, before in (
            ("rollout", ROLLOUT_SECONDS, self._roll, None),
            ("watch", WATCH_SECONDS, self._watch, self._end_monitors),
            ("seal", SEAL_SECONDS, self._seal, None),
            ("metrics", METRICS_SECONDS, self._tell_ray, None),
            ("policies", POLICY_SECONDS, self._no_more, self._govern),
        ):
            threading.Thread(target=self._loop, args=(name, period, act, before), name=name, daemon=True).start()

    def __serve_build_asgi_app__(self) -> Any:
        """What Serve answers HTTP with."""
        home = Path(self._settings.home)
        app = make_app(self._desk, self._governance, lambda: read_digest(home), self._settings.is_local)
        app.include_router(server_routes(self._desk.models, self._switchboard))
        return app

    async def ServerLive(self, _: Any) -> Any:  # noqa: N802  the protocol's name
        """Over gRPC: control answers (Serve finds these methods by name)."""
        return oip_grpc.live()

    async def ServerReady(self, _: Any) -> Any:  # noqa: N802
        """Over gRPC: every deployed model has a version in force."""
        try:
            waiting = await asyncio.to_thread(lambda: unready(self._desk.models(), self._switchboard))
        except WindvaneError:
            return oip_grpc.ready(False)
        return oip_grpc.ready(not waiting)

    async def ServerMetadata(self, _: Any) -> Any:  # noqa: N802
        """Over gRPC: who answers, and what of the protocol it speaks."""
        return oip_grpc.server_of(server_metadata())

    def __del__(self) -> None:
        self._stopping.set()

    def _loop(
        self,
        name: str,
        period: float,
        act: Callable[[ModelSpec, datetime], None],
        before: Callable[[Sequence[ModelSpec]], None] | None,
    ) -> None:
        """Every model, for ever; one model's trouble is said once and never stops the others."""
        while not self._stopping.is_set():
            start = time.monotonic()
            models: list[ModelSpec] = []
            with self._going_on(name):
                models += self._desk.models()
                if before is not None:
                    before(models)
            for spec in models:
                with self._going_on(f"{name}:{spec.name}"):
                    act(spec, datetime.now(UTC))
            self._stopping.wait(max(0.0, period - (time.monotonic() - start)))

    @contextmanager
    def _going_on(self, where: str) -> Iterator[None]:
        """The block's trouble is told, and is over."""
        try:
            yield
            self._told.pop(where, None)
        except WindvaneError as error:
            self._tell(where, str(error))
        except Exception:
            logger.exception("%s met an unforeseen error; its loop goes on", where)

    def _tell(self, where: str, sentence: str) -> None:
        """Log a trouble when it begins or changes, not at each tick."""
        if self._told.get(where) != sentence:
            self._told[where] = sentence
            logger.warning("%s: %s", where, sentence)

    def _roll(self, spec: ModelSpec, now: datetime) -> None:
        self._rollouts.tick(spec.name, now)

    def _end_monitors(self, models: Sequence[ModelSpec]) -> None:
        """In the thread that starts monitors, so that none is started for a model that just left."""
        names = tuple(spec.name for spec in models)
        if names != self._watched:
            end_monitors(names)
            self._watched = names

    def _watch(self, spec: ModelSpec, now: datetime) -> None:
        start_monitor(spec, self._log / spec.name)
        watermark = self._monitors.snapshot(spec.name).watermark
        if watermark is not None and spec.data.time is not None:
            self._clocks[spec.name] = datetime.fromtimestamp(watermark, UTC)
        self._watcher.tick(spec.name, now)

    def _govern(self, models: Sequence[ModelSpec]) -> None:
        """Replicas go by the set in force whoever put it there, and reviews that are overdue are told."""
        self._policies.tell()
        self._reviews.tick(models, datetime.now(UTC))

    def _no_more(self, _: ModelSpec, __: datetime) -> None:
        """Nothing for each model by itself."""

    def _tell_ray(self, spec: ModelSpec, _: datetime) -> None:
        self._ray_metrics.tell([self._desk.state(spec.name)])

    def _seal(self, spec: ModelSpec, _: datetime) -> None:
        Sealer(self._log / spec.name).seal()


def build(args: dict[str, Any]) -> Any:
    """The application that `windvane up` declares."""
    deployment: Any = Control  # the decorator's types say it is still the class
    return deployment.bind(args["settings"])
