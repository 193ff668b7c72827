"""Applications are declared as a whole set, so deploying ours must carry everybody else's along."""

import contextlib
import json
import os
import threading
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from windvane.cluster.errors import Conflict, Forbidden, NotFound, Unavailable, WindvaneError
from windvane.cluster.runtime import serve_apps_api
from windvane.cluster.runtime.grpc_frontend import SERVICER
from windvane.cluster.runtime.grpc_health import ADD_SERVICER
from windvane.cluster.runtime.serve_apps_api import LOCK, ServeApplications
from windvane.cluster.storage.store_lock import store_lock
from windvane.configs.load import load_settings

THEIRS = {"name": "chat", "route_prefix": "/chat", "import_path": "llm.app:build", "args": {"size": 7}}


class FakeServe:
    """Serve's REST API: PUT replaces every declared application; one deployed by hand has no declaration."""

    def __init__(self, *declared: dict[str, Any]) -> None:
        self.declared = {each["name"]: each for each in declared}
        self.by_hand: dict[str, Any] = {"notebook": {"status": "RUNNING", "deployed_app_config": None}}
        self.states: dict[str, list[tuple[str, str]]] = {}
        self.puts: list[dict[str, Any]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        assert request.url.path == "/api/serve/applications/"
        if request.method == "PUT":
            body = json.loads(request.content)
            self.puts.append(body)
            self.declared = {each["name"]: each for each in body["applications"]}
            return httpx.Response(200)
        return httpx.Response(200, json={"applications": self.by_hand | {n: self._details(n) for n in self.declared}})

    def _details(self, name: str) -> dict[str, Any]:
        states = self.states.get(name, [("RUNNING", "")])
        status, message = states.pop(0) if len(states) > 1 else states[0]
        return {"status": status, "message": message, "deployed_app_config": self.declared[name]}


@pytest.fixture
def serve() -> FakeServe:
    return FakeServe(THEIRS)


@pytest.fixture
def applications(serve: FakeServe, tmp_path: Path) -> ServeApplications:
    settings = load_settings({"WINDVANE_HOME": str(tmp_path)})
    return ServeApplications("http://127.0.0.1:8265", settings, httpx.MockTransport(serve))


def test_deploying_keeps_everybody_elses_application(serve: FakeServe, applications: ServeApplications) -> None:
    applications.deploy_control()
    applications.deploy_model("trips", "abc")
    assert list(serve.declared) == ["chat", "control", "trips"]
    assert serve.declared["chat"] == THEIRS
    assert serve.declared["trips"]["route_prefix"] == "/v2/models/trips"
    assert serve.declared["trips"]["args"]["spec_digest"] == "abc"
    assert serve.declared["control"]["args"]["settings"] == serve.declared["trips"]["args"]["settings"]


def test_the_protocols_grpc_service_is_declared_beside_http(serve: FakeServe, applications: ServeApplications) -> None:
    applications.deploy_control()
    assert serve.puts[0]["http_options"] == {"host": "127.0.0.1", "port": 8000}
    assert serve.puts[0]["grpc_options"] == {"port": 9202, "grpc_servicer_functions": [SERVICER, ADD_SERVICER]}


def test_deploying_the_same_twice_declares_the_same(serve: FakeServe, applications: ServeApplications) -> None:
    applications.deploy_model("trips", "abc")
    applications.deploy_model("trips", "abc")
    assert serve.puts[0] == serve.puts[1]
    applications.deploy_model("trips", "def")
    assert serve.declared["trips"]["args"]["spec_digest"] == "def"
    assert len(serve.declared) == 2


@pytest.mark.parametrize("undeployed", [False, True])
def test_whoever_deploys_at_once_loses_nothing(serve: FakeServe, tmp_path: Path, undeployed: bool) -> None:
    """Each read the whole set, added its own and put it back: the last one took the others' away."""
    both = threading.Barrier(2)  # at which two would meet that have both looked and not declared

    def answer(request: httpx.Request) -> httpx.Response:
        reply = serve(request)
        if request.method == "GET":
            with contextlib.suppress(threading.BrokenBarrierError):
                both.wait(0.05)
        return reply

    def make() -> ServeApplications:
        settings = load_settings({"WINDVANE_HOME": str(tmp_path)})
        return ServeApplications("http://127.0.0.1:8265", settings, httpx.MockTransport(answer))

    names = ["a", "b", "c"]
    if undeployed:
        make().deploy_model("gone", "abc")
    changes = [partial(make().deploy_model, name, "abc") for name in names]
    changes += [partial(make().remove, "gone")] if undeployed else []
    threads = [threading.Thread(target=change) for change in changes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(serve.declared) == ["a", "b", "c", "chat"]


def test_who_waits_too_long_for_its_turn_says_for_whom(serve: FakeServe, tmp_path: Path) -> None:
    settings = load_settings({"WINDVANE_HOME": str(tmp_path)})
    hurried = ServeApplications("http://127.0.0.1:8265", settings, httpx.MockTransport(serve), patience_seconds=0.0)
    with (
        store_lock(settings.store_url, LOCK),
        pytest.raises(Unavailable, match=f"process {os.getpid()} holds the lock 'applications'"),
    ):
        hurried.deploy_model("trips", "abc")
    assert serve.puts == []
    hurried.deploy_model("trips", "abc")
    assert list(serve.declared) == ["chat", "trips"]


def test_removing_all_removes_only_ours(serve: FakeServe, applications: ServeApplications) -> None:
    applications.deploy_control()
    applications.deploy_model("trips", "abc")
    applications.remove_all()
    assert serve.declared == {"chat": THEIRS}


def test_two_windvanes_on_one_cluster_leave_each_others_applications_alone(serve: FakeServe, tmp_path: Path) -> None:
    """The second took `control` over with the first one's routes, and `down` of either took all of both down."""

    def of(home: str) -> ServeApplications:
        settings = load_settings({"WINDVANE_HOME": str(tmp_path / home), "RAY_ADDRESS": "10.0.0.7:6379"})
        Path(settings.home).mkdir()
        return ServeApplications("http://10.0.0.7:8265", settings, httpx.MockTransport(serve))

    first, second = of("first"), of("second")
    first.deploy_control()
    first.deploy_model("trips", "abc")
    before = dict(serve.declared)
    changes = (second.deploy_control, partial(second.deploy_model, "trips", "def"), partial(second.remove, "trips"))
    for change in changes:
        with pytest.raises(Conflict, match=f"belongs to the Windvane of {tmp_path}/first, .*attach to another cluster"):
            change()
    with pytest.raises(Conflict, match="'control' on this Ray cluster"):
        second.wait_running("control", 60.0, lambda _: None)
    second.remove_all()
    assert serve.declared == before
    first.remove_all()
    second.deploy_control()
    assert list(serve.declared) == ["chat", "control"]


def test_who_shares_the_store_is_the_same_windvane(serve: FakeServe, tmp_path: Path) -> None:
    """Its home may be spelled otherwise, as by a link."""
    home = {"WINDVANE_HOME": str(tmp_path / "home")}
    linked = {"WINDVANE_HOME": str(tmp_path / "link")}
    (tmp_path / "home").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "home")
    for variables in (home, linked):
        applications = ServeApplications("http://h", load_settings(variables), httpx.MockTransport(serve))
        applications.deploy_control()
    applications.remove_all()
    assert serve.declared == {"chat": THEIRS}


def test_removing_one_keeps_the_rest(serve: FakeServe, applications: ServeApplications) -> None:
    applications.deploy_control()
    applications.deploy_model("trips", "abc")
    applications.remove("trips")
    assert list(serve.declared) == ["chat", "control"]


def test_waiting_tells_what_it_waits_for_until_it_runs(
    serve: FakeServe, applications: ServeApplications, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serve_apps_api, "POLL_SECONDS", 0.0)
    serve.states["chat"] = [("NOT_STARTED", ""), ("DEPLOYING", ""), ("RUNNING", "")]
    said: list[str] = []
    applications.wait_running("chat", 60.0, said.append)
    assert said == ["chat: NOT_STARTED", "chat: DEPLOYING"]


def test_waiting_for_the_end_tells_what_it_waits_for(
    serve: FakeServe, applications: ServeApplications, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serve_apps_api, "POLL_SECONDS", 0.0)
    serve.states["chat"] = [("DELETING", "")]
    said: list[str] = []

    def hear(said_now: str) -> None:
        said.append(said_now)
        serve.declared.clear()

    applications.wait_gone("chat", 60.0, hear)
    assert said == ["chat: DELETING"]
    applications.wait_gone("chat", -1.0, said.append)
    serve.declared["chat"] = THEIRS
    with pytest.raises(Unavailable, match="chat is still DELETING after -1 s"):
        applications.wait_gone("chat", -1.0, said.append)


def test_a_failed_deployment_is_told_with_serves_last_lines(serve: FakeServe, applications: ServeApplications) -> None:
    serve.states["chat"] = [("DEPLOY_FAILED", "\n".join(f"line {n}" for n in range(9)))]
    with pytest.raises(WindvaneError, match="chat could not be deployed: line 3\nline 4") as caught:
        applications.wait_running("chat", 60.0, lambda _: None)
    assert "line 2" not in str(caught.value)


def test_waiting_ends_with_the_patience(serve: FakeServe, applications: ServeApplications) -> None:
    serve.states["chat"] = [("UNHEALTHY", "replica died")]
    with pytest.raises(Unavailable, match="chat is still UNHEALTHY after -1 s: replica died"):
        applications.wait_running("chat", -1.0, lambda _: None)


def test_waiting_for_what_was_never_declared_says_so(applications: ServeApplications) -> None:
    with pytest.raises(NotFound, match="no application 'trips'"):
        applications.wait_running("trips", 60.0, lambda _: None)


def test_a_dashboard_answers_or_does_not(applications: ServeApplications, tmp_path: Path) -> None:
    def at(status: int, text: str = "") -> ServeApplications:
        transport = httpx.MockTransport(lambda _: httpx.Response(status, text=text))
        return ServeApplications("http://127.0.0.1:8265", load_settings({"WINDVANE_HOME": str(tmp_path)}), transport)

    assert applications.answers()
    assert not at(503).answers()
    assert not at(200, "<html>").answers()
    with pytest.raises(Forbidden, match="RAY_AUTH_TOKEN_PATH"):
        at(403).answers()
    with pytest.raises(Unavailable, match="refused"):
        at(500).deploy_control()


def test_a_failure_says_what_the_deployment_says_where_the_application_says_only_that_it_failed(tmp_path: Path) -> None:
    gateway = {"status": "DEPLOY_FAILED", "message": "Error:\nthis Ray is not as Windvane knows it"}
    failed = {"status": "DEPLOY_FAILED", "message": "Failed to update.", "deployments": {"Gateway": gateway}}
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json={"applications": {"churn": failed}}))
    settings = load_settings({"WINDVANE_HOME": str(tmp_path)})
    with (
        contextlib.closing(ServeApplications("http://127.0.0.1:8265", settings, transport)) as applications,
        pytest.raises(WindvaneError, match=r"(?s)could not be deployed: .*Failed to update.*not as Windvane knows it"),
    ):
        applications.wait_running("churn", 1.0, lambda _: None)
