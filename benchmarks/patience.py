"""Time that a person waits, beside the least that it could be, in the same run on the same machine.

    python -m benchmarks.patience [--no-training]

Starts and ends a Ray head twice, once with one line of Ray Serve and once with Windvane; wants an idle machine. Exits
with 1 when a bound is missed; its last line is the verdict.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks import world
from benchmarks.patience_rows import Row, render, verdict
from benchmarks.patience_training import ROWS, least_of, write_rows
from tests.worlds.bundles import make_bundle
from windvane.cluster.mlflow_registry import MlflowRegistry
from windvane.cluster.registry import Registration
from windvane.cluster.runtime import addresses, ray_head
from windvane.cluster.runtime.dashboard import last_lines
from windvane.cluster.runtime.serve_apps_api import ServeApplications
from windvane.configs.load import load_model, load_settings
from windvane.configs.settings import Settings

HELLO = "benchmarks.apps.ray_serve:build_hello"
TIMES = 5  # each verb is called, in turn with the bare one
VERBS = (("status",), ("versions", "first"), ("events", "first"), ("keys", "list"), ("policy", "status"))
VERB_FACTOR, UP_SECONDS, DEPLOY_SECONDS, TRAIN_SECONDS, TRAIN_FACTOR = 4.0, 5.0, 5.0, 5.0, 3.0
PATIENCE_SECONDS = 600.0
BARE = """
import click, httpx
shown = {{"authorization": "Bearer " + open({key!r}).read()}}
click.echo(httpx.get({url!r}, headers=shown, trust_env=False).status_code)
"""


def main() -> int:
    """Measure, print, and say with the exit status whether every bound holds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--no-training", action="store_true", help="leave the trainings out")
    given = parser.parse_args()
    here = str(Path(__file__).resolve().parent.parent)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (here, os.environ.get("PYTHONPATH"))))
    with TemporaryDirectory(prefix="wvp") as folder:
        rows = list(_measured(Path(folder), given.no_training))
    print(render(rows))  # noqa: T201  what it is for
    print(verdict(rows))  # noqa: T201
    return 0 if all(row.holds for row in rows) else 1


def _measured(folder: Path, without_training: bool) -> Iterator[Row]:
    least = _hello(_settings(folder / "hello"))
    settings = _settings(folder / "wv")
    models = Path(settings.models_dir)
    models.mkdir(parents=True)
    for name, count in {"first": 500, "second": 500, **ROWS}.items():
        write_rows(models / f"{name}.csv", count)
        _windvane(settings, "init", name, "--data", str(models / f"{name}.csv"), "--target", "bought")
    started = time.perf_counter()
    try:
        said = _windvane(settings, "up")
        seconds = time.perf_counter() - started
        yield Row("windvane up", seconds, least, least + UP_SECONDS, said.splitlines()[-1])
        _register(settings, "first", "second")
        yield from _deployed(settings)
        yield from _asked(settings)
        if not without_training:
            yield from _trained(settings)
    finally:
        _windvane(settings, "down")


def _hello(settings: Settings) -> float:
    """Seconds until one line of Ray Serve answers behind HAProxy, on a head of its own that is started like ours."""
    home = Path(settings.home)
    started = time.perf_counter()
    head = ray_head.start(settings)
    try:
        with closing(ServeApplications(head.dashboard_url, settings)) as applications:
            world.wait_until(applications.answers, "the Ray dashboard")
            applications.declare("hello", "/", HELLO, {"quiet": True})
            world.wait_for(addresses.url(settings))
        return time.perf_counter() - started
    finally:
        ray_head.end(home, head)


def _deployed(settings: Settings) -> Iterator[Row]:
    """The second deployment, beside one line of Ray Serve on the same cluster."""
    _windvane(settings, "deploy", "first")
    dashboard = addresses.demand_dashboard(settings)
    with closing(ServeApplications(dashboard, settings)) as applications:
        started = time.perf_counter()
        applications.declare("hello", "/hello", HELLO, {"quiet": True})
        world.wait_for(f"{addresses.url(settings)}/hello")
        least = time.perf_counter() - started
        applications.remove("hello")
        applications.wait_gone("hello", PATIENCE_SECONDS, lambda _: None)
    began = datetime.now()
    started = time.perf_counter()
    _windvane(settings, "deploy", "second")
    seconds = time.perf_counter() - started
    yield Row("windvane deploy", seconds, least, DEPLOY_SECONDS, _stages(settings, "second", began, seconds))


