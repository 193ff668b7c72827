"""One real Windvane for all end-to-end tests: started and ended by its own command line, as a user would."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from tritonclient.http import InferenceServerClientPlugin

from benchmarks.world import World, world
from tests.worlds.callers import issuer
from windvane.cluster.audit_paths import AuditPaths
from windvane.cluster.host.secret_files import bearer
from windvane.configs.access import FIRST_KEY
from windvane.configs.load import load_settings

PORT, GRPC_PORT, DASHBOARD_PORT = 18000, 19000, 18265
MOST_ROLLOUTS = 5  # that a loop begins, one after the other, while its model is taken out of service


@dataclass
class Place:
    """A running Windvane, with what a test needs to use it from outside."""

    home: Path
    models: Path
    environment: dict[str, str]
    http: httpx.Client = field(repr=False)
    _at_once: ThreadPoolExecutor = field(default_factory=ThreadPoolExecutor, repr=False)
    _leaving: "list[Future[None]]" = field(default_factory=list, repr=False)

    @property
    def key(self) -> dict[str, str]:
        """Headers that show the first key."""
        return bearer(self.home / FIRST_KEY)

    def windvane(self, *arguments: str, check: bool = True, timeout: float = 400.0) -> str:
        """Run the command line and return what it printed."""
        command = [str(Path(sys.executable).parent / "windvane"), *arguments]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=timeout)
        if check:
            assert done.returncode == 0, f"windvane {' '.join(arguments)}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        return done.stdout + done.stderr

    def leave(self, *models: str) -> None:
        """Take models out of service while fixtures of the next tests are made: replicas drain for seconds."""
        self._leaving += [self._at_once.submit(self._take_out, model) for model in models]

    def wait_left(self) -> None:
        """Return when those models are gone."""
        while self._leaving:
            self._leaving.pop().result()

    def _take_out(self, model: str) -> None:
        """Aborts what is under way first: a loop may have started another rollout."""
        said = ""
        for _ in range(MOST_ROLLOUTS):
            said = self.windvane("undeploy", model, check=False)
            if f"{model} is out of service" in said:
                return
            self.windvane("rollout", "abort", model, check=False)
        raise AssertionError(said)

    def status(self, model: str) -> dict[str, Any]:
        """The model's entry in the status."""
        found = self.http.get("/api/status").json()
        return next(each for each in found["models"] if each["name"] == model)

    def events(self, model: str, *kinds: str) -> list[dict[str, Any]]:
        """Events of the model, of these kinds."""
        found = self.http.get(f"/api/models/{model}/events").json()["events"]
        return [each for each in found if not kinds or each["kind"] in kinds]

    def logged_as(self, subject: str) -> str:
        """Name of the subject in the log."""
        return AuditPaths(load_settings(self.environment)).vault().hash(subject)

    def processes(self, title: str) -> list[psutil.Process]:
        """Processes of this Windvane whose title contains the text, such as `ServeReplica:control`."""
        found = []
        for process in psutil.process_iter(["cmdline"]):
            if any(title in argument for argument in process.info["cmdline"] or []) and self._is_ours(process):
                found.append(process)
        return found

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            return process.environ().get("WINDVANE_HOME") == str(self.home)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            return False


class Shown(InferenceServerClientPlugin):
    """Triton's clients, over HTTP and gRPC, send these headers with everything once it is registered."""

    def __init__(self, headers: dict[str, str]) -> None:
        self._headers = headers

    def __call__(self, request: Any) -> None:
        request.headers.update(self._headers)


def wait_for(what: str, ready: Callable[[], Any], patience_seconds: float = 120.0) -> Any:
    """Ask until the answer is truthy; a condition with a deadline, not a pause."""
    deadline = time.monotonic() + patience_seconds
    while True:
        found = ready()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not happen within {patience_seconds:.0f} s")
        time.sleep(0.1)


@pytest.fixture(scope="session")
def machine() -> Iterator[ExitStack]:
    """Ends what has the machine: two clusters at once are too much for a small one."""
    with ExitStack() as held:
        yield held


@pytest.fixture(scope="session")
def alone(machine: ExitStack) -> World:
    """A head without control, for tests that measure or need all of its CPUs; it serves what the last one left."""
    return machine.enter_context(world())


@pytest.fixture(scope="session")
def place(machine: ExitStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Up before the first test that asks for it, down after the last."""
    machine.close()
    root = tmp_path_factory.mktemp("windvane")
    models = root / "models"
    models.mkdir()
    (root / "jwks.json").write_bytes(issuer.jwks())
    (root / "issuer.yaml").write_text(
        f"issuer: {issuer.ISSUER}\naudience: {issuer.AUDIENCE}\nkeys: jwks.json\nalgorithms: [ES256]\n"
        "roles: {ml: client, boss: admin}\n"
    )
    environment = os.environ | {
        "WINDVANE_HOME": str(root / "home"),
        "WINDVANE_MODELS": str(models),
        "WINDVANE_PORT": str(PORT),
        "WINDVANE_GRPC_PORT": str(GRPC_PORT),
        "WINDVANE_DASHBOARD_PORT": str(DASHBOARD_PORT),
        "WINDVANE_TOKEN_ISSUER": str(root / "issuer.yaml"),
        "OMP_NUM_THREADS": "1",
    }
    with httpx.Client(base_url=f"http://127.0.0.1:{PORT}", timeout=30.0, trust_env=False) as http:
        found = Place(root / "home", models, dict(environment), http)
        try:
            found.windvane("up")
            http.headers.update(found.key)
            yield found
            found.wait_left()
        finally:
            found.windvane("down", check=False)
            assert not {PORT, GRPC_PORT} & listening(), "`windvane down` left a port open"


def files_with(folder: Path, text: str) -> list[Path]:
    """Files that say it somewhere.

    Another process reads them: to close an SQLite database drops every lock that the process has on it, and our own
    connections would go on without any (sqlite.org/howtocorrupt.html, 2.2).
    """
    command = ["grep", "-rlaF", "--devices=skip", "--no-messages", "-e", text, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120.0)
    return [Path(line) for line in done.stdout.splitlines()]


def listening() -> set[int]:
    """The TCP ports that anybody listens on."""
    return {each.laddr[1] for each in psutil.net_connections("tcp") if each.laddr and each.status == psutil.CONN_LISTEN}


def as_json(text: str) -> Any:
    """The last JSON document in what a command printed."""
    return json.loads(text[text.index("{") :])


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> None:
    """Before a test begins, what earlier ones deployed is gone."""
    place = getattr(item, "funcargs", {}).get("place")
    if place is not None:
        place.wait_left()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Each Ray cluster's tests stand together, since it ends before the next begins: that of control comes last."""
    items.sort(key=_cluster)


def _cluster(item: pytest.Item) -> int:
    """Rank of the cluster that a test runs on: none or its own, the one without control, those it starts, `place`."""
    ranks = {"place": 3, "alone": 1, "machine": 2}
    fixtures = getattr(item, "fixturenames", ())
    return next((rank for fixture, rank in ranks.items() if fixture in fixtures), 0)
