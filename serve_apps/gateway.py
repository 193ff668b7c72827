"""The Serve application of one model: Ray's replica around a `Replica` of ours.

Serve imports this in a process of its own to build the application, then in another that becomes the replica, and
whoever deploys waits for both: what only the replica needs is imported by the replica.
"""

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from ray import serve
from ray.serve.config import AutoscalingConfig, AutoscalingPolicy
from ray.serve.schema import LoggingConfig

from windvane.cluster.declarations import load_spec
from windvane.cluster.host.private_files import keep_private
from windvane.cluster.runtime import haproxy, haproxy_queue
from windvane.cluster.runtime.haproxy_queue import Queue
from windvane.cluster.sql_store import SqlStore
from windvane.configs.schema import ModelSpec, Serving
from windvane.configs.settings import Settings
from windvane.serve_apps import autoscaling, serve_hooks

if TYPE_CHECKING:
    from windvane.serve_apps.replica import Replica

MOST_ONGOING_REQUESTS = 100_000  # the Gateway counts waiting rows itself and answers 429
SHUTDOWN_SECONDS = 20.0
HEALTH_SECONDS = 2.0  # between two looks; at the third that fails, Serve replaces the replica
LEAST_INSIDE = 32  # requests in a replica at a time
QUEUED_SHARE = 0.25  # of the time that an answer may take: so long a request may wait for a place in a replica
POLICY = f"{autoscaling.__name__}:{autoscaling.desired_replicas.__name__}"


@serve.deployment(name="Gateway")
@serve.ingress()
class Gateway:
    """Thin on purpose: Serve pickles this class by value, everything behind it is imported."""

    def __init__(self, model: str, settings: dict[str, Any], spec_digest: str) -> None:
        self._model = model
        self._settings = Settings.model_validate(settings)
        self._spec_digest = spec_digest  # a changed declaration makes Serve roll the replicas
        self._replica: Replica | None = None  # until Serve asks for the app

    async def __serve_build_asgi_app__(self) -> Any:
        """The endpoint; its lifespan loads versions before Serve sends traffic, and drains before Serve ends it."""
        from windvane.cluster.callers.declared import declared
        from windvane.cluster.storage.open_storage import open_storage
        from windvane.serve_apps.grpc_limits import limit_messages
        from windvane.serve_apps.replica import Replica
        from windvane.serve_apps.sync.ray_replica_lines import ray_lines

        serve_hooks.attach()
        keep_private()  # on a cluster that is there already, nobody else has set it
        settings = self._settings
        storage = open_storage(settings)
        name = f"{serve.get_replica_context().replica_tag}-{uuid4().hex[:8]}"
        replica = Replica(
            load_spec(storage.store, self._model),
            name,
            storage,
            ray_lines(self._model, name, settings.ray_namespace),
            declared(settings),
            settings.is_local,
        )
        self._replica = replica
        limit_messages(replica.spec.serving.max_body_bytes)
        haproxy_queue.declare(
            haproxy.config_path(Path(settings.home) / "run").parent, self._model, queue_of(replica.spec)
        )
        return replica.http_app

    def check_health(self) -> None:
        """Raise when the replica can never decide again: its address leaves HAProxy, and Serve replaces it.

        Serve finds this method by name, and its `/-/healthz`, which HAProxy asks, goes by it. The first look comes when
        uvicorn has started and nobody is sent here yet: on a head of ours the replica has to be behind the ingress.
        """
        if self._replica is not None:
            self._replica.check_health()
            if self._settings.ray_address is None:
                self._replica.demand_in_front()

    async def record_autoscaling_stats(self) -> dict[str, float]:
        """Count this replica's requests that Serve does not see; Serve finds this method by name."""
        return {autoscaling.PAST_SERVE: self._replica.past_serve if self._replica else 0.0}

    @property
    def _answering(self) -> "Replica":
        assert self._replica is not None, "Serve opens its gRPC port once the app is there"
        return self._replica

    async def ModelInfer(self, request: Any, grpc_context: Any) -> Any:  # noqa: N802  the protocol's name
        """Decide; Serve finds these methods by name and opens its gRPC port once versions are loaded."""
        return await self._answering.oip_grpc.infer(request, grpc_context)

    async def ModelMetadata(self, request: Any, grpc_context: Any) -> Any:  # noqa: N802
        """Describe the model's inputs and outputs."""
        return await self._answering.oip_grpc.metadata(request, grpc_context)

    async def ModelReady(self, request: Any, grpc_context: Any) -> Any:  # noqa: N802
        """Whether the model can answer."""
        return await self._answering.oip_grpc.ready(request, grpc_context)


def build(args: dict[str, Any]) -> serve.Application:
    """The application for `{"model", "settings", "spec_digest"}`, scaled as the deployed declaration says."""
    serve_hooks.demand()
    settings = Settings.model_validate(args["settings"])
    with closing(SqlStore(settings.store_url)) as store:
        serving = load_spec(store, args["model"]).serving
    deployment: Any = Gateway  # the decorator's types say it is still the class
    return deployment.options(**options_of(serving)).bind(
        args["model"], settings.model_dump(mode="json"), args.get("spec_digest", "")
    )


def queue_of(spec: ModelSpec) -> Queue:
    """Queue that HAProxy keeps: enough at a time that autoscaling sees that more are asked for, and full batches."""
    aimed_at = spec.serving.target_ongoing_requests
    return Queue(
        most_inside=max(LEAST_INSIDE, aimed_at + aimed_at // 4 + 1),
        longest_wait_ms=max(1, int(QUEUED_SHARE * spec.slo.latency_p99_ms)),
        most_body_bytes=spec.serving.max_body_bytes,
    )


def options_of(serving: Serving) -> dict[str, Any]:
    """Options of a Gateway for Serve: how many replicas, and how each starts and stops."""
    options: dict[str, Any] = {
        "max_ongoing_requests": MOST_ONGOING_REQUESTS,
        "ray_actor_options": {"num_cpus": serving.num_cpus},
        "graceful_shutdown_timeout_s": SHUTDOWN_SECONDS,
        "health_check_period_s": HEALTH_SECONDS,
        "logging_config": LoggingConfig(enable_access_log=False, log_level="WARNING"),
    }
    if serving.min_replicas == serving.max_replicas:
        options["num_replicas"] = serving.min_replicas
    else:
        options["autoscaling_config"] = AutoscalingConfig(
            min_replicas=serving.min_replicas,
            max_replicas=serving.max_replicas,
            target_ongoing_requests=serving.target_ongoing_requests,
            policy=AutoscalingPolicy(policy_function=POLICY),
        )
    return options
