"""Key files: made once, the owner's only."""

import stat
from pathlib import Path

import pytest

from windvane.cluster.decision_log.audit.checkpoint import fingerprint
from windvane.cluster.decision_log.vault.key_file import made_once, master_key, public_key, signing_key
from windvane.cluster.errors import Forbidden, Invalid, NotFound


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_signing_key_is_made_once_and_its_public_half_lies_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "checkpoints.pem"
    key = signing_key(path)
    assert mode(path) == 0o600
    assert signing_key(path).private_bytes_raw() == key.private_bytes_raw()
    assert fingerprint(public_key(path.with_name("checkpoints.pem.pub"))) == fingerprint(key.public_key())
    assert sorted(found.name for found in path.parent.iterdir()) == ["checkpoints.pem", "checkpoints.pem.pub"]


def test_a_master_key_is_made_once(tmp_path: Path) -> None:
    path = tmp_path / "master"
    key = master_key(path)
    assert len(key) == 32
    assert master_key(path) == key
    assert mode(path) == 0o600


def test_who_comes_second_takes_the_first_one_s(tmp_path: Path) -> None:
    path = tmp_path / "key"

    def slow() -> bytes:
        made_once(path, lambda: b"first")
        return b"second"

    assert made_once(path, slow) == b"first"
    assert [found.name for found in tmp_path.iterdir()] == ["key"]


@pytest.mark.parametrize("wide", [0o640, 0o604, 0o644])
def test_a_key_that_others_may_read_is_refused(tmp_path: Path, wide: int) -> None:
    path = tmp_path / "master"
    master_key(path)
    path.chmod(wide)
    with pytest.raises(Forbidden, match="others may read"):
        master_key(path)


def test_a_key_that_was_cut_is_not_used(tmp_path: Path) -> None:
    path = tmp_path / "master"
    master_key(path)
    path.write_bytes(b"short")
    with pytest.raises(Invalid, match="5 bytes"):
        master_key(path)


def test_what_is_no_key_says_so(tmp_path: Path) -> None:
    path = tmp_path / "key"
    made_once(path, lambda: b"no key")
    with pytest.raises(Invalid, match="holds no key"):
        signing_key(path)
    with pytest.raises(Invalid, match="holds no public key"):
        public_key(path)
    with pytest.raises(NotFound, match="no public key"):
        public_key(tmp_path / "nowhere")
