"""A Windvane of the bench's own: a Ray head in our mode, and the bench model served by one replica.

    with world() as place:
        place.serve(spec_with(durability="buffered"))
        ...  # POST to f"{place.url}/v2/models/bench/decide"

Everything it starts is ended and its home removed when the block ends, by an exception or Ctrl-C too.
"""

import os
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psutil

from benchmarks import model
from windvane.cluster.callers.first_key import ensure_first_key
from windvane.cluster.callers.key_book import KeyBook
from windvane.cluster.declarations import spec_digest
from windvane.cluster.errors import Unavailable
from windvane.cluster.host.secret_files import bearer
from windvane.cluster.mlflow_registry import MlflowRegistry
from windvane.cluster.policies.first_policies import first_policies
from windvane.cluster.registry import Registration
from windvane.cluster.runtime import haproxy, processes, ray_head
from windvane.cluster.runtime.head_record import Head
from windvane.cluster.runtime.serve_apps_api import CONTROL, ServeApplications
from windvane.cluster.sql_store import SqlStore
from windvane.cluster.store import DECLARATION, Shelf
from windvane.configs.schema import ModelSpec
from windvane.configs.settings import Settings
from windvane.serve_apps.traffic.router import SPLIT, Arm, Split

NAME = model.SPEC.name
PATIENCE_SECONDS = 120.0
# ports that follow the HTTP port: statistics, proxies, gRPC (ours, Ray's), metrics, Ray's client
OFFSETS = (0, 404, 500, 1000, 1101, 1202, 1500, 2001)


def spec_with(**serving: object) -> ModelSpec:
    """The bench model's declaration with other serving settings, such as `durability="buffered"`."""
    declared = model.SPEC.model_dump(mode="json")
    declared["serving"] |= serving
    return ModelSpec.model_validate(declared)


@dataclass(frozen=True, slots=True)
class World:
    """A running head, and the one application that it serves at a time."""

    settings: Settings
    head: Head
    applications: ServeApplications

    @property
    def url(self) -> str:
        """URL that HAProxy listens on."""
        return f"http://127.0.0.1:{self.settings.port}"

    @property
    def headers(self) -> dict[str, str]:
        """Headers that show its first key."""
        return bearer(self.settings.key_file)

    @property
    def header_lines(self) -> list[str]:
        """The same, as lines of a request."""
        return [f"{name}: {value}" for name, value in self.headers.items()]

    @property
    def path(self) -> str:
        """The bench model's route."""
        return f"/v2/models/{NAME}"

    def serve(self, spec: ModelSpec = model.SPEC, builder: str = "windvane.serve_apps.gateway:build") -> None:
        """Make this declaration the only application, and return when its one replica answers."""
        body = spec.model_dump_json().encode()
        with closing(SqlStore(self.settings.store_url)) as store:
            saved = store.get(DECLARATION, NAME)
            store.put(DECLARATION, NAME, body, saved.revision if saved else 0)
        settings = self.settings.model_dump(mode="json")
        arguments = {"model": NAME, "settings": settings, "spec_digest": spec_digest(body)}
        self.declare(self.path, builder, arguments, f"{self.path}/ready")

    def declare(self, route: str, builder: str, arguments: Mapping[str, Any], ready: str) -> None:
        """Serve one application instead of the one before; returns when GET `ready` gives 200."""
        self.clear()
        self.applications.declare(NAME, route, builder, dict(arguments))
        self.applications.wait_running(NAME, PATIENCE_SECONDS, lambda _: None)
        wait_for(f"{self.url}{ready}", self.headers)

    def clear(self) -> None:
        """Take the application down, control stays; returns when its processes are gone."""
        replicas = self.replicas()
        self.applications.remove(NAME)
        _, left = psutil.wait_procs(replicas, timeout=PATIENCE_SECONDS)
        if left:
            raise Unavailable(f"Replicas still run after {PATIENCE_SECONDS:.0f} s: {[each.pid for each in left]}")

    def family(self) -> list[psutil.Process]:
        """Every process of the head, of Serve and of the application, HAProxy too."""
        run = Path(self.head.run)
        found = processes.find(self.head.marks) + processes.mentioning(str(run / "ray"))
        return processes.with_descendants(found + haproxy.ours(run))

    def replica(self) -> psutil.Process:
        """The process that answers for the bench model."""
        found = self.replicas()
        if not found:
            raise Unavailable(f"No replica of {NAME} is running: call `serve` first")
        return found[0]

    def replicas(self) -> list[psutil.Process]:
        """Every process that answers for the bench model, or is about to, or just did."""
        title = f"ray::ServeReplica:{NAME}:"
        return [process for process in self.family() if any(text.startswith(title) for text in _command(process))]

    def control(self) -> None:
        """Run control beside the application, as `windvane up` does: both loops, the monitor, the console."""
        self.applications.deploy_control()
        self.applications.wait_running(CONTROL, PATIENCE_SECONDS, lambda _: None)
        wait_for(f"{self.url}/api/health")


