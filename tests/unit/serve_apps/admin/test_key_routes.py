"""The control API's keys: for the owner only, each shown once, and no change is lost when the replicas are away."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.worlds.admin.world import Client, ControlClient
from tests.worlds.callers.keys import BOSS as OWNER
from tests.worlds.callers.keys import key, knowing
from windvane.backtest.memory import MemoryStore
from windvane.cluster.callers.api_key import KeyOrder, digest_of
from windvane.cluster.callers.authenticator import Authenticator
from windvane.cluster.callers.key_book import KeyBook
from windvane.cluster.callers.key_ring import KeyRing, KeySnapshot
from windvane.cluster.errors import Unavailable
from windvane.serve_apps.admin.key_admin import KeyAdmin
from windvane.serve_apps.admin.openapi.document import document
from windvane.serve_apps.admin.route_auth import RouteAuth
from windvane.serve_apps.endpoints.refusal_log import RefusalLog

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
KEYS = "/api/keys"
ONE_MODEL, NO_ADMIN = "wv_" + "o" * 43, "wv_" + "n" * 43
ORDER = {"name": "night-batch", "roles": ["client"]}
FULL = ORDER | {
    "models": ["churn"],
    "expires_at": "2026-04-01T00:00:00+02:00",
    "limit": {"per_second": 5, "burst": 10},
}


class Replicas:
    """Snapshots told to the replicas, which may be away."""

    def __init__(self) -> None:
        self.told: list[KeySnapshot] = []
        self.away = False
        self.known = True  # whether all have come back with it

    def publish(self, snapshot: KeySnapshot) -> bool:
        if self.away:
            raise Unavailable("the Switchboard does not answer")
        self.told.append(snapshot)
        return self.known


@pytest.fixture
def replicas() -> Replicas:
    return Replicas()


@pytest.fixture
def key_admin(replicas: Replicas) -> KeyAdmin:
    return KeyAdmin(KeyBook(MemoryStore()), replicas.publish, Authenticator(), lambda: NOW)


@pytest.fixture
def api(key_admin: KeyAdmin) -> Client:
    keys = (key(ONE_MODEL, "admin", models=("churn",)), key(NO_ADMIN, "client", "owner", "operator", "compliance"))
    return ControlClient(headers={}, route_auth=RouteAuth(knowing(*keys), RefusalLog(lambda _: None)), keys=key_admin)


def made(api: Client, **order: Any) -> dict[str, Any]:
    reply = api.post(KEYS, json=ORDER | order, headers=OWNER)
    assert reply.status_code == 201, reply.text
    found: dict[str, Any] = reply.json()
    return found


def test_a_key_is_shown_once_and_opens_on_the_replicas(api: Client, replicas: Replicas) -> None:
    reply = made(api, **FULL)
    caller = KeyRing(replicas.told[-1]).find(digest_of(reply["key"].encode()), NOW.timestamp())
    assert caller is not None
    assert (caller.name, caller.models) == ("night-batch", frozenset({"churn"}))
    assert reply["replicas_told"]
    listed = api.get(KEYS, headers=OWNER).text
    assert reply["key"] not in listed
    assert digest_of(reply["key"].encode()).hex() not in listed


def test_no_cache_on_the_way_keeps_a_key(api: Client) -> None:
    assert api.post(KEYS, json=ORDER, headers=OWNER).headers["cache-control"] == "no-store"


def test_what_is_listed_says_whose_what_for_and_until_when(api: Client) -> None:
    status = made(api, **FULL)["status"]
    assert api.get(KEYS, headers=OWNER).json() == {"keys": [status]}
    assert status == {
        "key_id": status["key_id"],
        "name": "night-batch",
        "roles": ["client"],
        "models": ["churn"],
        "standing": "good",
        "made_at": "2026-03-01T12:00:00+00:00",
        "made_by": "boss",
        "expires_at": "2026-04-01T00:00:00+02:00",
        "requests_per_second": 5.0,
        "burst": 10,
        "revoked_at": None,
        "revoked_by": "",
        "reason": "",
    }


def test_a_revoked_key_is_gone_from_the_replicas_and_stays_on_record(api: Client, replicas: Replicas) -> None:
    key_id = made(api)["status"]["key_id"]
    reply = api.post(f"{KEYS}/{key_id}/revoke", json={"reason": "lost"}, headers=OWNER)
    assert (reply.status_code, reply.json()["status"]["standing"]) == (200, "revoked")
    assert replicas.told[-1].keys == ()
    assert [key["reason"] for key in api.get(KEYS, headers=OWNER).json()["keys"]] == ["lost"]


def test_while_the_replicas_are_away_a_change_stands_and_says_so(
    api: Client, key_admin: KeyAdmin, replicas: Replicas
) -> None:
    """A key whose reply failed would be on record with nobody who knows it."""
    replicas.away = True
    reply = made(api)
    assert (reply["replicas_told"], bool(reply["key"])) == (False, True)
    key_id = reply["status"]["key_id"]
    assert not api.post(f"{KEYS}/{key_id}/revoke", json={"reason": "x"}, headers=OWNER).json()["replicas_told"]
    replicas.away = False
    key_admin.refresh()
    assert (replicas.told[-1].revision, replicas.told[-1].keys) == (2, ())


@pytest.mark.parametrize(
    ("headers", "status"), [({}, 401), ({"x-api-key": "wrong"}, 401), ({"x-api-key": NO_ADMIN}, 403)]
)
def test_only_an_admin_sees_or_changes_keys(
    api: Client, replicas: Replicas, headers: dict[str, str], status: int
) -> None:
    asked = [("GET", KEYS), ("POST", KEYS), ("POST", f"{KEYS}/x/revoke")]
    for method, path in asked:
        for body in (b"{}", b"{"):
            reply = api.request(method, path, content=body, headers={"content-type": "application/json"} | headers)
            assert (reply.status_code, reply.headers["content-type"]) == (status, "application/problem+json")
    assert replicas.told == []


def test_an_admin_of_one_model_makes_no_key_for_the_others(api: Client, replicas: Replicas) -> None:
    mine = {"x-api-key": ONE_MODEL}
    for reply in (
        api.post(KEYS, json=ORDER, headers=mine),
        api.post(KEYS, json=FULL, headers=mine),
        api.get(KEYS, headers=mine),
        api.post(f"{KEYS}/x/revoke", json={"reason": "x"}, headers=mine),
    ):
        assert (reply.status_code, "single models only" in reply.json()["detail"]) == (403, True)
    assert replicas.told == []


def test_control_goes_by_a_change_at_once_and_replicas_are_told_of_each_once(replicas: Replicas) -> None:
    book, authenticator = KeyBook(MemoryStore()), Authenticator()
    key_admin = KeyAdmin(book, replicas.publish, authenticator, lambda: NOW)
    key_admin.refresh()
    assert replicas.told == []  # there is nothing to tell
    book.create(KeyOrder("first", ("admin",)), "windvane up", NOW)  # by another process
    key_admin.refresh()
    key_admin.refresh()
    assert [snapshot.revision for snapshot in replicas.told] == [1]
    made_key = key_admin.create(KeyOrder("second", ("client",)), "first")["key"]
    assert authenticator.authenticate(None, made_key.encode()).name == "second"
    key_admin.refresh()
    assert [snapshot.revision for snapshot in replicas.told] == [1, 2]


def test_that_not_all_replicas_have_come_back_is_said(key_admin: KeyAdmin, replicas: Replicas) -> None:
    replicas.known = False
    assert not key_admin.create(KeyOrder("ann", ("client",)), "boss")["replicas_told"]
    key_admin.refresh()
    assert len(replicas.told) == 1  # they were told


def test_what_the_replicas_could_not_be_told_is_told_later(replicas: Replicas) -> None:
    key_admin = KeyAdmin(KeyBook(MemoryStore()), replicas.publish, Authenticator(), lambda: NOW)
    replicas.away = True
    assert not key_admin.create(KeyOrder("ann", ("client",)), "boss")["replicas_told"]
    with pytest.raises(Unavailable):
        key_admin.refresh()
    replicas.away = False
    key_admin.refresh()
    assert [snapshot.revision for snapshot in replicas.told] == [1]


@pytest.mark.parametrize(
    ("order", "pointer"),
    [
        ({"name": ""}, "/name"),
        ({"name": "no blanks"}, "/name"),
        ({"roles": []}, "/roles"),
        ({"roles": ["root"]}, "/roles/0"),
        ({"models": []}, "/models"),
        ({"models": ["../x"]}, "/models/0"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "/expires_at"),
        ({"expires_at": "2027-01-01T00:00:00"}, "/expires_at"),  # of which zone?
        ({"limit": {"per_second": 0, "burst": 1}}, "/limit/per_second"),
        ({"limit": {"per_second": 1}}, "/limit/burst"),
        ({"key": "mine"}, "/key"),
    ],
)
def test_an_order_that_does_not_fit_names_the_place(api: Client, order: dict[str, Any], pointer: str) -> None:
    reply = api.post(KEYS, json=ORDER | order, headers=OWNER)
    assert reply.status_code == 422
    assert [each["pointer"] for each in reply.json()["errors"]] == [pointer]


def test_a_key_that_is_not_there_or_revoked_already_is_told(api: Client) -> None:
    assert api.post(f"{KEYS}/nope/revoke", json={"reason": "x"}, headers=OWNER).status_code == 404
    key_id = made(api)["status"]["key_id"]
    for status in (200, 409):
        assert api.post(f"{KEYS}/{key_id}/revoke", json={"reason": "x"}, headers=OWNER).status_code == status


def test_the_document_tells_of_the_keys_and_who_may_ask(api: Client) -> None:
    paths = document([], api.app.openapi())["paths"]
    assert set(paths[KEYS]) == {"get", "post"}
    for operation in (*paths[KEYS].values(), *paths[f"{KEYS}/{{key_id}}/revoke"].values()):
        assert operation["security"] == [{"bearer": ["admin"]}, {"apiKey": ["admin"]}]
        assert {"401", "403", "429"} <= set(operation["responses"])
