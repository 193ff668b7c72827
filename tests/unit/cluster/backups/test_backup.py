"""A backup holds everything that cannot be made again, its keys apart, and of one moment."""

import stat
import tarfile
from pathlib import Path

import pytest

from tests.worlds.home import NOW, Home
from tests.worlds.log.decision_log import Segment, skip_syncs
from windvane.cluster.backups.backup import back_up, elsewhere
from windvane.cluster.decision_log import disk
from windvane.cluster.errors import Conflict, Invalid, NotFound, Unavailable
from windvane.cluster.runtime import addresses
from windvane.configs.load import load_settings


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    skip_syncs(monkeypatch)
    made = Home(tmp_path / "home")
    made.decide("d1", "anna")
    return made


def roots(archive: Path) -> set[str]:
    with tarfile.open(archive) as tar:
        return {name.partition("/")[0] for name in tar.getnames()}


def test_keys_lie_in_an_archive_of_their_own_and_what_is_made_again_in_none(home: Home, tmp_path: Path) -> None:
    made = back_up(home.settings, tmp_path / "backups", tmp_path / "keys", NOW)
    assert made.archive == tmp_path / "backups" / "windvane-20260301T000000Z.tar"
    assert roots(made.archive) == {"audit", "log", "mlflow", "vault", "windvane.db"}
    assert made.keys == tmp_path / "keys" / "windvane-20260301T000000Z-keys.tar"
    assert roots(made.keys) == {"admin.key", "keys"}


def test_nobody_else_may_read_them(home: Home, tmp_path: Path) -> None:
    made = back_up(home.settings, tmp_path / "backups", tmp_path / "keys", NOW)
    assert {stat.S_IMODE(path.stat().st_mode) for path in (made.archive, made.keys)} == {0o600}


def test_a_log_that_lies_on_another_disk_is_in_it(home: Home, tmp_path: Path) -> None:
    (home.path / "log").rename(tmp_path / "disk")
    (home.path / "log").symlink_to(tmp_path / "disk")
    made = back_up(home.settings, tmp_path / "backups", tmp_path / "keys", NOW)
    with tarfile.open(made.archive) as tar:
        assert [member.name for member in tar if member.name.endswith(".seg")] != []
        assert not any(member.issym() for member in tar)


@pytest.mark.parametrize(
    ("folder", "keys", "sentence"),
    [
        ("backups", "backups", "name another place for them, with --keys"),
        ("home/backups", "keys", "lies in the home that is backed up"),
        ("backups", "home/keys", "lies in the home that is backed up"),
    ],
)
def test_a_place_that_keeps_nothing_safe_is_refused(
    home: Home, tmp_path: Path, folder: str, keys: str, sentence: str
) -> None:
    with pytest.raises(Invalid, match=sentence):
        back_up(home.settings, tmp_path / folder, tmp_path / keys, NOW)


def test_a_running_windvane_is_not_backed_up(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addresses, "dashboard_url", lambda _: "http://127.0.0.1:8265")
    with pytest.raises(Conflict, match="Windvane is running: `windvane down` first"):
        back_up(home.settings, tmp_path / "backups", tmp_path / "keys", NOW)


def test_nor_is_one_of_which_a_process_still_writes(home: Home, tmp_path: Path) -> None:
    held = Segment(home.paths.logs / "flight-delay", opened_at=50.0)
    with pytest.raises(Conflict, match=f"A process still writes to .*{held.name}"):
        back_up(home.settings, tmp_path / "backups", tmp_path / "keys", NOW)
    held.close()
    back_up(home.settings, tmp_path / "backups", tmp_path / "keys", NOW)


def test_a_disk_that_is_full_leaves_no_half_archive(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(disk, "sync", full)
    with pytest.raises(Unavailable, match="No space left on device; make room, or name another folder"):
        back_up(home.settings, tmp_path / "backups", tmp_path / "keys", NOW)
    assert [path for place in ("backups", "keys") for path in (tmp_path / place).glob("*")] == []


def test_a_home_that_is_not_there_is_said(tmp_path: Path) -> None:
    settings = load_settings({"WINDVANE_HOME": str(tmp_path / "nowhere")})
    with pytest.raises(NotFound, match="There is nothing to back up"):
        back_up(settings, tmp_path / "backups", tmp_path / "keys", NOW)


def test_what_lies_elsewhere_is_named_and_no_password(tmp_path: Path) -> None:
    settings = load_settings(
        {
            "WINDVANE_HOME": str(tmp_path / "home"),
            "WINDVANE_STORE": "postgresql+psycopg://ada:secret@db/windvane",
            "WINDVANE_MASTER_KEY": "/etc/windvane/master.key",
            "WINDVANE_MODELS": str(tmp_path / "home" / "models"),
        }
    )
    assert elsewhere(settings) == ("WINDVANE_MASTER_KEY (/etc/windvane/master.key)", "WINDVANE_STORE")
