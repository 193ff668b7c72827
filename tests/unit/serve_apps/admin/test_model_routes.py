"""Routes about models: what is asked for is answered, and what cannot be is told why."""

import pytest

from tests.worlds.admin.api import DECLARATION, MODELS, problem_of
from tests.worlds.admin.explanations import PLAIN
from tests.worlds.admin.world import AdminWorld, Client
from tests.worlds.callers.keys import BOSS as OWNER
from tests.worlds.rollout.world import MODEL
from windvane.cluster.runtime.serve_apps_api import CONTROL


def test_why_somebody_was_decided_about_is_told_by_its_id(world: AdminWorld, api: Client) -> None:
    world.records.told = {(MODEL, "d1"): PLAIN}
    assert api.get(f"{MODELS}/decisions/d1/explanation", headers=OWNER).json() == PLAIN
    detail = problem_of(api.get(f"{MODELS}/decisions/d2/explanation", headers=OWNER), 404)["detail"]
    assert detail == f"The log of {MODEL} has no decision 'd2'"
    problem_of(api.get("/api/models/trips/decisions/d1/explanation", headers=OWNER), 404)


@pytest.mark.parametrize("query", ["after=-1", "after=x", "limit=0", "limit=1001", f"after={10**30}"])
def test_a_query_parameter_out_of_range_is_named(api: Client, query: str) -> None:
    (place,) = problem_of(api.get(f"{MODELS}/events?{query}"), 422)["errors"]
    assert place["detail"].startswith(f"query parameter {query.partition('=')[0]}: ")
    assert place["pointer"] == ""


def test_a_declaration_for_another_name_is_refused(api: Client) -> None:
    found = problem_of(api.put("/api/models/trips", json=DECLARATION, headers=OWNER), 422)
    assert found["errors"] == [{"pointer": "/name", "detail": f"is '{MODEL}', and the path names 'trips'"}]


def test_no_model_can_take_the_place_of_control(api: Client) -> None:
    """It is deployed under its own name, and would have replaced the control application."""
    found = problem_of(api.put(f"/api/models/{CONTROL}", json=DECLARATION | {"name": CONTROL}, headers=OWNER), 422)
    assert "choose another name" in found["errors"][0]["detail"]


def test_metrics_are_prometheus_text(api: Client) -> None:
    reply = api.get("/metrics")
    assert reply.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert f'model="{MODEL}"' in reply.text
