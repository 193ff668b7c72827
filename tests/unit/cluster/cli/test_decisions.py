"""The decision log in a terminal of any width, and where a decision came from."""

import json
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest

from tests.worlds.log.decision_log import FEATURES, decision, skip_syncs, written
from tests.worlds.rollout.world import MODEL
from tests.worlds.shell import Shell
from tests.worlds.shell import down as down
from tests.worlds.shell import up as up
from windvane.cluster.cli import decisions

ID = "019f0d0e-6b0c-7c8e-9a64-0f8a6a0b7c1{}"


@pytest.fixture
def logged(down: Shell, monkeypatch: pytest.MonkeyPatch) -> Shell:
    skip_syncs(monkeypatch)
    monkeypatch.setattr(decisions, "load_model", lambda name, settings: SimpleNamespace(features=FEATURES))
    found = [decision(ID.format(place), at=float(place)) for place in range(9)]
    written(down.home / "log" / MODEL, *found, opened_at=1.0)
    return down


def test_the_newest_decisions_fit_80_columns_and_every_value_is_there(logged: Shell) -> None:
    lines = logged("decisions", MODEL, COLUMNS="80").output.splitlines()
    assert max(map(len, lines)) <= 80 or lines[-1].startswith("One JSON document")
    assert lines[0].split() == ["at", "(UTC)", "decision", "by", "score", "action"]
    assert [line.split()[2] for line in lines[1:10]] == [ID.format(place) for place in reversed(range(9))]


def test_a_limit_is_how_many_are_shown_of_the_newest_and_of_any_question(logged: Shell) -> None:
    told = logged.says("decisions", MODEL, "--limit", "2", "--json").splitlines()
    assert [json.loads(line)["decision_id"] for line in told] == [ID.format(8), ID.format(7)]
    sql = ("--sql", "select decision_id from decisions order by recorded_at")
    shown = logged.says("decisions", MODEL, "--limit", "3", *sql).splitlines()
    assert shown[1:] == [
        *(ID.format(place) for place in range(3)),
        "6 more rows: --limit shows more, --out writes them to a file.",
    ]
    assert logged("decisions", MODEL, "--limit", "0").exit_code == 2


def test_what_is_too_wide_is_shown_row_by_row_with_every_value(logged: Shell) -> None:
    sql = "select decision_id, subject, action, version, arm, prediction from decisions order by recorded_at limit 2"
    wide = logged("decisions", MODEL, "--sql", sql, COLUMNS="300").output.splitlines()
    assert wide[0].split() == ["decision_id", "subject", "action", "version", "arm", "prediction"]
    narrow = logged("decisions", MODEL, "--sql", sql, COLUMNS="60").output.splitlines()
    assert [line.split()[0] for line in narrow if line] == [*wide[0].split(), *wide[0].split()]
    assert narrow[0] == f"decision_id  {ID.format(0)}"


def test_what_callers_wrote_does_not_steer_the_terminal(logged: Shell) -> None:
    shown = logged.says("decisions", MODEL, "--sql", "select 'a' || chr(27) || '[2J' as a from decisions limit 1")
    assert "\x1b" not in shown
    assert r"a\x1b[2J" in shown


def test_no_rows_are_a_sentence(logged: Shell) -> None:
    assert logged.says("decisions", MODEL, "--sql", "select 1 as a where false") == "There is no such row.\n"


def test_lineage_keeps_names_and_values_apart(up: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    found = {"decision_id": "d1", "declaration_sha256": "ab12", "findings": ["psi:a", "psi:b"], "cause": None}
    monkeypatch.setattr(decisions, "api", lambda: SimpleNamespace(lineage=lambda name: found))
    assert up.says("lineage", "d1").splitlines() == [
        "decision_id         d1",
        "declaration_sha256  ab12",
        "findings            psi:a; psi:b",
        "cause               -",
    ]


def test_nan_is_sent_as_null_and_a_file_may_begin_with_a_byte_order_mark(up: Shell, tmp_path: Path) -> None:
    asked: list[object] = []

    def endpoint(request: httpx.Request) -> httpx.Response:
        asked.append(json.loads(request.content))
        return httpx.Response(200, json={})

    up.endpoint = endpoint
    path = tmp_path / "request.json"
    path.write_text('{"features": {"temp": NaN}}', encoding="utf-8-sig")
    up.says("decide", MODEL, f"@{path}")
    assert asked == [{"features": {"temp": None}}]
