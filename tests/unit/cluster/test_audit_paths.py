"""A key that is missing is never made anew in place of one that was used."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.worlds.home import Home
from tests.worlds.log.decision_log import skip_syncs
from windvane.cluster import lifecycle
from windvane.cluster.audit_paths import AuditPaths
from windvane.cluster.errors import Unavailable
from windvane.configs.load import load_settings


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    skip_syncs(monkeypatch)
    made = Home(tmp_path / "home")
    made.decide("d1", "anna")
    return made


def test_keys_are_made_at_first_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    skip_syncs(monkeypatch)
    paths = AuditPaths(load_settings({"WINDVANE_HOME": str(tmp_path)}))
    paths.demand_keys()
    paths.vault()
    paths.checkpoints()
    assert sorted(path.name for path in (tmp_path / "keys").iterdir()) == [
        "master.key",
        "signing.pem",
        "signing.pem.pub",
    ]
    paths.demand_keys()


@pytest.mark.parametrize("use", [AuditPaths.vault, AuditPaths.demand_keys])
def test_no_other_master_key_is_made_for_a_vault(home: Home, use: Callable[[AuditPaths], object]) -> None:
    key = home.path / "keys" / "master.key"
    key.unlink()
    with pytest.raises(Unavailable, match=r"master.key is missing, which opens the subjects' keys .*: restore it"):
        use(home.paths)
    assert not key.exists()


@pytest.mark.parametrize("use", [AuditPaths.checkpoints, AuditPaths.demand_keys])
def test_no_other_signing_key_is_made_for_checkpoints(home: Home, use: Callable[[AuditPaths], object]) -> None:
    key = home.path / "keys" / "signing.pem"
    key.unlink()
    with pytest.raises(Unavailable, match=r"signing.pem is missing, with which the checkpoints .*: restore it"):
        use(home.paths)
    assert not key.exists()


def test_one_is_where_the_former_is_named(home: Home, tmp_path: Path) -> None:
    for name in ("signing.pem", "signing.pem.pub"):
        (home.path / "keys" / name).rename(tmp_path / name)
    variables = {**home.environment, "WINDVANE_FORMER_KEYS": str(tmp_path / "signing.pem.pub")}
    AuditPaths(load_settings(variables)).checkpoints()
    assert (home.path / "keys" / "signing.pem").exists()


def test_nothing_is_started_after_half_a_restore(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle, "demand", lambda _: None)  # whatever else this machine lacks
    (home.path / "keys" / "signing.pem").unlink()
    with pytest.raises(Unavailable, match=r"signing.pem is missing"):
        lifecycle.up(home.settings, lambda _: None)
    assert not (home.path / ".gitignore").exists()