@contextmanager
def world(spec: ModelSpec | None = None) -> Iterator[World]:
    """A home with the bench model as champion, and a head that serves it when a declaration is given."""
    here = Path(__file__).resolve().parent.parent
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(here), os.environ.get("PYTHONPATH")]))
    home = Path(tempfile.mkdtemp(prefix="wvb"))
    try:
        settings = _settings(home)
        with ThreadPoolExecutor() as meanwhile:  # MLflow takes seconds to make its database, and Ray to start
            registered = meanwhile.submit(_register, settings)
            first_policies(settings, datetime.now(UTC))
            head = ray_head.start(settings)
        try:
            registered.result()
            with closing(ServeApplications(head.dashboard_url, settings)) as applications:
                place = World(settings, head, applications)
                wait_until(applications.answers, "the Ray dashboard")
                if spec is not None:
                    place.serve(spec)
                yield place
        finally:
            ray_head.end(home, head)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def free_port(offsets: tuple[int, ...] = (0,)) -> int:
    """A port that is free on loopback, and so are those at the offsets from it."""
    for _ in range(1000):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            # Below the ports of replicas and those that the kernel gives to outgoing connections.
            port: int = probe.getsockname()[1] % 17_000 + 10_000
        if all(_is_free(port + offset) for offset in offsets):
            return port
    raise Unavailable("There is no free port: end servers that are left from another run")


def wait_for(url: str, headers: Mapping[str, str] | None = None, patience_seconds: float = PATIENCE_SECONDS) -> None:
    """Return when GET gives 200."""

    def ready() -> bool:
        try:
            return httpx.get(url, headers=headers, timeout=5.0, trust_env=False).status_code == 200
        except httpx.HTTPError:
            return False

    wait_until(ready, url, patience_seconds)


def _settings(home: Path) -> Settings:
    """Settings with ports that are free."""
    port = free_port(OFFSETS)
    return Settings(
        home=str(home),
        port=port,
        grpc_port=port + 1000,
        dashboard_port=free_port(),
        store_url=f"sqlite:///{home}/windvane.db",
        mlflow_uri=f"sqlite:///{home}/mlflow.db",
        models_dir=str(home),
    )


def _register(settings: Settings) -> None:
    """The bench model as champion in registry and store, and the key to ask it with."""
    registry = MlflowRegistry(settings.mlflow_uri, settings.artifacts)
    order = Registration(NAME, model.SPEC.owner, "first", "champion", None, None, {}, {}, {})
    version = registry.register(order, model.bundle().folder)
    registry.set_champion(NAME, version.number)
    split = Split(NAME, 1, "bench", (Arm("champion", version.number, 1.0),))
    with closing(SqlStore(settings.store_url)) as store:
        Shelf(store, SPLIT, Split).save(NAME, split, 0)
        ensure_first_key(Path(settings.home), KeyBook(store), datetime.now(UTC))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def wait_until(ready: Any, what: str, patience_seconds: float = PATIENCE_SECONDS) -> None:
    """Ask until it is ready; a condition with a deadline."""
    deadline = time.monotonic() + patience_seconds
    while not ready():
        if time.monotonic() > deadline:
            raise Unavailable(f"{what} did not answer within {patience_seconds:.0f} s")
        time.sleep(0.1)


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []
