"""The registry's promises on MLflow itself, and what only a real tool can get wrong."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.worlds.registry_contract import FIRST, RegistryContract
from windvane.cluster.errors import Unavailable
from windvane.cluster.mlflow_client import open_client
from windvane.cluster.mlflow_registry import MlflowRegistry
from windvane.cluster.registry import Registry


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mlflow home")


def at(home: Path) -> MlflowRegistry:
    return MlflowRegistry(f"sqlite:///{home}/mlflow.db", home / "artifacts")


@pytest.fixture(scope="module")
def registry(home: Path) -> Registry:
    return at(home)


class TestMlflowRegistry(RegistryContract):
    def test_the_run_keeps_params_tags_report_and_a_path_of_its_model(
        self, registry: MlflowRegistry, model: str, bundle: Path, home: Path, tmp_path: Path
    ) -> None:
        report = tmp_path / "plots"
        report.mkdir()
        (report / "auc.png").write_bytes(b"png")
        made = registry.register(replace(FIRST, model=model), bundle, report)
        registry.set_standing(model, 1, "rejected", "worse than the margin")
        client = open_client(f"sqlite:///{home}/mlflow.db")
        run = client.get_run(made.run_id)
        assert run.info.status == "FINISHED"
        assert run.data.params["max_depth"] == "6"
        assert run.data.tags["data_sha256"] == "ab12"
        assert run.data.tags["t149"] == "v"
        assert run.data.metrics == {"auc": 0.71, "log_loss": 0.5}
        stored = home / "artifacts" / model / made.run_id / "artifacts"
        assert (stored / "report" / "auc.png").read_bytes() == b"png"
        assert client.get_model_version(model, "1").tags["windvane.why"] == "worse than the margin"

    def test_the_run_of_a_process_that_was_killed_while_it_registered_ends_with_the_next_one(
        self, registry: MlflowRegistry, model: str, bundle: Path, home: Path
    ) -> None:
        registry.register(replace(FIRST, model=model), bundle)
        client = open_client(f"sqlite:///{home}/mlflow.db")
        experiment = client.get_experiment_by_name(model).experiment_id
        left, just_begun = client.create_run(experiment, start_time=1), client.create_run(experiment)
        registry.register(replace(FIRST, model=model), bundle)
        assert client.get_run(left.info.run_id).info.status == "KILLED"
        assert client.get_run(just_begun.info.run_id).info.status == "RUNNING"

    def test_a_copy_that_was_killed_halfway_is_thrown_away(
        self, registry: MlflowRegistry, model: str, bundle: Path, tmp_path: Path
    ) -> None:
        registry.register(replace(FIRST, model=model), bundle)
        left = tmp_path / "cache" / model / ".1.part" / "bundle"
        left.mkdir(parents=True)
        (left / "model.onnx").write_bytes(b"half")
        (left / "junk").write_bytes(b"")
        folder = registry.fetch(model, 1, tmp_path / "cache")
        assert sorted(file.name for file in folder.iterdir()) == ["deep", "model.onnx"]
        assert (folder / "model.onnx").read_bytes() == b"\x00onnx"
        assert not left.exists()

    def test_a_run_that_cannot_be_completed_is_failed_and_makes_no_version(
        self, model: str, bundle: Path, home: Path
    ) -> None:
        (home / "file").write_text("no folder can be made below a file")
        registry = MlflowRegistry(f"sqlite:///{home}/mlflow.db", home / "file")
        with pytest.raises(Unavailable, match="Not a directory"):
            registry.register(replace(FIRST, model=model), bundle)
        assert registry.versions(model) == ()
        client = open_client(f"sqlite:///{home}/mlflow.db")
        [run] = client.search_runs([client.get_experiment_by_name(model).experiment_id])
        assert run.info.status == "FAILED"


def test_a_copy_made_before_is_found_without_opening_mlflow(tmp_path: Path) -> None:
    (tmp_path / "cache" / "churn" / "3").mkdir(parents=True)
    program = (
        "import sys; from pathlib import Path; from windvane.cluster.mlflow_registry import MlflowRegistry;"
        "print(MlflowRegistry('sqlite:////nowhere/m.db', Path('/nowhere')).fetch('churn', 3, Path(sys.argv[1])));"
        "assert 'mlflow' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "cache")], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str(tmp_path / "cache" / "churn" / "3")


def test_many_processes_may_open_it_first_and_none_says_a_word(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from windvane.cluster.mlflow_registry import MlflowRegistry;"
        "h = Path(sys.argv[1]);"
        "assert MlflowRegistry(f'sqlite:///{h}/deep/m.db', h / 'artifacts').versions('churn') == ()"
    )
    started = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", program, str(tmp_path)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for _ in range(2)
    ]
    assert [process.communicate()[0].decode() for process in started] == ["", ""]
    assert [process.returncode for process in started] == [0, 0]


def test_a_database_that_is_none_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_text("this is no database, though it is long enough to be looked at " * 20)
    with pytest.raises(Unavailable, match="cannot reach its files: file is not a database"):
        at(tmp_path).versions("churn")
