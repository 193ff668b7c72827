"""A peer that cannot run is reported, nobody unwanted is started, and a wrong answer voids the run."""

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from benchmarks import dialects, environments, lineup, load, measure, results, table
from benchmarks.__main__ import of_all, one_round
from benchmarks.bounds import PEERS, Bound
from benchmarks.lineup import Absent, Entry
from benchmarks.load import Traffic
from benchmarks.measure import Figure, Span, Wrong
from benchmarks.model import make_rows
from benchmarks.servers import Running
from windvane.cluster.errors import Unavailable

FIGURE = Figure(64, 100.0, 100.0, 1.0, 2.0, 0.5, 300.0, 0.0, "wrk")


def ignore(_: str) -> None:
    """Progress that nobody reads."""


def test_nobody_unwanted_is_started() -> None:
    assert list(lineup.everyone(lambda _: False, ignore)) == []


def test_a_peer_that_is_not_installed_is_absent_under_each_of_its_names(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(peer: str, _: object) -> Path:
        raise Unavailable(f"{peer} was not installed (uv: no wheel)")

    monkeypatch.setattr(environments, "ensure", refuse)
    found = list(lineup.peers("kserve", lambda _: True, ignore))
    why = "kserve was not installed (uv: no wheel)"
    assert found == [Absent("kserve-v1", why), Absent("kserve-v2", why)]


def test_uvs_last_words_are_the_reason(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    failed: Any = subprocess.CompletedProcess([], 1, "", "resolving\nNo solution found:\n  no wheel of x==9")
    monkeypatch.setattr(environments, "ROOT", tmp_path)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(Unavailable, match=r"mlflow was not installed .*no wheel of x==9"):
        environments.ensure("mlflow", ignore)


def test_an_environment_is_made_once_and_again_when_its_pins_change(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    commands: list[list[str]] = []

    def run(command: list[str], **_: object) -> Any:
        commands.append(command)
        python = tmp_path / "venvs" / "peer" / "bin" / "python"
        python.parent.mkdir(parents=True, exist_ok=True)
        python.touch()
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(environments, "ROOT", tmp_path / "venvs")
    monkeypatch.setattr(environments, "RECIPES", tmp_path)
    monkeypatch.setattr(subprocess, "run", run)
    (tmp_path / "peer").mkdir()
    requirements = tmp_path / "peer" / "requirements.txt"
    requirements.write_text("x==1\n")
    environments.ensure("peer", ignore)
    environments.ensure("peer", ignore)
    assert [command[1] for command in commands] == ["venv", "pip"]
    requirements.write_text("x==2\n")
    environments.ensure("peer", ignore)
    assert len(commands) == 4


@pytest.mark.parametrize("peer", lineup.PEERS)
def test_every_peer_is_pinned_to_the_same_runtime_and_names_no_host(peer: str) -> None:
    lines = (environments.RECIPES / peer / "requirements.txt").read_text().splitlines()
    pinned = environments.pinned(peer)
    assert len(pinned) == sum(not line.startswith("#") for line in lines)
    assert pinned["onnxruntime"] == results.versions()["onnxruntime"]
    assert not any("://" in line or "--index" in line for line in lines if not line.startswith("#"))


def test_every_name_has_its_line_in_the_table() -> None:
    names = {name for formats in lineup.PEERS.values() for name in formats}
    assert names == set(PEERS)
    ray = {f"ray-default-{name}" for name in ("hello", "bare", "canary")}
    assert set(table.LABELS) == {"floor", *ray, *names, *lineup.RAY_HERE, *lineup.WINDVANE}
    assert set(lineup.QUICK) <= set(table.LABELS)


class FakeSession:
    """ONNX Runtime that gives each row's first value."""

    def get_outputs(self) -> list[Any]:
        return [type("Output", (), {"name": "probabilities"})]

    def run(self, _: list[str], feeds: dict[str, Any]) -> list[Any]:
        first = next(iter(feeds.values()))[:, 0]
        return [np.column_stack([1 - first, first])]


@pytest.mark.parametrize("off", [0.0, 2e-5])
def test_an_answer_that_differs_voids_the_run(monkeypatch: pytest.MonkeyPatch, off: float) -> None:
    rows = make_rows(3)
    entry = Entry("floor", dialects.PLAIN, Running(1, list))
    replies = [json.dumps({"predictions": [float(row[0]) + off]}).encode() for row in rows]
    monkeypatch.setattr(load, "exchange", lambda _: replies)
    session: Any = FakeSession()
    traffic = Traffic(1, dialects.PLAIN.requests(rows))
    if off:
        with pytest.raises(Wrong, match="floor answers request 0 with"):
            measure.check(entry, traffic, rows, session)
    else:
        measure.check(entry, traffic, rows, session)


def test_too_few_predictions_void_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "exchange", lambda _: [b'{"predictions": []}'])
    session: Any = FakeSession()
    with pytest.raises(Wrong):
        measure.check(Entry("floor", dialects.PLAIN, Running(1, list)), Traffic(1, (b"",)), make_rows(1), session)


def test_a_round_keeps_figures_and_reasons_and_closes_the_last_server() -> None:
    ended = []

    def turns() -> Any:
        try:
            yield Absent("bentoml", "no wheel")
            yield Entry("floor", dialects.PLAIN, Running(1, list))
            yield Entry("mlserver", dialects.V2, Running(1, list))
        finally:
            ended.append(True)

    def act(entry: Entry) -> list[Figure]:
        if entry.name == "mlserver":
            raise Wrong("mlserver: 3 requests failed")
        return [FIGURE]

    with pytest.raises(Wrong):
        one_round(turns(), act, ignore)
    assert ended == [True]
    found, absent = one_round(turns(), lambda _: [FIGURE], ignore)
    assert absent == {"bentoml": "no wheel"}
    assert set(found) == {"floor", "mlserver"}


def test_medians_are_over_the_rounds_that_measured_a_server() -> None:
    rounds = [{"a": [replace(FIGURE, per_second=float(n))], **({"b": [FIGURE]} if n else {})} for n in range(3)]
    found = of_all(rounds)
    assert found["a"][0].per_second == 1.0
    assert found["b"][0].per_second == 100.0


def test_a_run_is_kept_with_its_verdicts(tmp_path: Path) -> None:
    run = results.Run(
        kind="quick",
        began="2026-11-22T12:00:00+00:00",
        seconds=1.0,
        commit="abc",
        machine=results.this_machine(),
        versions=results.versions(),
        peers=results.peer_versions(),
        span=Span(),
        rounds=[{"floor": [FIGURE]}],
        absent={},
        plain_rows_per_second=1e5,
        bounds=[Bound("it", 2.0, False, 1.0)],
        steps={"1 x 1": {"policy": 2.5}},
    )
    path = results.write(run, tmp_path)
    assert path.name == "quick-20261122T120000.json"
    kept = msgspec.json.decode(path.read_bytes())
    assert kept["bounds"][0]["verdict"] == "MISS"
    assert kept["steps"] == {"1 x 1": {"policy": 2.5}}
    assert kept["rounds"][0]["floor"][0]["per_second"] == 100.0
    assert kept["machine"]["cores"] >= 1
    assert kept["peers"]["kserve"]["kserve"]
