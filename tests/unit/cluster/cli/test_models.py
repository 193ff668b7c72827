"""The command line from a declaration to a served model and back: init, validate, train, deploy, undeploy."""

import json
import os
import shlex
import uuid
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.worlds.fakes import FakeJobs
from tests.worlds.model_card import CARD
from tests.worlds.rollout.world import MODEL
from tests.worlds.shell import DECLARATION, Shell, sentence_of
from tests.worlds.shell import down as down
from tests.worlds.shell import up as up
from windvane.cluster.cli import models
from windvane.cluster.errors import Unavailable
from windvane.cluster.jobs import TRAINING
from windvane.cluster.store import Event
from windvane.configs.settings import USERS_FOLDER

FLIGHTS = "distance,late\n100,0\n200,1\n"


def test_a_retraining_asked_for_says_where_to_follow_it(up: Shell) -> None:
    assert up.says("retrain", MODEL, "--reason", "winter") == (
        f"Retrain request 0001 is open; follow it with `windvane events {MODEL} --follow`.\n"
    )


def test_the_champions_card_is_shown_unless_a_version_is_named(up: Shell) -> None:
    candidate = up.world.register("candidate")
    up.world.records.cards = {(MODEL, 1): CARD, (MODEL, candidate): CARD}
    up.world.store.append(Event(up.world.now, "promoted", MODEL, 1, "v1 is champion"))
    up.world.store.append(Event(up.world.now, "promoted", MODEL, candidate, "v2 is champion"))
    shown = up.says("model", "card", MODEL)
    assert shown.startswith("# loans, version 1\n")
    assert shown.endswith(f"- {up.world.now:%Y-%m-%d %H:%M} v1 is champion\n")
    assert up.says("model", "card", MODEL, str(candidate)).startswith(f"# loans, version {candidate}\n")
    assert "has no version 7" in sentence_of(up("model", "card", MODEL, "7"))


def test_versions_show_why_they_exist(up: Shell) -> None:
    assert "because" in up.says("versions", MODEL)
    assert "No model 'churn' is deployed" in sentence_of(up("versions", "churn"))


def test_training_shows_what_the_job_prints_and_fails_with_it(up: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    class Instant(FakeJobs):
        """Jobs that end as soon as they are submitted."""

        fate: Any = "succeeded"

        def submit(self, request: Any) -> str:
            job_id = super().submit(request)
            self.end(job_id, self.fate, "epoch 1\nFAILED: out of memory\n")
            return job_id

    jobs = Instant()
    monkeypatch.setattr(models, "RayJobs", lambda url, token: jobs)
    assert "flights.csv: no such file, folder or match" in sentence_of(up("train", MODEL))
    assert not jobs.requests, "what a job would find after a minute is said at once"
    (up.models / "flights.csv").write_text(FLIGHTS)
    monkeypatch.setattr(uuid, "uuid4", lambda: SimpleNamespace(hex="0123456789"))
    shown = up.says("train", MODEL, "--until", "2013-03-01", "--override-gate")
    assert shown == f"Job train-{MODEL}-01234567: http://127.0.0.1:8265/#/jobs\nepoch 1\nFAILED: out of memory\n"
    (request,) = jobs.requests.values()
    assert request.entrypoint[1:] == (
        *("-m", TRAINING, "--model", MODEL, "--reason", "manual"),
        *("--until", "2013-03-01", "--accept"),
    )
    assert request.environment["WINDVANE_HOME"] == str(up.home)
    assert request.environment[USERS_FOLDER] == os.getcwd(), "functions that a declaration names lie there"
    jobs.forget()
    jobs.fate = "failed"
    assert "failed: out of memory" in sentence_of(up("train", MODEL))


class Interrupted(FakeJobs):
    """Jobs that somebody interrupts while they are followed: at the given looks, counted from 1."""

    def __init__(self, at: int, *more: int, ends: str = "stopped") -> None:
        super().__init__()
        self._at, self._looks, self._ends = (at, *more), 0, ends

    def status(self, job_id: str) -> Any:
        self._looks += 1
        if self._looks in self._at:
            raise KeyboardInterrupt
        return super().status(job_id)

    def stop(self, job_id: str) -> None:
        self.stopped.append(job_id)
        self.end(job_id, self._ends)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("jobs", "said"),
    [
        (Interrupted(1), f"is stopped; `windvane versions {MODEL}` shows what is registered."),
        (
            Interrupted(1, ends="succeeded"),
            f"had succeeded already; `windvane versions {MODEL}` shows what is registered.",
        ),
        (Interrupted(1, 2), f"may go on: `windvane versions {MODEL}` shows what it registers."),
    ],
    ids=["stopped", "was over", "interrupted twice"],
)
def test_who_interrupts_a_training_stops_its_job(
    up: Shell, monkeypatch: pytest.MonkeyPatch, jobs: Interrupted, said: str
) -> None:
    (up.models / "flights.csv").write_text(FLIGHTS)
    monkeypatch.setattr(models, "RayJobs", lambda url, token: jobs)
    result = up("train", MODEL)
    [job_id] = jobs.submissions
    assert jobs.stopped == [job_id]
    assert result.exit_code == 130
    assert result.stderr == f"Stopping job {job_id}; Ctrl-C once more leaves it to itself.\nJob {job_id} {said}\n"


