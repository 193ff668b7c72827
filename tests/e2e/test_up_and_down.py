"""Starting and stopping where a stranger would: odd homes, taken ports, a repository with packages named as ours."""

import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from benchmarks.world import OFFSETS, free_port
from tests.e2e.conftest import Place, as_json, wait_for
from tests.e2e.untrained import register
from tests.e2e.world import CHANGE, START, instance, rows, write_csv
from tests.worlds.bundles import make_bundle
from windvane.cluster.host.run_folder import shortest
from windvane.cluster.host.secret_files import bearer
from windvane.cluster.runtime.processes import mentioning
from windvane.configs.load import load_model, load_settings
from windvane.configs.settings import Settings

MODELS = 6
OURS = ("cluster", "configs", "monitoring", "serve_apps", "training")


@dataclass
class Stranger:
    """Somebody who calls `windvane` in a repository that has packages of the same names."""

    folder: Path
    environment: dict[str, str]

    @property
    def settings(self) -> Settings:
        return load_settings(self.environment)

    @property
    def command(self) -> str:
        return str(Path(sys.executable).with_name("windvane"))

    def starts(self, *words: str, **variables: str) -> "subprocess.Popen[str]":
        """A command that goes on."""
        command = (
            [self.command, *words] if words[0] != "ray" else [str(Path(self.command).with_name("ray")), *words[1:]]
        )
        environment = self.environment | variables
        pipe, both = subprocess.PIPE, subprocess.STDOUT
        return subprocess.Popen(command, cwd=self.folder, env=environment, stdout=pipe, stderr=both, text=True)

    def says(self, *words: str, status: int = 0, **variables: str) -> str:
        """Output of a command that ended as it should."""
        process = self.starts(*words, **variables)
        text: str = process.communicate(timeout=400.0)[0]
        assert process.returncode == status, f"{' '.join(words)}\n{text[-4000:]}"
        return text

    def left(self) -> list[list[str]]:
        """Processes that belong to this home."""
        run = shortest(Path(self.settings.home))
        assert run is not None
        return [process.cmdline() for process in mentioning(str(run))]


@pytest.fixture(scope="module")
def stranger(machine: ExitStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stranger]:
    """Nothing is up yet; whatever is up at the end is ended."""
    machine.close()
    root = tmp_path_factory.mktemp("stranger")
    repository = root / "their repository"
    for name in OURS:
        (repository / name).mkdir(parents=True)
        (repository / name / "__init__.py").write_text("raise SystemExit('the package of the user was run')\n")
    deep = root / ("t" * 70)
    deep.mkdir()
    port = free_port(OFFSETS)
    found = Stranger(
        repository,
        {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "WINDVANE_"))}
        | {
            "WINDVANE_HOME": str(root / "a home"),
            "WINDVANE_MODELS": str(root / "models"),
            "WINDVANE_PORT": str(port),
            "WINDVANE_DASHBOARD_PORT": str(free_port()),
            "TMPDIR": str(deep),
            "LOGNAME": "somebody-else",
            "PYTHONPATH": ".",
            "OMP_NUM_THREADS": "1",
        },
    )
    try:
        yield found
    finally:
        found.says("down")
        assert found.left() == []
        link = shortest(Path(found.settings.home))
        assert link is not None
        assert not link.exists(), "the link to the sockets was left in /tmp"


def test_taken_ports_are_told_at_once_and_nothing_is_left(stranger: Stranger) -> None:
    """Two of them; tests/unit/cluster/host/test_preconditions.py has them all."""
    ports = [int(stranger.environment["WINDVANE_PORT"]) + offset for offset in (0, 2001)]
    with ExitStack() as taken:
        for port in ports:
            taken.enter_context(socket.create_server(("127.0.0.1", port)))
        started = time.monotonic()
        said = stranger.says("up", status=1)
        assert time.monotonic() - started < 15.0
        examined = stranger.says("doctor", status=1)
        assert said.count(f"in use by {psutil.Process().name()} (process {os.getpid()}") == len(ports)
        assert [f"Port {port} (" in text for port in ports for text in (said, examined)] == [True] * 4
    assert stranger.left() == []
    assert not Path(stranger.settings.home).exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_start_that_is_broken_off_leaves_no_process(stranger: Stranger, number: signal.Signals) -> None:
    process = stranger.starts("up")
    run = shortest(Path(stranger.settings.home))
    wait_for("Ray's start", lambda: any("gcs_server" in " ".join(each) for each in stranger.left()))
    process.send_signal(number)
    process.communicate(timeout=60.0)
    assert process.returncode == 130
    assert stranger.left() == []
    assert run is not None
    assert not run.exists()


def test_two_at_once_are_one_after_the_other(stranger: Stranger) -> None:
    processes = [stranger.starts("up") for _ in range(2)]
    texts = [process.communicate(timeout=300.0)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], texts
    assert sum("starting Ray" in text for text in texts) == 1
    assert any("waiting for another `windvane up` or `down` of this home" in text for text in texts)
    assert "Windvane is up" in stranger.says("up"), "and once more changes nothing"
    assert "Windvane is running" in stranger.says("doctor")


