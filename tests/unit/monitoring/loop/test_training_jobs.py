"""The training jobs of retrain requests: what each is launched with."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.worlds.fakes import FakeJobs
from tests.worlds.watched import NOW, SPEC
from windvane.cluster.jobs import TRAINING
from windvane.configs.schema import ModelSpec
from windvane.monitoring.loop.attempts import begin
from windvane.monitoring.loop.requests import RetrainRequest
from windvane.monitoring.loop.training_jobs import TrainingJobs

REQUEST = begin(RetrainRequest("0001", "delay", "drift", "findings", ("feature_psi:temp",), NOW, NOW), NOW)
UNTIMED = SPEC.model_copy(update={"data": SPEC.data.model_copy(update={"time": None})})
LATER = NOW + timedelta(days=1)


@pytest.fixture
def jobs() -> FakeJobs:
    return FakeJobs()


@pytest.fixture
def training(jobs: FakeJobs) -> TrainingJobs:
    return TrainingJobs(jobs, {"WINDVANE_HOME": "var"}, "python")


@pytest.mark.parametrize(
    ("request_", "spec", "times"),
    [
        (REQUEST, SPEC, ("--until", NOW.isoformat())),
        (replace(REQUEST, until=LATER, since=NOW), SPEC, ("--until", LATER.isoformat(), "--since", NOW.isoformat())),
        (REQUEST, UNTIMED, ()),
    ],
    ids=["up to the model's own time", "of a change", "of rows without time"],
)
def test_a_job_retrains_for_that_request_on_the_rows_of_that_time(
    training: TrainingJobs, jobs: FakeJobs, request_: RetrainRequest, spec: ModelSpec, times: tuple[str, ...]
) -> None:
    training.submit(request_, spec)
    (job,) = jobs.requests.values()
    assert job.job_id == REQUEST.job_id
    assert job.entrypoint[:5] == ("python", "-m", TRAINING, "--model", "delay")
    assert job.entrypoint[5:] == ("--request", "0001", "--reason", "drift", *times)
    assert job.environment == {"WINDVANE_HOME": "var"}
    assert job.metadata == {
        "model": "delay",
        "request": "0001",
        "attempt": "1",
        "cause": "findings",
        "reason": "drift",
    }


def test_the_job_of_the_current_attempt_is_the_one_that_is_asked_about_and_stopped(
    training: TrainingJobs, jobs: FakeJobs
) -> None:
    assert training.status(REQUEST).state == "unknown"
    training.submit(REQUEST, SPEC)
    assert training.status(REQUEST).state == "running"
    training.stop(REQUEST)
    assert jobs.stopped == [REQUEST.job_id]
    assert training.status(REQUEST).state == "stopped"
