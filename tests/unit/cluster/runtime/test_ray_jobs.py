"""Jobs over the dashboard's API: submitting twice starts once, and a dashboard that is away says so."""

import json
from pathlib import Path

import httpx
import pytest

from windvane.cluster.errors import Forbidden, Unavailable
from windvane.cluster.jobs import JobRequest
from windvane.cluster.runtime.preloading import LEAN
from windvane.cluster.runtime.ray_jobs import RayJobs

URL = "http://127.0.0.1:8265"
REQUEST = JobRequest("retrain-trips-1", ("python", "-m", "x", "a b; rm"), {"model": "trips"}, {"WINDVANE_HOME": "/v"})


class FakeDashboard:
    """The job API as Ray 2.60 answers it: text for errors, a JSON object for everything else."""

    def __init__(self) -> None:
        self.jobs: dict[str, dict[str, object]] = {}
        self.started: list[dict[str, object]] = []
        self.headers: list[httpx.Headers] = []
        self.refusal: httpx.Response | None = None
        self.rival = False  # somebody else submits the same id between our look and our order

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.headers.append(request.headers)
        path = request.url.path
        if request.method == "POST" and path == "/api/jobs/":
            body = json.loads(request.content)
            if self.rival:
                self.jobs[body["submission_id"]] = {"status": "RUNNING"}
            if self.refusal is not None:
                return self.refusal
            if body["submission_id"] in self.jobs:
                return httpx.Response(500, text="Traceback\nValueError: Job with submission_id already exists")
            self.started.append(body)
            self.jobs[body["submission_id"]] = {"status": "PENDING", "message": None}
            return httpx.Response(200, json={"submission_id": body["submission_id"]})
        job_id, _, verb = path.removeprefix("/api/jobs/").partition("/")
        if job_id not in self.jobs:
            return httpx.Response(404, text=f"Job {job_id} does not exist")
        if verb == "logs":
            return httpx.Response(200, json={"logs": self.jobs[job_id].get("logs")})
        if verb == "stop":
            self.jobs[job_id]["status"] = "STOPPED"
            return httpx.Response(200, json={"stopped": True})
        return httpx.Response(200, json=self.jobs[job_id])


@pytest.fixture
def dashboard() -> FakeDashboard:
    return FakeDashboard()


@pytest.fixture
def jobs(dashboard: FakeDashboard, tmp_path: Path) -> RayJobs:
    (tmp_path / "ray_token").write_text("secret\n")
    return RayJobs(URL, tmp_path / "ray_token", httpx.MockTransport(dashboard))


def answering(reply: httpx.Response) -> RayJobs:
    return RayJobs(URL, Path("none"), httpx.MockTransport(lambda _: reply))


def test_submitting_twice_starts_one_job(dashboard: FakeDashboard, jobs: RayJobs) -> None:
    assert jobs.submit(REQUEST) == jobs.submit(REQUEST) == "retrain-trips-1"
    assert dashboard.started == [
        {
            "submission_id": "retrain-trips-1",
            "entrypoint": "python -m x 'a b; rm'",
            "metadata": {"model": "trips"},
            "runtime_env": {"env_vars": {"WINDVANE_HOME": "/v", LEAN: "1"}},
        }
    ]


def test_losing_the_race_to_submit_is_as_good_as_winning_it(dashboard: FakeDashboard, jobs: RayJobs) -> None:
    dashboard.rival = True
    assert jobs.submit(REQUEST) == "retrain-trips-1"
    assert jobs.status("retrain-trips-1").state == "running"


def test_a_job_that_ray_refuses_says_why_in_a_sentence(dashboard: FakeDashboard, jobs: RayJobs) -> None:
    dashboard.refusal = httpx.Response(500, text="Traceback\n  File x\nRuntimeError: no agent")
    with pytest.raises(Unavailable) as caught:
        jobs.submit(REQUEST)
    assert str(caught.value) == "Ray refused job retrain-trips-1: 500 RuntimeError: no agent"
    assert caught.value.retry_after_seconds == 5.0


def test_a_job_nobody_remembers_is_unknown_has_no_logs_and_stops_quietly(jobs: RayJobs) -> None:
    assert jobs.status("retrain-trips-9").state == "unknown"
    assert jobs.logs("retrain-trips-9") == ""
    jobs.stop("retrain-trips-9")


@pytest.mark.parametrize(
    ("said", "state"),
    [("PENDING", "pending"), ("RUNNING", "running"), ("SUCCEEDED", "succeeded"), ("FAILED", "failed")],
)
def test_rays_words_for_states_are_ours(dashboard: FakeDashboard, jobs: RayJobs, said: str, state: str) -> None:
    dashboard.jobs["a"] = {"status": said, "message": "out of memory", "logs": "epoch 1\n"}
    found = jobs.status("a")
    assert (found.job_id, found.state, found.message) == ("a", state, "out of memory")
    assert jobs.logs("a") == "epoch 1\n"


def test_a_stopped_job_is_stopped(dashboard: FakeDashboard, jobs: RayJobs) -> None:
    jobs.submit(REQUEST)
    jobs.stop("retrain-trips-1")
    assert jobs.status("retrain-trips-1").state == "stopped"


def test_every_call_shows_the_token(dashboard: FakeDashboard, jobs: RayJobs) -> None:
    jobs.submit(REQUEST)
    assert {each.get("authorization") for each in dashboard.headers} == {"Bearer secret"}


def test_a_dashboard_that_is_away_is_unavailable_with_a_sentence(tmp_path: Path) -> None:
    def refuse(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("Connection refused")

    jobs = RayJobs(URL, tmp_path / "none", httpx.MockTransport(refuse))
    for call in (
        lambda: jobs.submit(REQUEST),
        lambda: jobs.status("a"),
        lambda: jobs.logs("a"),
        lambda: jobs.stop("a"),
    ):
        with pytest.raises(Unavailable, match=r"dashboard at http://127.0.0.1:8265 does not answer .*windvane status"):
            call()


@pytest.mark.parametrize("status", [401, 403])
def test_a_wrong_token_is_forbidden_and_names_the_file(status: int) -> None:
    with pytest.raises(Forbidden, match=r"does not take the token in none; .*RAY_AUTH_TOKEN_PATH"):
        answering(httpx.Response(status, text="no")).status("a")


@pytest.mark.parametrize("reply", [httpx.Response(200, text="<html>"), httpx.Response(200, json=[])])
def test_something_else_on_the_port_is_no_dashboard(reply: httpx.Response) -> None:
    with pytest.raises(Unavailable, match="is not a Ray dashboard"):
        answering(reply).status("a")


def test_a_dashboard_in_trouble_is_unavailable() -> None:
    with pytest.raises(Unavailable, match="refused: 500 boom"):
        answering(httpx.Response(500, text="Traceback\nboom")).logs("a")