def test_our_training_runs_in_a_repository_with_a_training_of_its_own(stranger: Stranger, tmp_path: Path) -> None:
    write_csv(tmp_path / "churn.csv", rows(1500, START, CHANGE, 7))
    stranger.says("init", "churn", "--data", str(tmp_path / "churn.csv"), "--target", "churned")
    with (Path(stranger.settings.models_dir) / "churn.yaml").open("a") as drafted:
        drafted.write("training: {trials: 1, tune_budget: 5s, max_rounds: 20, bootstrap: 50}\n")
    assert "churn version 1 is registered" in stranger.says("train", "churn")
    exports: dict[str, Any] = dict(shlex.split(line)[1].split("=", 1) for line in stranger.says("env").splitlines())
    job = (
        "ray",
        "job",
        "submit",
        "--working-dir",
        ".",
        "--",
        "python",
        "-m",
        "windvane.training.retrain",
        "--model",
        "churn",
    )
    said = stranger.says(*job, **exports)
    assert "churn version 2 is registered" in said
    acts = stranger.says("decisions", "control", "--sql", "select distinct who from acts")
    assert "somebody-else" not in acts


def test_a_backup_is_put_back_and_serves_again(stranger: Stranger, tmp_path: Path) -> None:
    """Half of the home is lost; what is taken over of the rest: tests/unit/cluster/backups/test_restore.py."""
    settings, places = stranger.settings, (tmp_path / "backups", tmp_path / "keys")
    backup = ("backup", str(places[0]), "--keys", str(places[1]))
    stranger.says("deploy", "churn")
    asked = json.dumps(instance(rows(1, START, CHANGE, 7)[0]))
    decision = as_json(stranger.says("decide", "churn", asked))
    stranger.says("down")
    stranger.says(*backup)
    shutil.rmtree(Path(settings.home) / "mlflow")
    (Path(settings.home) / "windvane.db").unlink()
    archives = [str(next(place.iterdir())) for place in places]
    said = stranger.says("restore", archives[0], "--keys", archives[1])
    assert "By hand: the former store does not say which keys were revoked" in said
    assert "nothing was changed" in said
    stranger.says("up")
    told = as_json(stranger.says("explain", decision["decision_id"], "--json"))
    assert (told["decision_id"], told["version"]) == (decision["decision_id"], 1)
    ready = f"http://127.0.0.1:{settings.port}/v2/models/churn/ready"
    shown = bearer(settings.key_file)
    wait_for("the model", lambda: httpx.get(ready, headers=shown, trust_env=False, timeout=30.0).is_success)
    assert as_json(stranger.says("decide", "churn", asked))["prediction"] == decision["prediction"]


@pytest.mark.timeout(900)
def test_six_models_and_a_training_have_room_on_two_cores(stranger: Stranger, tmp_path: Path) -> None:
    """Five held more CPUs than there were for a training, which waited without a word."""
    settings = stranger.settings
    spec = load_model("churn", settings)
    place = Place(Path(settings.home), Path(settings.models_dir), stranger.environment, httpx.Client())
    names = ["churn", *(f"churn{number}" for number in range(2, MODELS + 1))]
    for seed, name in enumerate(names):
        named = spec.model_copy(update={"name": name})
        if name != "churn":
            (Path(settings.models_dir) / f"{name}.yaml").write_text(named.model_dump_json(exclude_unset=True))
            register(place, named, make_bundle(tmp_path / name, seed, named))
    deploying = [stranger.starts("deploy", name) for name in names]
    printed = [process.communicate(timeout=300.0)[0] for process in deploying]
    assert [process.returncode for process in deploying] == [0] * MODELS, printed
    assert "is registered as" in stranger.says("train", "churn")
    url = f"http://127.0.0.1:{settings.port}"
    with httpx.Client(base_url=url, headers=bearer(settings.key_file), trust_env=False, timeout=30.0) as http:
        assert all(http.get(f"/v2/models/{name}/ready").status_code == 200 for name in names)
        assert http.get("/api/status").json()["waits"] == []


def test_who_finds_no_room_says_so_and_what_to_do(stranger: Stranger) -> None:
    file = Path(stranger.settings.models_dir) / "churn2.yaml"
    text, spec = file.read_text(), load_model("churn2", stranger.settings)
    greedy = spec.model_copy(update={"serving": spec.serving.model_copy(update={"num_cpus": 99.0})})
    file.write_text(greedy.model_dump_json(exclude_unset=True))
    process = stranger.starts("deploy", "churn2")
    assert process.stdout is not None
    end = threading.Timer(120.0, process.kill)
    end.start()
    try:
        assert any("churn2 waits for 99 CPU" in line for line in process.stdout), "the terminal does not say who waits"
        wait_for("the wait in the status", lambda: "churn2 waits for 99 CPU" in stranger.says("status"))
        assert "`windvane undeploy MODEL` or give churn2 less with serving.num_cpus" in stranger.says("status")
    finally:
        end.cancel()
        process.terminate()
        process.communicate(timeout=60.0)
    file.write_text(text)
    stranger.says("deploy", "churn2")


def test_a_link_that_somebody_cleans_away_is_put_back(stranger: Stranger) -> None:
    """Every command hung for three minutes, and then Ray had made a real folder in the link's place."""
    link = shortest(Path(stranger.settings.home))
    assert link is not None
    assert link.is_symlink()
    link.unlink()
    wait_for("the link", link.is_symlink, 20.0)
    stranger.says("undeploy", "churn3")
    stranger.says("deploy", "churn3")
