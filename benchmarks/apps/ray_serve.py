"""Ray Serve without Windvane: hello-world, a bare prediction in the ingress, and the usual canary.

    python -m benchmarks.apps.ray_serve PORT MODEL.onnx hello|bare|canary

serves one of them as Ray Serve does by default. `max_ongoing_requests` is raised from 5: with the default, 64
connections get ten answers a second. In our mode the bench declares `build_…` through the dashboard instead.
"""

import random
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

import msgspec
from ray import serve
from ray.serve.handle import DeploymentHandle
from ray.serve.schema import LoggingConfig
from starlette.requests import Request

from benchmarks.apps.bare import Bare

MOST_ONGOING = 100_000
OPTIONS: dict[str, Any] = {"max_ongoing_requests": MOST_ONGOING, "ray_actor_options": {"num_cpus": 0.25}}
CANDIDATE_SHARE = 0.1


@serve.deployment
class Hello:
    """The hello-world of Ray Serve's documentation."""

    async def __call__(self, _: Request) -> str:
        """Say it."""
        return "Hello world!"


@serve.deployment
@serve.ingress()
class BareIngress:
    """The floor's ASGI app in an ingress."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)

    async def __serve_build_asgi_app__(self) -> Any:
        """App that Serve answers with."""
        return Bare(self._path)


@serve.deployment
class Model:
    """One version of the model behind the router."""

    def __init__(self, path: str) -> None:
        self._bare = Bare(Path(path))

    async def predict(self, instances: list[list[float]]) -> list[float]:
        """Probabilities of rows."""
        return self._bare.predict(instances)


@serve.deployment
class Router:
    """The canary of Ray Serve's model composition guide: pick a version, call its deployment, pass the answer on."""

    def __init__(self, champion: DeploymentHandle[Any], candidate: DeploymentHandle[Any]) -> None:
        self._champion = champion
        self._candidate = candidate

    async def __call__(self, request: Request) -> Any:
        """One prediction."""
        body = await request.body()
        if not body:
            return {"ready": True}
        chosen = self._candidate if random.random() < CANDIDATE_SHARE else self._champion
        return {"predictions": await chosen.predict.remote(msgspec.json.decode(body)["instances"])}


def build_hello(args: dict[str, Any]) -> serve.Application:
    """Hello-world; `{"quiet": true}` switches the access log off."""
    return _application(Hello, args)


def build_bare(args: dict[str, Any]) -> serve.Application:
    """The bare prediction; `path` is the model's file."""
    return _application(BareIngress, args, args["path"])


def build_canary(args: dict[str, Any]) -> serve.Application:
    """A router before two deployments of the model; `path` is the file of both."""
    models = [_application(Model, args, args["path"], name=name) for name in ("Champion", "Candidate")]
    return _application(Router, args, *models)


def _application(deployment: Any, args: dict[str, Any], *arguments: Any, **more: Any) -> serve.Application:
    options = OPTIONS | more
    if args.get("quiet"):
        options["logging_config"] = LoggingConfig(enable_access_log=False)
    return deployment.options(**options).bind(*arguments)


if __name__ == "__main__":
    import ray

    build = {"hello": build_hello, "bare": build_bare, "canary": build_canary}[sys.argv[3]]
    ray.init(num_cpus=2, include_dashboard=False, _temp_dir=tempfile.mkdtemp(prefix="wvr"), log_to_driver=False)
    serve.start(http_options=serve.HTTPOptions(host="127.0.0.1", port=int(sys.argv[1])))
    serve.run(build({"path": sys.argv[2]}), route_prefix="/")
    signal.sigwait([signal.SIGTERM, signal.SIGINT])
    serve.shutdown()
    ray.shutdown()
