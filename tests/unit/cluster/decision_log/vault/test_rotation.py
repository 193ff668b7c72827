"""A fresh master key opens what the former one did, and the former one nothing; a kill leaves both to go on with."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.worlds.log.vault import open_vault
from windvane.cluster.cli import main
from windvane.cluster.decision_log import disk
from windvane.cluster.decision_log.vault.file_kms import FileKms
from windvane.cluster.decision_log.vault.kms import WrongKey
from windvane.cluster.decision_log.vault.rotation import rotate
from windvane.cluster.decision_log.vault.sqlite_subject_keys import SqliteSubjectKeys
from windvane.cluster.decision_log.vault.vault import Protected, Vault


def filled(home: Path) -> list[Protected]:
    vault = open_vault(home)
    found = [vault.protect(name, "d1", name.encode()) for name in ("Ana", "Ben")]
    vault.flush()
    return found


def read(home: Path, protected: list[Protected]) -> list[bytes]:
    vault = open_vault(home)
    return [vault.reveal(each.subject, "d1", each.personal) for each in protected]


def keys(home: Path) -> SqliteSubjectKeys:
    return SqliteSubjectKeys(home / "vault" / "subjects.db")


def test_the_fresh_key_opens_everything_and_the_former_nothing(tmp_path: Path) -> None:
    protected = filled(tmp_path)
    master = tmp_path / "keys" / "master.key"
    (tmp_path / "former").write_bytes(master.read_bytes())
    (tmp_path / "former").chmod(0o600)
    result = CliRunner().invoke(
        main, ["privacy", "rotate-key"], env={"WINDVANE_HOME": str(tmp_path), "RAY_ADDRESS": ""}
    )
    assert (result.exit_code, result.output[:6]) == (0, "3 keys")
    assert read(tmp_path, protected) == [b"Ana", b"Ben"]
    assert master.read_bytes() != (tmp_path / "former").read_bytes()
    with pytest.raises(WrongKey):
        Vault(keys(tmp_path), FileKms(tmp_path / "former"))


@pytest.mark.parametrize("step", ["rename", "rewrap"])
def test_killed_anywhere_it_is_run_again(tmp_path: Path, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    protected = filled(tmp_path)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(disk if step == "rename" else SqliteSubjectKeys, step, killed)
        with pytest.raises(KeyboardInterrupt):
            rotate(keys(tmp_path), tmp_path / "keys" / "master.key")
    assert rotate(keys(tmp_path), tmp_path / "keys" / "master.key") == 3
    assert read(tmp_path, protected) == [b"Ana", b"Ben"]
    assert [path.name for path in (tmp_path / "keys").iterdir()] == ["master.key"]
