"""The command line against the real control API: what it asks, what it shows, and every trouble in a sentence."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import httpx
import pytest

from tests.worlds.admin.explanations import PLAIN
from tests.worlds.log.decision_log import FEATURES, decision, skip_syncs, written
from tests.worlds.rollout.world import MODEL, SPEC
from tests.worlds.shell import Shell, sentence_of
from tests.worlds.shell import down as down
from tests.worlds.shell import up as up
from windvane.cluster import lifecycle
from windvane.cluster.cli import decisions, main
from windvane.cluster.control_api import ControlApi
from windvane.cluster.errors import Invalid, Problem, Unavailable
from windvane.cluster.runtime import addresses
from windvane.cluster.store import Event

HEAVY = ("ray", "mlflow", "pandas", "numpy", "pyarrow", "duckdb", "sqlalchemy", "cedarpy", "sklearn", "fastapi")


class FakeProgram:
    """A process, as `subprocess.Popen` starts it, whose waits end as they are given."""

    def __init__(self, ends: list[int | KeyboardInterrupt]) -> None:
        self.ends = ends
        self.commands: list[list[str]] = []

    def __call__(self, command: list[str]) -> "FakeProgram":
        self.commands.append(command[1:])
        return self

    def __enter__(self) -> "FakeProgram":
        return self

    def __exit__(self, *_: object) -> None:
        assert not self.ends, "it was left before it had ended"

    def wait(self) -> int:
        end = self.ends.pop(0)
        if isinstance(end, KeyboardInterrupt):
            raise end
        return end


def test_every_verb_stands_in_the_file_that_is_named_for_it() -> None:
    context = click.Context(main)
    for verb in main.list_commands(context):
        command = main.get_command(context, verb)
        assert command is not None
        assert command.name == verb


def test_a_word_that_is_no_verb_is_answered_with_one_that_is(down: Shell) -> None:
    assert "No such command 'statsu'; did you mean 'status'?" in down("statsu").output
    assert "No such command 'xyz'" in down("xyz").output


def test_who_asks_a_running_windvane_waits_for_no_library_that_asking_does_not_need() -> None:
    """Every command took 3 to 6 s, most of it for pandas, DuckDB, SQLAlchemy, which only a few of them use."""
    verbs = ["operate", "models", "decisions", "explanations", "rollouts", "cards", "policies", "privacy", "keys"]
    program = (
        "import sys\n" + "".join(f"import windvane.cluster.cli.{verb}\n" for verb in verbs) + "print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert not {*HEAVY} & {*done.stdout.split()}


def test_help_lists_every_verb(down: Shell) -> None:
    shown = down.says("--help")
    verbs = (
        "up down env status events demo validate init train retrain deploy undeploy versions report "
        "decide outcomes decisions lineage explain audit privacy"
    )
    for verb in (*verbs.split(), "rollout", "model"):
        assert f"\n  {verb} " in shown
    for verb in ("start", "status", "pause", "resume", "approve", "reject", "promote", "abort", "undo"):
        assert f"\n  {verb} " in down.says("rollout", "--help")


@pytest.mark.parametrize(
    "command",
    [
        ("status",),
        ("events", MODEL),
        ("versions", MODEL),
        ("retrain", MODEL),
        ("deploy", MODEL),
        ("undeploy", MODEL),
        ("train", MODEL),
        ("decide", MODEL, "{}"),
        ("outcomes", MODEL, "{}"),
        ("explain", "d1"),
        ("model", "card", MODEL),
        ("rollout", "abort", MODEL),
        ("env",),
    ],
)
def test_when_nothing_runs_every_command_says_how_to_start(down: Shell, command: tuple[str, ...]) -> None:
    shown = sentence_of(down(*command))
    assert shown == f"Error: No Windvane is running with home {down.home}: start it with `windvane up`.\n"


def test_ending_what_does_not_run_is_no_trouble(down: Shell) -> None:
    assert down.says("down") == "Nothing was running.\n"


def test_a_model_nobody_declared_is_told_with_the_nearest_name(down: Shell) -> None:
    for command in (("train", "flight-dely"), ("deploy", "flight-dely"), ("decisions", "flight-dely")):
        assert f"did you mean `{MODEL}`?" in sentence_of(down(*command))


def test_a_bad_setting_names_its_variable(down: Shell) -> None:
    assert "WINDVANE_PORT" in sentence_of(down("status", WINDVANE_PORT="many"))


def test_every_wrong_place_of_a_refusal_has_its_line(up: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> ControlApi:
        raise Invalid("The order is wrong", (Problem("/version", "must be at least 1"),))

    monkeypatch.setattr(decisions, "api", refuse)
    assert sentence_of(up("decide", MODEL, "{}")) == "Error: The order is wrong\n  /version: must be at least 1\n"


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ("{", "not JSON"),
        ("[]", "must be a JSON object, not list"),
        ('{"features": {"a": Infinity}}', "Infinity is no JSON number"),
        ("[" * 100_000, "not JSON"),
        ("@nowhere.json", "nowhere.json: No such file"),
    ],
)
def test_a_request_that_cannot_be_read_is_never_sent(up: Shell, request_: str, words: str) -> None:
    up.endpoint = lambda _: pytest.fail("it was sent")
    assert words in sentence_of(up("decide", MODEL, request_))


def test_a_decision_is_asked_for_from_text_file_or_standard_input(up: Shell, tmp_path: Path) -> None:
    asked: list[Any] = []

    def endpoint(request: httpx.Request) -> httpx.Response:
        asked.append((request.url.path, json.loads(request.content)))
        return httpx.Response(200, json={"action": "tell"})

    up.endpoint = endpoint
    (tmp_path / "request.json").write_text('{"subject": "b"}')
    for source, stdin in (('{"subject": "a"}', None), (f"@{tmp_path}/request.json", None), ("-", '{"subject": "c"}')):
        assert json.loads(up.says("decide", MODEL, source, stdin=stdin)) == {"action": "tell"}
    up.says("outcomes", MODEL, '{"outcomes": []}')
    assert asked[:3] == [(f"/v2/models/{MODEL}/decide", {"subject": each}) for each in "abc"]
    assert asked[3] == (f"/v2/models/{MODEL}/outcomes", {"outcomes": []})


def test_status_shows_a_rollout_whatever_people_wrote_into_it(up: Shell) -> None:
    """`[/p99]` in a reason was taken for markup, and ended the command with a traceback."""
    assert "champion" in up.says("status")
    candidate = up.world.register("candidate")
    shown = up.says("rollout", "start", MODEL, "--version", str(candidate), "--reason", "slow [/p99] [red]")
    assert shown.startswith("v2 against v1: shadow at 0% · ")
    assert "[/p99] [red]" in up.says("status")
    assert json.loads(up.says("status", "--json"))["models"][0]["rollout"]["candidate"] == candidate


def test_a_rollout_is_steered_and_read(up: Shell) -> None:
    assert "has had no rollout yet" in sentence_of(up("rollout", "status", MODEL))
    up.world.start_rollout()
    assert "(paused)" in up.says("rollout", "pause", MODEL)
    assert "(paused)" not in up.says("rollout", "resume", MODEL)
    assert json.loads(up.says("rollout", "status", MODEL, "--json"))["phase"] == "shadow"
    assert "aborted" in up.says("rollout", "abort", MODEL, "--reason", "enough")
    assert "Cannot pause: the rollout of v2 is over" in sentence_of(up("rollout", "pause", MODEL))
    assert "undo" in sentence_of(up("rollout", "undo", MODEL, "--reason", "by mistake")).lower()


def test_a_rollout_is_approved_by_who_did_not_ask_for_it_and_rejected_by_anybody(up: Shell) -> None:
    plan = {**SPEC.rollout.model_dump(mode="json"), "approval": "required"}
    up.world.model_admin.deploy(MODEL, SPEC.model_dump(mode="json") | {"rollout": plan}, "owner")
    candidate = up.world.retrained(by="ada")
    up.world.tick()
    waits = "waits for approval by somebody other than ada"
    assert f"v2 {waits}: windvane rollout approve {MODEL} --version 2" in up.says("status")
    assert up("rollout", "approve", MODEL).exit_code == 2, "a reason is asked for"
    mistaken = up("rollout", "approve", MODEL, "--version", "0", "--reason", "fine")
    assert "/version" in sentence_of(mistaken)
    assert waits not in up.says("rollout", "approve", MODEL, "--version", str(candidate), "--reason", "fine")
    shown = up.says("rollout", "reject", MODEL, "--reason", "a bug")
    assert "aborted" in shown
    assert "boss rejected it: a bug" in shown


def test_without_the_key_nothing_is_changed(up: Shell) -> None:
    (up.home / "admin.key").unlink()
    assert "There is no key in" in sentence_of(up("retrain", MODEL))


def test_a_decision_is_explained_in_whichever_deployed_models_log_it_stands(up: Shell) -> None:
    up.world.records.told = {(MODEL, "d1"): PLAIN}
    assert "Log-odds:\n   -1.000000  base value" in up.says("explain", "d1")
    assert up.says("explain", "d1", "--model", MODEL) == up.says("explain", "d1")
    assert json.loads(up.says("explain", "d1", "--json")) == PLAIN
    assert f"No deployed model's log has decision 'd2'; deployed are: {MODEL}" in sentence_of(up("explain", "d2"))
    assert f"The log of {MODEL} has no decision 'd2'" in sentence_of(up("explain", "d2", "--model", MODEL))


def test_all_events_are_shown_not_only_the_first_page(up: Shell) -> None:
    for number in range(1, 1203):
        up.world.store.append(Event(up.world.now, "finding", MODEL, 1, f"finding {number}"))
    lines = up.says("events", MODEL, "--all").splitlines()
    assert len(lines) == 1202
    assert up.says("events", MODEL).endswith("finding 1202 (1202 times since 00:00:00)\n")
    assert lines[-1] == "00:00:00  finding           v1   finding 1202"
    assert json.loads(up.says("events", MODEL, "--json").splitlines()[0])["number"] == 1


def test_up_says_where_everything_is(down: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    def start(settings: Any, progress: lifecycle.Progress) -> addresses.Addresses:
        progress("control: [DEPLOYING]")
        return addresses.place(settings, "http://127.0.0.1:8265", True)

    monkeypatch.setattr(lifecycle, "up", start)
    result = down("up")
    assert result.exit_code == 0
    for words in ("/v2/models/<model>/decide", "/console", "http://127.0.0.1:8265", str(down.home / "admin.key")):
        assert words in result.stdout
    assert "control: [DEPLOYING]" in result.stderr


def test_a_start_that_fails_is_a_sentence(down: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    def start(settings: Any, progress: lifecycle.Progress) -> addresses.Addresses:
        raise Unavailable("Ray did not start (exit 1)")

    monkeypatch.setattr(lifecycle, "up", start)
    assert sentence_of(down("up")) == "Error: Ray did not start (exit 1)\n"


def test_env_can_be_evaluated_by_a_shell(up: Shell) -> None:
    lines = up.says("env").splitlines()
    assert lines[0] == "export RAY_API_SERVER_ADDRESS=http://127.0.0.1:8265"
    assert lines[2] == f"export RAY_AUTH_TOKEN_PATH={up.home}/ray_token"


def test_the_demo_gets_its_options(down: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    program = FakeProgram([3])
    monkeypatch.setattr(subprocess, "Popen", program)
    assert down("demo", "--full", "--keep").exit_code == 3
    assert program.commands == [["-m", "windvane.examples.demo", "--full", "--keep"]]


def test_an_interrupted_demo_is_waited_for_until_it_has_ended_what_it_started(
    down: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = FakeProgram([KeyboardInterrupt(), KeyboardInterrupt(), 130])
    monkeypatch.setattr(subprocess, "Popen", program)
    assert down("demo").exit_code == 130
    assert program.ends == []


def test_who_interrupts_down_is_told_that_something_is_left(down: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(lifecycle, "down", interrupted)
    result = down("down")
    assert (result.exit_code, result.stdout) == (130, "")
    assert result.stderr == "Not everything is ended: `windvane down` ends the rest.\n"


@pytest.fixture
def logged(down: Shell, monkeypatch: pytest.MonkeyPatch) -> Shell:
    skip_syncs(monkeypatch)
    monkeypatch.setattr(decisions, "load_model", lambda name, settings: SimpleNamespace(features=FEATURES))
    written(down.home / "log" / MODEL, decision("d1"), decision("d2"), opened_at=1.0)
    return down


@pytest.mark.parametrize("suffix", ["csv", "json", "parquet"])
def test_the_log_can_be_written_to_a_file(logged: Shell, tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"found.{suffix}"
    shown = logged.says("decisions", MODEL, "--sql", "select decision_id from decisions", "--out", str(out))
    assert shown == f"2 rows written to {out}\n"
    assert out.stat().st_size > 0


def test_the_log_is_shown_as_it_is(logged: Shell) -> None:
    assert "d1" in logged.says("decisions", MODEL)
    told = logged.says("decisions", "control", "--sql", "select model from acts order by recorded_at limit 1")
    assert MODEL in told  # reading is on record, and reading that is read in turn
    assert "[/x]" in logged.says("decisions", MODEL, "--sql", "select '[/x]' as a from decisions")


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--sql", "drop table decisions"), 1, "Error: "),
        (("--sql", "select nothing from decisions"), 1, "Error: "),
        (("--out", "found.xlsx"), 2, "ends neither in .parquet nor .csv nor .json"),
        (("--out", "/nowhere/found.json"), 1, "/nowhere/found.json: No such file"),
        (("--out", "/nowhere/found.csv"), 1, "/nowhere"),
        (("--out", "/nowhere/found.parquet"), 1, "/nowhere"),
    ],
)
def test_a_question_that_cannot_be_answered_is_a_sentence(
    logged: Shell, options: tuple[str, ...], code: int, words: str
) -> None:
    result = logged("decisions", MODEL, *options)
    assert result.exit_code == code
    assert isinstance(result.exception, SystemExit)
    assert words in result.stderr
    assert "Traceback" not in result.stderr
