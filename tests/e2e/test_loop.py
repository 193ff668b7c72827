"""The whole loop on a small world: it changes, the model loses, a new version is trained, proven and promoted."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from tests.e2e.conftest import Place, wait_for
from tests.e2e.traffic import DECLARATION, MODEL, Traffic, declare
from tests.e2e.world import CHANGE, START, days, instance, rows, stream


@pytest.fixture(scope="module")
def deployed(place: Place) -> Iterator[Place]:
    """Version 1, trained before the change, answering."""
    declare(place, MODEL, DECLARATION, rows(4000, START, CHANGE - days(5), seed=1))
    place.windvane("validate", MODEL)
    assert "registered" in place.windvane("train", MODEL).lower()
    place.windvane("deploy", MODEL)
    yield place
    place.leave(MODEL)


@pytest.mark.timeout(600)
def test_a_changed_world_ends_with_a_promoted_version(deployed: Place) -> None:
    place = deployed
    replayed = stream(400_000, CHANGE - days(5), CHANGE + days(2000), seed=2)
    with Traffic(place, MODEL, replayed) as traffic:
        wait_for("a promotion or a failed job", lambda: place.events(MODEL, "promoted", "job_failed"), 300.0)
        assert place.events(MODEL, "job_failed") == []
        wait_for("an answer by version 2", lambda: traffic.acknowledged and traffic.acknowledged[-1][1] == 2)
    told = [event["kind"] for event in place.events(MODEL) if (event["version"], event["kind"]) != (1, "registered")]
    order = [told.index(kind) for kind in STORY]
    assert order == sorted(order), told
    assert traffic.refused == []
    assert place.status(MODEL)["champion"] == 2
    assert _versions(place)[1]["parent"] == 1
    logged = place.windvane("decisions", MODEL, "--sql", "select count(*) as n from decisions")
    assert f"{len(traffic.acknowledged)}" in logged


STORY = (
    "finding",
    "assessment",
    "retrain_requested",
    "job_submitted",
    "registered",
    "job_succeeded",
    "phase",
    "verdict",
    "promoted",
)


def test_undo_returns_to_the_old_champion_at_once(deployed: Place) -> None:
    place = deployed
    place.windvane("rollout", "undo", MODEL, "--reason", "the test says so")
    took = wait_for("the way back", lambda: _ways_back(place, version=2), 20.0)
    assert took[0] < 5000
    assert place.status(MODEL)["champion"] == 1
    reply = place.http.post(f"/v2/models/{MODEL}/decide", json=instance(rows(1, CHANGE, CHANGE + days(1), 5)[0]))
    assert reply.json()["version"] == 1


def _ways_back(place: Place, version: int) -> list[float]:
    """Milliseconds of each rollback: on record as an event, as a candidate that comes next has a rollout of its own."""
    told = [event["facts"].get("rolled_back_in_ms") for event in place.events(MODEL) if event["version"] == version]
    return [took for took in told if took is not None]


def _versions(place: Place) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = place.http.get(f"/api/models/{MODEL}/versions").json()["versions"]
    assert all(datetime.fromisoformat(each["created_at"]).tzinfo is not None for each in found)
    return found