@pytest.mark.parametrize("asked", ["stop", "status"])
def test_a_training_whose_cluster_falls_silent_is_said_to_go_on(
    up: Shell, monkeypatch: pytest.MonkeyPatch, asked: str
) -> None:
    class Silent(Interrupted):
        def stop(self, job_id: str) -> None:
            raise Unavailable("Ray is silent")

        def status(self, job_id: str) -> Any:
            if asked == "status":
                raise Unavailable("Ray is silent")
            return super().status(job_id)

    jobs = Silent(1)
    (up.models / "flights.csv").write_text(FLIGHTS)
    monkeypatch.setattr(models, "RayJobs", lambda url, token: jobs)
    result = up("train", MODEL)
    [job_id] = jobs.submissions
    goes_on = f"`windvane versions {MODEL}` shows what it registers."
    if asked == "status":
        assert sentence_of(result) == f"Error: Ray is silent\nJob {job_id} may go on: {goes_on}\n"
    else:
        assert result.exit_code == 130
        assert result.stderr.endswith(f"\nJob {job_id} may go on (Ray is silent): {goes_on}\n")


@pytest.mark.parametrize(
    ("verb", "goes_on"),
    [
        ("deploy", f"may still come up: `windvane deploy {MODEL}` waits for it, `windvane undeploy {MODEL}` ends it."),
        ("undeploy", f"may still be leaving: `windvane undeploy {MODEL}` waits until it is gone."),
    ],
    ids=["deploy", "undeploy"],
)
def test_who_interrupts_a_deployment_is_told_that_it_goes_on(
    up: Shell, monkeypatch: pytest.MonkeyPatch, verb: str, goes_on: str
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    fake = SimpleNamespace(
        deploy_model=lambda *_: None, remove=lambda _: None, wait_running=interrupted, wait_gone=interrupted
    )
    monkeypatch.setattr(models, "ServeApplications", lambda url, settings: fake)
    result = up(verb, MODEL)
    assert (result.exit_code, result.stdout) == (130, "")
    assert result.stderr == f"{MODEL} {goes_on}\n"


def test_deploying_waits_until_the_model_answers(up: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    deployed: list[tuple[str, str]] = []
    fake = SimpleNamespace(
        deploy_model=lambda model, digest: deployed.append((model, digest)),
        wait_running=lambda model, seconds, progress: progress(f"{model}: DEPLOYING"),
    )
    monkeypatch.setattr(models, "ServeApplications", lambda url, settings: fake)
    result = up("deploy", MODEL)
    answers, tried = result.stdout.splitlines()
    assert answers == f"{MODEL} version 1 answers at http://127.0.0.1:8000/v2/models/{MODEL}/decide"
    assert tried.startswith(f"Try it: windvane decide {MODEL} ")
    asked = json.loads(shlex.split(tried)[-1])
    assert set(asked["features"]) == {feature.name for feature in up.world.declarations.spec(MODEL).features}
    assert f"{MODEL}: DEPLOYING" in result.stderr
    assert deployed == [
        (MODEL, up.world.model_admin.deploy(MODEL, up.world.declarations.spec(MODEL).model_dump(), "x")["spec_digest"])
    ]


def test_undeploying_waits_until_the_application_is_gone(up: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    fake = SimpleNamespace(
        remove=lambda model: asked.append(f"remove {model}"),
        wait_gone=lambda model, seconds, progress: progress(f"{model}: DELETING"),
    )
    monkeypatch.setattr(models, "ServeApplications", lambda url, settings: fake)
    up.world.start_rollout()
    assert f"`windvane rollout abort {MODEL}`" in sentence_of(up("undeploy", MODEL))
    assert asked == []
    up("rollout", "abort", MODEL)
    result = up("undeploy", MODEL, "--reason", "replaced")
    assert result.stdout == f"{MODEL} is out of service; `windvane deploy {MODEL}` brings it back.\n"
    assert f"{MODEL}: DELETING" in result.stderr
    assert asked == [f"remove {MODEL}"]
    assert "replaced" in up.says("events", MODEL).splitlines()[-1]
    assert "No model is deployed" in up.says("status")


def test_validate_says_ok_or_what_to_mend(down: Shell) -> None:
    (down.models / "flights.csv").write_text(FLIGHTS)
    assert down.says("validate") == (
        f"{down.models / MODEL}.yaml: ok\n  a rollout takes at least 2 d 15 h at 600 decisions a day with outcomes a "
        "day later, 33 min 36 s at 300,000 with outcomes at once\n"
    )
    (down.models / "churn.yaml").write_text(DECLARATION.replace("owner:", "ownr:").replace(MODEL, "churn"))
    result = down("validate", "churn")
    assert result.exit_code == 1
    assert "did you mean `owner`?" in result.stdout
    assert down("validate", MODEL).exit_code == 0
    assert down("validate").exit_code == 1


def test_validate_looks_at_the_rows_unless_told_not_to(down: Shell) -> None:
    file = down.models / f"{MODEL}.yaml"
    result = down("validate")
    assert result.exit_code == 1
    assert f"{file}:7: data.source: {down.models}/flights.csv: no such file, folder or match" in result.stdout
    assert down.says("validate", "--no-data").startswith(f"{file}: ok\n")
    (down.models / "flights.csv").write_text(FLIGHTS.replace("distance", "Distance").replace("200", "far"))
    assert f"{file}:6: features[0].name: the file has no column 'distance' (did you mean `Distance`?)" in (
        down("validate").stdout
    )
    (down.models / "flights.csv").write_text(FLIGHTS.replace("200", "far"))
    shown = down("validate", MODEL).stdout
    assert f"{file}:6: features[0]: Column 'distance', row 2: text of the shape `aaa` is not a number" in shown


def test_init_says_what_is_doubtful_on_the_terminal(down: Shell, tmp_path: Path) -> None:
    rows = "\n".join(f"{500 + n},{n * 7 % 31},{'mf'[n % 2]},{int(n % 5 < 2)}" for n in range(100))
    (tmp_path / "people.csv").write_text(f"rownames,visits,sex,left\n{rows}\n")
    shown = down.says("init", "churn", "--data", str(tmp_path / "people.csv"), "--target", "left")
    assert "  - rownames is left out: it counts the rows, from 500 to 599\n" in shown
    assert "  - sex looks like a protected group, so it is audited and never decides\n" in shown
    assert "  - no column seems to be the event time: rows are taken as oldest first\n" in shown


def test_a_fault_of_ours_is_a_sentence_and_its_traceback_a_file_without_values(
    down: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "Maria Meier"

    def fails(*_: object) -> None:
        raise KeyError(name)

    monkeypatch.setattr(models, "validate_file", fails)
    result = down("validate", MODEL)
    assert result.exit_code == 1
    log = down.home / "errors.log"
    assert sentence_of(result).startswith("Error: This should not have happened: KeyError at cli/test_models.py:")
    assert f"its traceback is in {log}" in sentence_of(result)
    assert name not in result.output + log.read_text()
    assert "in validate\n" in log.read_text()
    assert log.stat().st_mode & 0o777 == 0o600


def test_validate_without_any_model_points_at_init(down: Shell) -> None:
    (down.models / f"{MODEL}.yaml").unlink()
    assert "windvane init" in sentence_of(down("validate"))


def test_init_writes_a_declaration_that_validates_and_replaces_none(down: Shell, tmp_path: Path) -> None:
    rows = "\n".join(f"c{n},{n % 7},{n % 3},{'yes' if n % 4 else 'no'}" for n in range(60))
    (tmp_path / "churn.csv").write_text(f"customer,visits,plan,left\n{rows}\n")
    shown = down.says("init", "churn", "--data", str(tmp_path / "churn.csv"), "--target", "left")
    assert "windvane validate churn" in shown
    down.says("validate", "churn")
    again = ("init", "churn", "--data", str(tmp_path / "churn.csv"), "--target", "left")
    assert "exists; choose another name or replace it with --force" in sentence_of(down(*again))
    down.says(*again, "--force")