def _stages(settings: Settings, model: str, began: datetime, seconds: float) -> str:
    """Stages of a deployment in seconds, by the log of Serve's controller."""
    marks = {"Deploying new app": "asked", "Imported and built": "built", "started successfully": "replica started"}
    logs = Path(settings.home, "run", "ray", "session_latest", "logs", "serve")
    told, before = [], 0.0
    lines = [line for log in logs.glob("controller_[0-9]*.log") for line in log.read_text().splitlines()]
    for words, name in marks.items():
        found = [line for line in lines if words in line and f"'{model}'" in line]
        if found:
            moment = datetime.strptime(" ".join(found[-1].split()[1:3]), "%Y-%m-%d %H:%M:%S,%f")
            after = (moment - began).total_seconds()
            told.append(f"{name} +{after - before:.1f} s")
            before = after
    return ", ".join([*told, f"answers +{seconds - before:.1f} s"])


def _asked(settings: Settings) -> Iterator[Row]:
    """Every verb in turn with a bare Python that imports click and httpx and asks once."""
    bare = BARE.format(url=f"{addresses.url(settings)}/api/status", key=str(settings.key_file))
    for verb in VERBS:
        ours, theirs = [], []
        for _ in range(TIMES):
            theirs.append(_seconds([sys.executable, "-c", bare], settings))
            ours.append(_seconds([_program(), *verb], settings))
        least = median(theirs)
        imports = _seconds([sys.executable, "-c", f"import windvane.cluster.cli.{_file(verb[0])}"], settings)
        where = f"{imports:.2f} s of it imports"
        yield Row(f"windvane {' '.join(verb)}", median(ours), least, VERB_FACTOR * least, where)


def _trained(settings: Settings) -> Iterator[Row]:
    """Trainings, beside the start of a job on Ray that does nothing and the same search and fit by plain xgboost."""
    ray = str(Path(sys.executable).with_name("ray"))
    job = _seconds([ray, "job", "submit", "--", "python", "-c", "pass"], settings)
    for name, count in ROWS.items():
        plain = least_of(load_model(name, settings))
        started = time.perf_counter()
        said = _windvane(settings, "train", name)
        seconds = time.perf_counter() - started
        limit = job + TRAIN_SECONDS + TRAIN_FACTOR * plain
        where = f"{last_lines(said, 2).splitlines()[0].strip()}; a job's start {job:.1f} s, plain xgboost {plain:.1f} s"
        yield Row(f"windvane train, {count:,} rows", seconds, job + plain, limit, where)


def _settings(home: Path) -> Settings:
    home.mkdir(parents=True)
    port = world.free_port(world.OFFSETS)
    return load_settings(
        {
            "WINDVANE_HOME": str(home),
            "WINDVANE_MODELS": str(home / "models"),
            "WINDVANE_PORT": str(port),
            "WINDVANE_DASHBOARD_PORT": str(world.free_port()),
        }
    )


def _register(settings: Settings, *models: str) -> None:
    """A small real champion of each, without the time that a training takes."""
    registry = MlflowRegistry(settings.mlflow_uri, settings.artifacts)
    for seed, name in enumerate(models):
        spec = load_model(name, settings)
        with _folder() as folder:
            order = Registration(name, spec.owner, "for the bench", "champion", None, None, {}, {}, {})
            version = registry.register(order, make_bundle(folder, seed, spec))
        registry.set_champion(name, version.number)


@contextmanager
def _folder() -> Iterator[Path]:
    with TemporaryDirectory() as folder:
        yield Path(folder)


def _file(verb: str) -> str:
    from windvane.cluster.cli import VERBS as FILES

    return FILES[verb]


def _program() -> str:
    return str(Path(sys.executable).with_name("windvane"))


def _windvane(settings: Settings, *words: str) -> str:
    """Output of the command, in one line; raises when it fails."""
    done = _run([_program(), *words], settings)
    return done.stdout + "; ".join(done.stderr.strip().splitlines())


def _seconds(command: list[str], settings: Settings) -> float:
    started = time.perf_counter()
    _run(command, settings)
    return time.perf_counter() - started


def _run(command: list[str], settings: Settings) -> subprocess.CompletedProcess[str]:
    environment = os.environ | settings.environment()
    environment |= {
        "RAY_API_SERVER_ADDRESS": f"http://127.0.0.1:{settings.dashboard_port}",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(settings.ray_token_file),
    }
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE_SECONDS)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    return done


if __name__ == "__main__":
    sys.exit(main())
