"""Settings from the environment: what they default to, and every bad variable at once."""

import os
from pathlib import Path

import pytest

from tests.worlds.settings import settings_for
from windvane.configs.complaint import BadDeclaration
from windvane.configs.load import load_settings
from windvane.configs.settings import GRPC_OFFSET, USERS_FOLDER, Settings


def test_settings_default_to_one_home_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = load_settings({})
    assert settings.home == f"{tmp_path}/var"
    assert settings.store_url == f"sqlite:///{tmp_path}/var/windvane.db"
    assert settings.mlflow_uri == f"sqlite:///{tmp_path}/var/mlflow/mlflow.db"
    assert settings.artifacts == tmp_path / "var/mlflow/artifacts"
    assert (settings.host, settings.port, settings.dashboard_port) == ("127.0.0.1", 8000, 8265)
    assert settings.ray_address is None
    assert Path(settings.models_dir).parts[-2:] == ("configs", "models")


def test_own_models_folder_comes_before_the_packaged_one(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(models.parent.parent)
    assert load_settings({"WINDVANE_MODELS": ""}).models_dir == str(models)


def test_settings_survive_the_environment_of_another_process(models: Path) -> None:
    settings = settings_for(models, WINDVANE_PORT="9000", WINDVANE_OVERLAY="demo", WINDVANE_STORE="postgresql://db/x")
    assert load_settings(settings.environment()) == settings
    keys = {"WINDVANE_FORMER_KEYS": f"a.pub{os.pathsep}/b.pub", "WINDVANE_CHECKPOINT_COPY": "/mnt/copy.jsonl"}
    kept = settings_for(models, WINDVANE_SIGNING_KEY="s.pem", WINDVANE_MASTER_KEY="/run/master.key", **keys)
    assert load_settings(kept.environment()) == kept
    assert kept.former_keys == (str(Path("a.pub").absolute()), "/b.pub")
    assert (kept.signing_key_file, kept.master_key_file) == (Path("s.pem").absolute(), Path("/run/master.key"))
    assert settings.signing_key_file == models.parent / "keys" / "signing.pem"


@pytest.mark.parametrize(
    ("variables", "expected"),
    [({}, 9000), ({"WINDVANE_PORT": "8123"}, 9123), ({"WINDVANE_PORT": "8123", "WINDVANE_GRPC_PORT": "50051"}, 50051)],
)
def test_the_grpc_port_follows_the_http_port_unless_it_is_named(variables: dict[str, str], expected: int) -> None:
    settings = load_settings(variables)
    assert settings.grpc_port == expected
    others = settings.model_dump(exclude={"grpc_port"})
    assert Settings.model_validate(others).grpc_port == settings.port + GRPC_OFFSET


def test_an_http_port_that_leaves_no_room_for_grpc_is_not_blamed_on_a_variable_that_nobody_set() -> None:
    """`windvane up` names WINDVANE_PORT, and one that leaves room for all ports that follow it."""
    assert load_settings({"WINDVANE_PORT": "65000"}).grpc_port == 65_535


def test_every_bad_variable_is_named_at_once() -> None:
    with pytest.raises(BadDeclaration) as caught:
        load_settings({"WINDVANE_PORT": "eight", "WINDVANE_DASHBOARD_PORT": "70000"})
    assert [complaint.path for complaint in caught.value.complaints] == ["WINDVANE_PORT", "WINDVANE_DASHBOARD_PORT"]
    assert "'eight'" in str(caught.value)
    assert "less than or equal to 65535" in str(caught.value)


def test_a_models_folder_made_after_the_start_is_found_by_what_runs_already(tmp_path: Path) -> None:
    """Users who called `up` before `init` had jobs of the loop that knew none of the own models."""
    before = load_settings({"WINDVANE_HOME": str(tmp_path), USERS_FOLDER: str(tmp_path)})
    variables = before.environment() | {USERS_FOLDER: str(tmp_path)}
    assert load_settings(variables) == before
    (tmp_path / "configs" / "models").mkdir(parents=True)
    assert load_settings(variables).models_dir == str(tmp_path / "configs" / "models")
