"""The client turns problem documents back into the errors they were raised as, each one a sentence."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from windvane.cluster.control_api import ControlApi
from windvane.cluster.errors import (
    Conflict,
    Denied,
    Forbidden,
    Invalid,
    NotFound,
    Problem,
    Unauthorized,
    Unavailable,
    WindvaneError,
)
from windvane.serve_apps.protocol.problem import problem

URL = "http://127.0.0.1:8000"


class FakeControl:
    """Remembers what was asked and answers what it was given."""

    def __init__(self, reply: httpx.Response) -> None:
        self.reply = reply
        self.asked: list[tuple[str, str, Any]] = []
        self.authorization: str | None = None

    def __call__(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content) if request.content else None
        self.asked.append((request.method, request.url.raw_path.decode(), body))
        self.authorization = request.headers.get("authorization")
        return self.reply


def client(reply: httpx.Response, key_file: Path = Path("nowhere")) -> tuple[ControlApi, FakeControl]:
    control = FakeControl(reply)
    return ControlApi(URL, key_file, httpx.MockTransport(control)), control


def refusing(error: WindvaneError) -> ControlApi:
    found = problem(error, "/api")
    headers = {name.decode(): value.decode() for name, value in found.headers}
    return client(httpx.Response(found.status, content=found.body, headers=headers))[0]


def test_every_verb_asks_what_its_name_says() -> None:
    api, control = client(httpx.Response(200, json={"versions": [], "events": []}))
    api.status()
    api.deploy("trips", {"name": "trips"})
    api.undeploy("trips", "replaced")
    api.versions("trips")
    api.events("trips", after=3, limit=2)
    api.retrain("trips", "winter")
    api.rollout("trips")
    api.start_rollout("trips", {"version": 2})
    api.steer_rollout("trips", "pause", "lunch")
    api.answer_rollout("trips", "approve", {"version": 2, "reason": "fine"})
    api.pin("trips", [1])
    api.decide("trips", {"features": {}})
    api.outcomes("trips", {"outcomes": []})
    assert api.ready("trips")
    assert control.asked == [
        ("GET", "/api/status", None),
        ("PUT", "/api/models/trips", {"name": "trips"}),
        ("POST", "/api/models/trips/undeploy", {"reason": "replaced"}),
        ("GET", "/api/models/trips/versions", None),
        ("GET", "/api/models/trips/events?after=3&limit=2", None),
        ("POST", "/api/models/trips/retrain", {"reason": "winter"}),
        ("GET", "/api/models/trips/rollout", None),
        ("POST", "/api/models/trips/rollout", {"version": 2}),
        ("POST", "/api/models/trips/rollout/pause", {"reason": "lunch"}),
        ("POST", "/api/models/trips/rollout/approve", {"version": 2, "reason": "fine"}),
        ("PUT", "/api/models/trips/pins", {"versions": [1]}),
        ("POST", "/v2/models/trips/decide", {"features": {}}),
        ("POST", "/v2/models/trips/outcomes", {"outcomes": []}),
        ("GET", "/v2/models/trips/ready", None),
    ]


def test_a_strange_name_stays_one_part_of_the_path() -> None:
    api, control = client(httpx.Response(200, json={"versions": []}))
    api.versions("../status?x#y")
    assert control.asked[0][1] == "/api/models/..%2Fstatus%3Fx%23y/versions"


def test_the_key_is_shown_where_there_is_one(tmp_path: Path) -> None:
    file = tmp_path / "admin.key"
    api, control = client(httpx.Response(200, json={}), file)
    api.status()
    assert control.authorization is None
    file.write_text("wv_secret\n")
    api, control = client(httpx.Response(200, json={}), file)
    api.status()
    assert control.authorization == "Bearer wv_secret"


def test_a_key_that_is_not_known_or_not_there_is_told_with_its_file(tmp_path: Path) -> None:
    file = tmp_path / "admin.key"
    unknown = httpx.Response(401, json={"detail": "This key is not known here"})
    with pytest.raises(Unauthorized, match=f"There is no key in {file}: `windvane up` makes the first one"):
        client(unknown, file)[0].status()
    file.write_text("wv_secret\n")
    with pytest.raises(Unauthorized, match=f"not known here\nThe key in {file} was shown; .* WINDVANE_KEY_FILE"):
        client(unknown, file)[0].status()


@pytest.mark.parametrize(
    "error",
    [
        Forbidden("not you"),
        NotFound("no such model"),
        Conflict("a rollout runs"),
        Unavailable("not now", 3.0),
        Invalid("what?"),
        WindvaneError("our fault"),
    ],
)
def test_an_error_arrives_as_it_was_raised(error: WindvaneError) -> None:
    with pytest.raises(WindvaneError) as caught:
        refusing(error).status()
    assert (type(caught.value), str(caught.value)) == (type(error), str(error))


def test_a_denial_arrives_with_what_it_is_on_record_by() -> None:
    denied = Denied("Not so.", ("purpose",), "4f2a" * 16, ("d1", "d2"))
    with pytest.raises(Denied) as caught:
        refusing(denied).decide("trips", {})
    found = caught.value
    assert (str(found), found.policies, found.version, found.decision_ids) == (
        "Not so.",
        ("purpose",),
        "4f2a" * 16,
        ("d1", "d2"),
    )


def test_every_wrong_place_has_a_line() -> None:
    places = (Problem("/version", "must be at least 1"), Problem("/reason", "is missing"))
    with pytest.raises(Invalid) as caught:
        refusing(Invalid("The order is wrong", places)).start_rollout("trips", {})
    assert str(caught.value).splitlines() == [
        "The order is wrong",
        "  /version: must be at least 1",
        "  /reason: is missing",
    ]


@pytest.mark.parametrize("reply", [httpx.Response(502, text="<html>Bad"), httpx.Response(502, json=["Bad"])])
def test_an_error_that_is_no_problem_document_shows_its_text(reply: httpx.Response) -> None:
    with pytest.raises(WindvaneError, match="Bad"):
        client(reply)[0].status()


@pytest.mark.parametrize("reply", [httpx.Response(200, text="<html>"), httpx.Response(200, json=[])])
def test_something_else_on_the_port_is_not_windvane(reply: httpx.Response) -> None:
    with pytest.raises(Unavailable, match="is not Windvane"):
        client(reply)[0].status()


def test_a_control_that_is_away_says_how_to_start_it() -> None:
    def refuse(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("Connection refused")

    api = ControlApi(URL, Path("nowhere"), httpx.MockTransport(refuse))
    with pytest.raises(Unavailable, match=r"http://127.0.0.1:8000 does not answer .*`windvane up`"):
        api.status()
    assert not api.ready("trips")


def test_a_model_that_loads_still_is_not_ready() -> None:
    assert not client(httpx.Response(503))[0].ready("trips")
