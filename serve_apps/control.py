"""The composition root: one replica that ticks both loops for every deployed model and answers the control API."""

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
from fastapi import FastAPI
from ray import serve
from tritonclient.grpc import service_pb2 as messages

from windvane.cluster.audit_paths import AuditPaths, StoreWitness
from windvane.cluster.callers.declared import declared
from windvane.cluster.callers.key_book import KeyBook
from windvane.cluster.decision_log.audit.auditor import Auditor
from windvane.cluster.decision_log.read.logs import models_of
from windvane.cluster.decision_log.read.sealer import Sealer
from windvane.cluster.declarations import Declarations
from windvane.cluster.errors import WindvaneError
from windvane.cluster.host.private_files import keep_private
from windvane.cluster.mlflow_registry import MlflowRegistry
from windvane.cluster.policies.cedar_policy import taken
from windvane.cluster.policies.cedar_rules import compile_policies
from windvane.cluster.policies.consent import ConsentRecords
from windvane.cluster.policies.policy_library import PolicyLibrary
from windvane.cluster.registry import registry_state
from windvane.cluster.runtime import grpc_health, head_record
from windvane.cluster.runtime.processes import run_aside, step_back
from windvane.cluster.runtime.ray_jobs import RayJobs
from windvane.cluster.runtime.serve_apps_api import ServeApplications
from windvane.cluster.sql_store import SqlStore
from windvane.configs.schema import ModelSpec
from windvane.configs.settings import Settings
from windvane.monitoring.loop.training_jobs import TrainingJobs
from windvane.monitoring.loop.watcher import Watcher
from windvane.monitoring.ray_monitor import RayMonitors, end_monitors, start_monitor
from windvane.serve_apps import serve_hooks
from windvane.serve_apps.admin.admin_audit import AdminAudit
from windvane.serve_apps.admin.admin_policy import AdminPolicy
from windvane.serve_apps.admin.app import Admins, make_app
from windvane.serve_apps.admin.governance.consents import ConsentAdmin
from windvane.serve_apps.admin.governance.policies import PolicyAdmin
from windvane.serve_apps.admin.governance.review_watch import ReviewWatch
from windvane.serve_apps.admin.governance.routes import Governance
from windvane.serve_apps.admin.inference_server import add_server_routes, server_metadata, unready
from windvane.serve_apps.admin.key_admin import KeyAdmin
from windvane.serve_apps.admin.model_admin import ModelAdmin
from windvane.serve_apps.admin.records.archive import Archive
from windvane.serve_apps.admin.records.audit_loop import AuditLoop
from windvane.serve_apps.admin.records.model_history import ModelHistory
from windvane.serve_apps.admin.records.records import RecordsAdmin
from windvane.serve_apps.admin.rollout_admin import RolloutAdmin
from windvane.serve_apps.admin.route_auth import RouteAuth, demand_guards
from windvane.serve_apps.admin.unknown_model_grpc import UnknownModelGrpc
from windvane.serve_apps.endpoints.refusal_log import RefusalLog
from windvane.serve_apps.grpc_limits import limit_messages
from windvane.serve_apps.protocol import oip_grpc
from windvane.serve_apps.rollout.controller import RolloutController
from windvane.serve_apps.rollout.prefetch import Prefetching
from windvane.serve_apps.sync.ray_switchboard import RaySwitchboard
from windvane.serve_apps.ticks.event_time_store import StampedStore
from windvane.serve_apps.ticks.forgotten_watch import ForgottenWatch
from windvane.serve_apps.ticks.model_ticks import ModelTicks
from windvane.serve_apps.ticks.ray_metrics import RayMetrics
from windvane.serve_apps.ticks.ray_waits import RayWaits
from windvane.serve_apps.ticks.snapshots import Snapshots
from windvane.serve_apps.ticks.steps import Steps

logger = logging.getLogger("windvane.control")

