"""Decisions by filter and page by page: each once, in order, and nothing that was not asked for."""

from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.worlds.log.decision_log import FEATURES, decision, skip_syncs, written
from tests.worlds.log.vault import open_vault
from windvane.cluster.decision_log.read import tabular
from windvane.cluster.decision_log.read.logs import find_decision, models_of, query_of
from windvane.cluster.decision_log.read.sealer import Sealer
from windvane.cluster.decision_log.read.selection import Selection, mark
from windvane.cluster.decision_log.record import DENIED, DENY, REFER
from windvane.cluster.decision_log.vault.personal import Protection
from windvane.cluster.decision_log.write.segment import sealed_path
from windvane.cluster.errors import Invalid, NotFound

LOG = "flight-delay"
PEOPLE = tuple(feature.model_copy(update={"personal": feature.name == "temp"}) for feature in FEATURES)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten decisions about two people, half of them sealed."""
    patch, home = pytest.MonkeyPatch(), tmp_path_factory.mktemp("home")
    skip_syncs(patch)
    vault = open_vault(home)
    plain = [
        msgspec.structs.replace(
            decision(f"d{n}", at=10.0 + n // 2, features=(float("nan") if n == 3 else 20.5, 7, True, "UA")),
            subject="Ana" if n % 2 else "Ben",
            version=1 + n % 3,
            action="warn" if n < 5 else "keep",
            verdict=REFER if n == 6 else "allow",
            explanation=(0.5, 1.0, 1.0, 1.0, 1.0),
        )
        for n in range(10)
    ]
    protected = Protection(vault, PEOPLE).protect_all(plain)
    vault.flush()
    root = home / "log" / LOG
    written(root, *protected[:5], opened_at=1.0)
    Sealer(root).seal()
    written(root, *protected[5:], opened_at=2.0)
    patch.undo()
    return home


def ids(home: Path, **wanted: Any) -> list[str]:
    return list(query_of(home / "log", LOG).select(Selection(**wanted))["decision_id"].to_pylist())


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, "0123456789"),
        ({"since": 11.0, "until": 13.0}, "2345"),
        ({"version": 2, "action": "keep"}, "7"),
        ({"decision_id": "d6"}, "6"),
        ({"limit": 3}, "012"),
        ({"verdict": "refer"}, "6"),
        ({"verdict": "allow", "action": "keep"}, "5789"),
        ({"verdict": "deny"}, ""),
        ({"action": "x' OR '1'='1"}, ""),
    ],
)
def test_filters_all_hold(home: Path, wanted: dict[str, object], expected: str) -> None:
    assert ids(home, **wanted) == [f"d{digit}" for digit in expected]


def test_pages_go_through_all_of_them_once(home: Path) -> None:
    found, after = [], None
    while page := query_of(home / "log", LOG).select(Selection(limit=3, after=after)).to_pylist():
        found += [row["decision_id"] for row in page]
        after = mark(page[-1])
    assert found == [f"d{n}" for n in range(10)]


@pytest.mark.parametrize("sealed", [False, True])
def test_what_was_denied_is_seen_like_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sealed: bool) -> None:
    skip_syncs(monkeypatch)
    refused = msgspec.structs.replace(
        decision("d2", at=12.0), version=0, arm=DENIED, prediction=None, action="", verdict=DENY, policies=("purpose",)
    )
    root = tmp_path / "log" / LOG
    written(root, decision("d1"), refused)
    if sealed:
        Sealer(root).seal()
    assert ids(tmp_path) == ["d1", "d2"]
    assert ids(tmp_path, verdict="deny") == ids(tmp_path, version=0) == ["d2"]
    _, found = find_decision(tmp_path / "log", "d2")
    (row,) = tabular.rows(found)
    assert (row["verdict"], row["policies"], row["prediction"]) == ("deny", ["purpose"], None)
    assert len(tabular.csv(found).splitlines()) == 2


def test_a_file_of_before_there_were_verdicts_holds_what_was_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    skip_syncs(monkeypatch)
    root = tmp_path / "log" / LOG
    name = written(root, decision("d1"))
    Sealer(root).seal()
    path = sealed_path(root, "decisions", name)
    pq.write_table(pq.read_table(path).drop_columns(["verdict"]), path)
    assert ids(tmp_path, verdict="allow") == ["d1"]
    assert ids(tmp_path, verdict="deny") == []


def test_a_mark_that_is_none_is_refused(home: Path) -> None:
    for after in ("d1", "yesterday/d1"):
        with pytest.raises(Invalid, match="marks no place"):
            ids(home, after=after)


def test_a_subject_is_found_by_its_hash_and_read_with_its_key(home: Path) -> None:
    vault = open_vault(home)
    found = query_of(home / "log", LOG).select(Selection(subject=vault.hash("Ana"), limit=2))
    hidden, shown = tabular.rows(found), tabular.revealed_rows(found, vault)
    assert [(row["decision_id"], row["features"]["temp"], row["context"]) for row in hidden] == [
        ("d1", None, {}),
        ("d3", None, {}),
    ]
    assert "personal" not in hidden[0]
    assert [(row["subject"], row["features"]["temp"], row["context"], row["erased"]) for row in shown] == [
        ("Ana", 20.5, {"k": 1}, False),
        ("Ana", None, {"k": 1}, False),  # not a number was recorded, for which JSON has no word
    ]
    assert shown[0]["explanation"] == [0.5, 1.0, 1.0, 1.0, 1.0]
    msgspec.json.encode(shown)


def test_of_an_erased_subject_nothing_personal_is_read(home: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(home, tmp_path, dirs_exist_ok=True)
    vault = open_vault(tmp_path)
    vault.erase("Ana", 1.0)
    shown = tabular.revealed_rows(query_of(tmp_path / "log", LOG).select(Selection()), vault)
    assert {row["subject"] for row in shown} == {"Ben", vault.hash("Ana")}
    assert [row["erased"] for row in shown] == [False, True] * 5
    assert {row["features"]["temp"] for row in shown if row["erased"]} == {None}
    exported = tabular.table_of(shown)  # what is left of the one beside what is told of the other
    assert exported["context"].to_pylist() == ['{"k":1}', "{}"] * 5
    assert pq.read_table(pa.BufferReader(tabular.parquet(exported))).equals(exported)
    assert len(tabular.csv(exported).splitlines()) == 11


def test_exports_can_be_read_by_other_programs(home: Path) -> None:
    found = query_of(home / "log", LOG).select(Selection())
    assert pq.read_table(pa.BufferReader(tabular.parquet(found))).equals(found)
    lines = tabular.csv(found).decode().splitlines()
    assert len(lines) == 11
    assert '"[""late""]"' in lines[1]
    shown = tabular.table_of(tabular.revealed_rows(found, open_vault(home)))
    assert shown["x_temp"].to_pylist()[0] == 20.5
    assert len(tabular.csv(shown).splitlines()) == 11


def test_a_decision_is_found_in_whichever_log_it_is(home: Path) -> None:
    (home / "log" / "control").mkdir(exist_ok=True)
    assert models_of(home / "log") == [LOG]
    model, found = find_decision(home / "log", "d7")
    assert (model, found.num_rows) == (LOG, 1)
    with pytest.raises(NotFound, match="No log has a decision 'd77'"):
        find_decision(home / "log", "d77")
    with pytest.raises(NotFound, match=f"there are: {LOG}"):
        query_of(home / "log", "churn")
