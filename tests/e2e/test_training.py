"""The training job on a real Ray that somebody else started: rows in many files, two workers."""

import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest
import xgboost
import yaml

from benchmarks.world import World
from tests.e2e.world import CHANGE, START, rows
from windvane.cluster.bundle import Bundle
from windvane.cluster.encoding import Encoder
from windvane.cluster.mlflow_registry import MlflowRegistry
from windvane.cluster.sql_store import SqlStore
from windvane.configs.load import load_settings
from windvane.training.rows.sources import MANY_FILES

FILES = MANY_FILES + 2  # so that Ray Data reads them


@pytest.fixture
def environment(tmp_path: Path, alone: World) -> dict[str, str]:
    alone.clear()  # so that both CPUs are free
    (tmp_path / "models").mkdir()
    found = [
        {"customer": row.subject, "seen_at": row.at, "churned": row.label, **row.features}
        for row in rows(6600, START, CHANGE, seed=1)
    ]
    folder = tmp_path / "rows"
    folder.mkdir()
    size = len(found) // FILES
    for number in range(FILES):
        part = pa.Table.from_pylist(found[number * size : (number + 1) * size])
        pyarrow.parquet.write_table(part, folder / f"part-{number:03}.parquet")
    spec = {
        "name": "churn",
        "owner": "sales",
        "unit": "customer",
        "target": {"name": "churned"},
        "features": [
            {"name": "amount", "type": "number", "missing": True},
            {"name": "visits", "type": "integer", "min": 0},
            {"name": "region", "type": "category", "categories": ["north", "south", "west"]},
            {"name": "member", "type": "boolean"},
        ],
        "data": {"source": str(folder / "*.parquet"), "time": "seen_at", "subject": "customer"},
        "decision": {"actions": [{"name": "call", "at_least": 0.0}]},
        "training": {"trials": 2, "max_rounds": 60, "workers": 2, "windows": ["all", "30d"]},
    }
    (tmp_path / "models" / "churn.yaml").write_text(yaml.safe_dump(spec))
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "WINDVANE_"))},
        "WINDVANE_HOME": str(tmp_path / "home"),
        "WINDVANE_MODELS": str(tmp_path / "models"),
        "RAY_ADDRESS": alone.head.address,
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(alone.settings.ray_token_file),
        "OMP_NUM_THREADS": "1",
    }


def train(environment: dict[str, str], *arguments: str) -> str:
    command = [sys.executable, "-m", "windvane.training.retrain", "--model", "churn", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


def test_many_files_and_two_workers_make_one_version(environment: dict[str, str], tmp_path: Path) -> None:
    printed = train(environment, "--reason", "first")
    assert "6600 rows until" in printed
    settings = load_settings(environment)
    registry = MlflowRegistry(settings.mlflow_uri, settings.artifacts)
    assert registry.champion("churn") == 1
    bundle = Bundle.open(registry.fetch("churn", 1, tmp_path / "fetched"))
    booster = xgboost.Booster()
    booster.load_model(bundle.booster_path)
    high, low = booster.inplace_predict(
        Encoder(bundle.spec.features).rows([(150.0, 10, "south", True), (50.0, 10, "north", True)])
    )
    assert high > 0.8
    assert low < 0.2
    with closing(SqlStore(settings.store_url)) as store:
        events = store.events("churn")
    assert [(event.kind, event.version) for event in events] == [("registered", 1)]