ROLLOUT_SECONDS = 0.2  # between looks: part of the way from a breach to the rollback
KEYS_SECONDS = 0.5
WATCH_SECONDS = 1.0
SEAL_SECONDS = 5.0
AUDIT_SECONDS = 1.0
METRICS_SECONDS = 5.0
POLICY_SECONDS = 1.0
LINK_SECONDS = 1.0
WAITS_SECONDS = 1.0


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
        serve_hooks.attach()
        keep_private()  # on a cluster that is there already, nobody else has set it
        limit_messages()
        step_back()
        self._settings = Settings.model_validate(settings)
        home = Path(self._settings.home)
        paths = AuditPaths(self._settings)
        self._log = paths.logs
        self._trail = paths.trail("control")
        self._clocks: dict[str, datetime] = {}
        store = StampedStore(SqlStore(self._settings.store_url), self._clocks.get)
        registry = MlflowRegistry(self._settings.mlflow_uri, self._settings.artifacts)
        jobs = RayJobs(f"http://127.0.0.1:{self._settings.dashboard_port}", self._settings.ray_token_file)
        self._monitors = RayMonitors(self._settings.ray_namespace)
        cache = home / "cache" / "versions"
        switchboard = RaySwitchboard(self._settings.ray_namespace)
        self._switchboard = Prefetching(switchboard, registry, cache)
        self._rollouts = RolloutController(store, registry, self._switchboard, self._monitors)
        archive = Archive(registry, self._log, cache, paths.vault, self._trail)
        self._snapshots, self._forgotten = Snapshots(), ForgottenWatch(store)
        applications = ServeApplications(f"http://127.0.0.1:{self._settings.dashboard_port}", self._settings)
        self._waits = RayWaits(applications.details, jobs.all, self._settings.ray_address is None)
        self._declarations = Declarations(store)
        ports = (store, self._declarations, registry, self._rollouts, self._snapshots)
        self._model_admin = ModelAdmin(*ports, waits=lambda: self._waits.seen)
        history = ModelHistory(store, self._declarations, registry, archive)
        rollout_admin = RolloutAdmin(self._declarations, registry, self._rollouts)
        self._authenticator = declared(self._settings)
        self._refusal_log = RefusalLog()
        self._key_admin = KeyAdmin(KeyBook(store), switchboard.publish_keys, self._authenticator)
        self._key_admin.look()
        self._admin_audit = AdminAudit(self._trail, self._knows)
        self._unknown_model_grpc = UnknownModelGrpc(
            self._authenticator,
            self._refusal_log,
            self._settings.is_local,
            self._declarations.demand_gone,
            self._admin_audit,
        )
        library = PolicyLibrary(store, compile_policies)
        admin_policy = AdminPolicy(library, taken, self._declarations.mandate)
        self._policies = PolicyAdmin(library, admin_policy, switchboard.post)
        self._records = RecordsAdmin(self._log, paths.vault, self._trail, store, registry)
        recorded = ConsentRecords(store, self._records.name_of)
        consents = ConsentAdmin(recorded, admin_policy, self._declarations.mandate, switchboard.post)
        self._records.also(consents)
        self._governance = Governance(admin_policy, self._policies, consents)
        self._admins = Admins(
            declarations=self._declarations,
            models=self._model_admin,
            history=history,
            rollouts=rollout_admin,
            keys=self._key_admin,
            governance=self._governance,
            records=self._records,
        )
        self._reviews = ReviewWatch(store, admin_policy)
        training_jobs = TrainingJobs(jobs, self._settings.environment())
        self._watcher = Watcher(store, registry, training_jobs, self._monitors, self._declarations.spec, cache)
        self._audit_loop = AuditLoop(
            self._log,
            store,
            self._trail,
            lambda: Auditor(self._log, paths.checkpoints(StoreWitness(store))),
            lambda: registry_state(registry, [spec.name for spec in self._declarations.all()]),
            library.hashes,
        )
        self._ray_metrics = RayMetrics()
        self._stopping = threading.Event()
        run_aside("windvane.serve_apps.versions.kernels")  # a replica that finds none makes its own
        self._steps = Steps()
        self._watched: tuple[str, ...] | None = None
        self._watches = ModelTicks("watch", self._watch, self._steps.going_on)
        rollouts = ModelTicks("rollout", lambda spec, now: self._rollouts.tick(spec.name, now), self._steps.going_on)
        # One at a time: what a seal waits for is the disk, which all share.
        seals = ModelTicks("seal", lambda spec, _: Sealer(self._log / spec.name).seal(), self._steps.going_on, 1)
        for name, period, ticks, before in (
            ("rollout", ROLLOUT_SECONDS, rollouts, None),
            ("keys", KEYS_SECONDS, None, lambda _: self._key_admin.refresh()),
            ("watch", WATCH_SECONDS, self._watches, self._end_monitors),
            ("seal", SEAL_SECONDS, seals, self._seal_others),
            ("audit", AUDIT_SECONDS, None, lambda models: self._audit_loop.tick(models, datetime.now(UTC))),
            ("metrics", METRICS_SECONDS, None, self._tell_ray),
            ("policies", POLICY_SECONDS, None, self._govern),
            ("waits", WAITS_SECONDS, None, lambda _: self._waits.look()),
            ("link", LINK_SECONDS, None, lambda _: head_record.mend_link(home)),
        ):
            threading.Thread(target=self._loop, args=(name, period, ticks, before), name=name, daemon=True).start()

    def __serve_build_asgi_app__(self) -> Any:
        """The ASGI app that Serve answers HTTP with."""
        route_auth = RouteAuth(self._authenticator, self._refusal_log, self._admin_audit)
        app = make_app(self._admins, route_auth, self._lifespan)
        add_server_routes(app, self._declarations.all, self._switchboard, self._governance.admin_policy.demand_open)
        demand_guards(app)
        return app

    @asynccontextmanager
    async def _lifespan(self, _: FastAPI) -> AsyncIterator[None]:
        await self._authenticator.start()
        yield
        await self._authenticator.stop()

    async def ServerLive(self, _: Any) -> Any:  # noqa: N802  the protocol's name
        """Over gRPC: control answers (Serve finds these methods by name)."""
        return oip_grpc.live()

    async def ServerReady(self, _: Any) -> Any:  # noqa: N802
        """Over gRPC: a policy set is in force, and a version of every deployed model."""
        try:
            await asyncio.to_thread(self._governance.admin_policy.demand_open)
            waiting = await asyncio.to_thread(lambda: unready(self._declarations.all(), self._switchboard))
        except WindvaneError:
            return oip_grpc.ready(False)
        except Exception:  # raised, its text would be the caller's
            logger.exception("Whether control is ready could not be found out")
            return oip_grpc.ready(False)
        return oip_grpc.ready(not waiting)

    async def Check(self, request: bytes, grpc_context: Any) -> grpc_health.Status:  # noqa: N802
        """gRPC's health service: as `ServerReady`. Of single models it says nothing, for it asks for no key."""
        if grpc_health.service_of(request) not in ("", grpc_health.PROTOCOL):
            grpc_context.set_code(grpc.StatusCode.NOT_FOUND)
            grpc_context.set_details(
                f"Ask about the server or {grpc_health.PROTOCOL}; of a model ModelReady says it, with a key"
            )
        return grpc_health.Status((await self.ServerReady(None)).ready)

    async def ServerMetadata(self, _: Any) -> Any:  # noqa: N802
        """Over gRPC: who answers, and what of the protocol it speaks."""
        return oip_grpc.server_of(server_metadata())

    async def ModelInfer(self, request: Any, grpc_context: Any) -> Any:  # noqa: N802
        """Over gRPC: of a model that is not deployed."""
        return await self._unknown_model_grpc.answer(request.model_name, messages.ModelInferResponse(), grpc_context)

    async def ModelMetadata(self, request: Any, grpc_context: Any) -> Any:  # noqa: N802
        """Over gRPC: of a model that is not deployed."""
        return await self._unknown_model_grpc.answer(request.name, messages.ModelMetadataResponse(), grpc_context)

    async def ModelReady(self, request: Any, grpc_context: Any) -> Any:  # noqa: N802
        """Over gRPC: of a model that is not deployed."""
        return await self._unknown_model_grpc.answer(request.name, messages.ModelReadyResponse(), grpc_context)

    def __del__(self) -> None:
        self._stopping.set()

    def _knows(self, model: str) -> bool:
        """Whether a model of that name is deployed or has a log; any other name may be anybody's."""
        return model in models_of(self._log) or self._declarations.find(model) is not None

    def _loop(
        self,
        name: str,
        period: float,
        ticks: ModelTicks | None,
        before: Callable[[Sequence[ModelSpec]], None] | None,
    ) -> None:
        """Every model, for ever; one model's trouble is said once, and neither stops nor delays the others."""
        while not self._stopping.is_set():
            start = time.monotonic()
            models: list[ModelSpec] = []
            self._steps.look()
            with self._steps.going_on(name):
                models += self._declarations.all()
                if before is not None:
                    before(models)
            if ticks is not None:
                ticks.begin(models)
            self._stopping.wait(max(0.0, period - (time.monotonic() - start)))
        if ticks is not None:
            ticks.close()

    def _end_monitors(self, models: Sequence[ModelSpec]) -> None:
        """Of models that left; once no tick of theirs goes on, which would start its monitor anew."""
        names = tuple(spec.name for spec in models)
        if names != self._watched and self._watches.busy <= set(names):
            end_monitors(names, self._settings.ray_namespace)
            self._watched = names

    def _watch(self, spec: ModelSpec, now: datetime) -> None:
        if self._switchboard.in_force(spec.name):  # else it would only take the CPU that the first replica starts with
            start_monitor(spec, self._log / spec.name, self._settings.ray_namespace)
        snapshot = self._monitors.snapshot(spec.name)
        self._snapshots.put(spec.name, snapshot)
        if snapshot.watermark is not None and spec.data.time is not None:
            self._clocks[spec.name] = datetime.fromtimestamp(snapshot.watermark, UTC)
        self._forgotten.look(snapshot, now)
        self._watcher.tick(spec.name, now)

    def _govern(self, models: Sequence[ModelSpec]) -> None:
        """Reviews that are overdue are told, and replicas go by the set in force whoever put it there.

        In this order, since it may be long until a Switchboard that restarts takes a set.
        """
        self._reviews.tick(models, datetime.now(UTC))
        self._policies.tell()

    def _tell_ray(self, models: Sequence[ModelSpec]) -> None:
        self._ray_metrics.tell([self._model_admin.state(spec.name) for spec in models])

    def _seal_others(self, models: Sequence[ModelSpec]) -> None:
        """The logs of control and of models that were taken out of service."""
        deployed = {spec.name for spec in models}
        for root in sorted(self._log.iterdir()) if self._log.is_dir() else ():
            if root.is_dir() and root.name not in deployed:
                Sealer(root).seal()


def build(args: dict[str, Any]) -> Any:
    """The application that `windvane up` declares."""
    serve_hooks.demand()
    deployment: Any = Control  # the decorator's types say it is still the class
    return deployment.bind(args["settings"])
