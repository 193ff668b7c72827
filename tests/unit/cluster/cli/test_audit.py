"""`windvane audit`: what holds is said in a line, every fault is named, and a proof needs no Windvane."""

import json
import time
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.worlds.log.decision_log import Segment, decision, skip_syncs, written
from windvane.cluster.audit_paths import AuditPaths, StoreWitness
from windvane.cluster.cli import main
from windvane.cluster.decision_log.audit.auditor import Auditor
from windvane.cluster.decision_log.audit.verify import main as check_proof
from windvane.cluster.decision_log.read.query import Query
from windvane.cluster.decision_log.read.sealer import Sealer
from windvane.cluster.decision_log.write.segment import live_path
from windvane.cluster.decision_log.write.trail import TRAIL
from windvane.cluster.sql_store import SqlStore
from windvane.configs.load import load_settings

LOG = "flight-delay"


class Home:
    """A home with one log: a segment that is sealed and signed, and a live one of two groups that is signed too."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.place = AuditPaths(load_settings({"WINDVANE_HOME": str(path)}))
        self.root = self.place.logs / LOG
        written(self.root, decision("d1"), decision("d2"), opened_at=1.0)
        Sealer(self.root).seal()
        live = Segment(self.root, opened_at=2.0)
        live.write(decision("d3"))
        live.write(decision("d4"))
        live.close()
        self.live = live_path(self.root, live.name)
        Auditor(self.place.logs, self.place.checkpoints()).tick(3.0)

    def __call__(self, *arguments: str) -> Result:
        return CliRunner().invoke(main, ["audit", *arguments], env={"WINDVANE_HOME": str(self.path)})


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    skip_syncs(monkeypatch)
    return Home(tmp_path)


def test_a_log_that_nobody_touched_is_told_in_a_line(home: Home) -> None:
    result = home("verify")
    assert (result.exit_code, result.output.count("\n")) == (0, 1)
    assert result.output.startswith("4 records in 2 segments, 1 checkpoints: nothing was changed (")


def test_a_record_that_was_changed_is_named_and_the_exit_status_says_so(home: Home) -> None:
    content = home.live.read_bytes()
    home.live.write_bytes(content.replace(b"d4", b"dX"))
    result = home("verify")
    assert result.exit_code == 1
    assert f"damaged: {LOG}/{home.live.stem} record 1 (decision dX)" in result.output
    assert home("verify", "--to", "1970-01-01T00:00:02").exit_code == 0
    assert home("verify", "--from", "1970-01-01T00:00:02").exit_code == 1


def test_a_key_known_from_elsewhere_convicts_a_log_signed_anew(home: Home, tmp_path: Path) -> None:
    known = tmp_path / "known.pub"
    known.write_bytes((tmp_path / "keys" / "signing.pem.pub").read_bytes())
    for file in (*(tmp_path / "keys").iterdir(), home.place.checkpoints_file):
        file.unlink()
    Auditor(home.place.logs, home.place.checkpoints()).tick(3.0)
    assert home("verify").exit_code == 0
    result = home("verify", "--key", str(known))
    assert result.exit_code == 1
    assert "forged: checkpoint 1: is signed with the unknown key" in result.output


def test_a_proof_is_checked_without_the_log_and_its_making_is_on_record(
    home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = home("prove", "d2")
    assert result.exit_code == 0
    proof = tmp_path / "proof.json"
    proof.write_text(result.stdout)
    assert check_proof([str(proof)]) == 0
    assert "Decision d2 is record 1" in capsys.readouterr().out
    proof.write_text(json.dumps({**json.loads(result.stdout), "position": 0}))
    assert check_proof([str(proof)]) == 1
    (act,) = Query(home.place.logs / TRAIL, ()).sql("SELECT kind, model, facts FROM acts").to_pylist()
    assert (act["kind"], act["model"], json.loads(act["facts"])) == ("proved", LOG, {"decision_id": "d2"})


def test_what_cannot_be_proven_is_a_sentence(home: Home) -> None:
    for name, words in (("d9", "No log has a decision 'd9'"), ("d3", "is not sealed yet")):
        result = home("prove", name)
        assert (result.exit_code, words in result.stderr, result.stdout) == (1, True, "")


def test_without_a_signature_nothing_can_be_verified(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["audit", "verify"], env={"WINDVANE_HOME": str(tmp_path)})
    assert result.exit_code == 1
    assert "there is no public key" in result.stderr


def test_checkpoints_that_are_gone_are_missed_by_what_the_store_remembers(home: Home) -> None:
    home.place.checkpoints_file.unlink()
    with closing(SqlStore(load_settings({"WINDVANE_HOME": str(home.path)}).store_url)) as store:
        Auditor(home.place.logs, home.place.checkpoints(StoreWitness(store))).tick(3.0)
    assert home("verify").exit_code == 0
    home.place.checkpoints_file.write_bytes(b"")
    result = home("verify")
    assert result.exit_code == 1
    assert "missing: checkpoint 1: is gone: the store remembers the last one" in result.output


def test_records_that_no_checkpoint_vouches_for_are_not_said_to_be_unchanged(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.place.checkpoints_file.unlink()
    result = home("verify")
    assert result.exit_code == 1
    assert "0 checkpoints: no checkpoint vouches for them, so that nobody can tell" in result.output
    monkeypatch.setattr(time, "time", lambda: 300.0)  # five minutes after the first of them
    result = home("verify")
    assert (result.exit_code, "no checkpoint vouches for them yet" in result.output) == (0, True)


def test_a_store_that_cannot_be_asked_is_said_not_to_have_been(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WINDVANE_STORE", f"sqlite:///{home.live}/windvane.db")
    result = home("verify")
    assert result.exit_code == 0
    assert "not looked at: whether checkpoints are missing at the end, for " in result.stderr
