"""Control answers with the loop's records as they are, null where nothing is known."""

import json

import pytest

from tests.worlds.admin.world import AdminWorld
from tests.worlds.rollout.world import MODEL, SPEC
from windvane.cluster.errors import Conflict, NotFound
from windvane.cluster.runtime.waiting import Wait
from windvane.cluster.store import Event
from windvane.monitoring.loop.requests import requests_of
from windvane.serve_apps.admin.inference_server import unready
from windvane.serve_apps.admin.model_admin import NEWEST_EVENTS

DECLARATION = SPEC.model_dump(mode="json")


@pytest.fixture
def world() -> AdminWorld:
    return AdminWorld()


def test_the_status_of_a_model_before_its_first_rollout(world: AdminWorld) -> None:
    world.tick()
    (model,) = world.model_admin.status()["models"]
    assert (model["name"], model["owner"], model["champion"]) == (MODEL, SPEC.owner, 1)
    assert model["split"] is not None
    assert model["split"]["arms"] == [{"name": "champion", "version": 1, "weight": 1.0}]
    assert (model["rollout"], model["retrain"]) == (None, None)
    assert model["traffic"] == {
        "decisions": 1200,
        "errors": 3,
        "decisions_per_second": 80.0,
        "latency_p50_ms": 2.5,
        "latency_p99_ms": 9.0,
        "labelled": 1000,
        "corrected": 3,
        "unmatched": 4,
        "waiting": 7,
        "waiting_dropped": 0,
        "shadow_unmatched": 0,
        "replicas": 2,
        "shadow_dropped": {"2": 4},
        "denied": {"consent": 2},
        "refused": 5,
        "refusals": [
            {"field": "income", "reason": "range", "count": 4},
            {"field": "", "reason": "malformed_request", "count": 1},
        ],
        "warnings": [{"field": "plan", "reason": "unknown_category", "count": 3}],
    }


def test_a_monitor_that_is_away_gives_no_figures_and_no_zeros(world: AdminWorld) -> None:
    world.monitors.away = True
    (model,) = world.model_admin.status()["models"]
    assert model["traffic"] is None
    assert b"windvane_decisions_total{" not in world.model_admin.metrics()


def test_the_status_of_a_rollout_has_the_verdict_with_its_evidence(world: AdminWorld) -> None:
    world.retrained()
    world.until("step", 1)
    (model,) = world.model_admin.status()["models"]
    rollout, retrain = model["rollout"], model["retrain"]
    assert rollout is not None
    assert (rollout["candidate"], rollout["champion"], rollout["phase"], rollout["weight"]) == (2, 1, "step", 0.5)
    assert rollout["verdict"] is not None
    assert rollout["verdict"]["outcome"] == "NOT_YET"
    assert {each["name"] for each in rollout["verdict"]["guardrails"]} >= {"loss", "errors", "latency"}
    assert rollout == world.rollout_admin.status(MODEL)
    assert model["split"] is not None
    assert [arm["version"] for arm in model["split"]["arms"]] == [2, 1]
    assert retrain is not None
    assert (retrain["status"], retrain["version"]) == ("succeeded", 2)


def test_everything_shown_is_plain_json(world: AdminWorld) -> None:
    world.retrained()
    world.until("done")
    shown = world.model_admin.status()
    assert json.loads(json.dumps(shown, allow_nan=False)) == shown
    assert [each["standing"] for each in world.history.versions(MODEL)] == ["retired", "champion"]


def test_the_newest_events_are_shown_however_many_there_were(world: AdminWorld) -> None:
    def happen(count: int) -> None:
        for _ in range(count):
            world.store.append(Event(world.now, "finding", MODEL, 1, "drifts"))

    def shown() -> list[int]:
        return [event["number"] for event in world.model_admin.status()["models"][0]["events"]]

    happen(3)
    assert shown() == [1, 2, 3]
    happen(2500)
    assert shown() == list(range(2504 - NEWEST_EVENTS, 2504))
    happen(1)
    assert shown()[-1] == 2504
    assert len(shown()) == NEWEST_EVENTS


def test_deploying_the_same_declaration_twice_changes_nothing(world: AdminWorld) -> None:
    first = world.model_admin.deploy(MODEL, DECLARATION, "owner")
    before = world.contents()
    assert world.model_admin.deploy(MODEL, DECLARATION, "owner") == first
    assert world.contents() == before


def test_a_changed_declaration_gets_another_digest_and_is_told(world: AdminWorld) -> None:
    first = world.model_admin.deploy(MODEL, DECLARATION, "owner")
    second = world.model_admin.deploy(MODEL, DECLARATION | {"owner": "others"}, "owner")
    assert second["spec_digest"] != first["spec_digest"]
    assert world.declarations.spec(MODEL).owner == "others"
    assert [event.detail for event in world.store.events(MODEL)] == [f"owner declared {MODEL} anew"]


def test_a_model_without_a_version_cannot_be_deployed(world: AdminWorld) -> None:
    with pytest.raises(Conflict, match=r"new has no registered version yet: `windvane train new` makes the first"):
        world.model_admin.deploy("new", DECLARATION | {"name": "new"}, "owner")


def test_a_model_out_of_service_is_counted_nowhere_and_keeps_its_record(world: AdminWorld) -> None:
    world.tick()
    world.model_admin.undeploy(MODEL, "replaced", "owner")
    assert world.declarations.all() == ()
    assert world.model_admin.status()["models"] == []
    assert MODEL.encode() not in world.model_admin.metrics()
    assert unready(world.declarations.all(), world.switchboard) == []
    for ask in (world.declarations.spec, world.rollout_admin.status):
        with pytest.raises(NotFound, match=f"No model '{MODEL}' is deployed; deployed are: none"):
            ask(MODEL)
    assert [each["number"] for each in world.history.versions(MODEL)] == [1]
    last = world.history.events(MODEL, 0, 10)[-1]
    assert (last["kind"], last["version"]) == ("undeployed", 1)
    assert last["detail"] == f"owner took {MODEL} out of service: replaced"


def test_a_model_comes_back_with_the_split_it_left_with(world: AdminWorld) -> None:
    world.retrained()
    world.until("done")
    split = world.split()
    world.model_admin.undeploy(MODEL, "the end", "owner")
    assert world.model_admin.deploy(MODEL, DECLARATION, "owner")["champion"] == 2
    assert world.store.events(MODEL)[-1].detail == f"owner took {MODEL} into service again"
    world.tick()
    assert world.split() == split
    assert world.model_admin.status()["models"][0]["champion"] == 2


def test_undeploying_twice_changes_nothing_more(world: AdminWorld) -> None:
    assert world.model_admin.undeploy(MODEL, "the end", "owner") == {"model": MODEL}
    before = world.contents()
    assert world.model_admin.undeploy(MODEL, "the end", "owner") == {"model": MODEL}
    assert world.contents() == before
    with pytest.raises(NotFound, match="No model 'nobody' is deployed"):
        world.model_admin.undeploy("nobody", "the end", "owner")


def test_a_model_with_a_rollout_stays_in_service_until_that_ends(world: AdminWorld) -> None:
    world.start_rollout()
    with pytest.raises(Conflict, match=rf"is in shadow.*: end that first, with `windvane rollout abort {MODEL}`"):
        world.model_admin.undeploy(MODEL, "the end", "owner")
    assert [spec.name for spec in world.declarations.all()] == [MODEL]
    world.rollout_admin.steer(MODEL, "abort", "the end", "owner")
    world.model_admin.undeploy(MODEL, "the end", "owner")
    assert world.declarations.all() == ()


def test_asking_to_retrain_twice_opens_one_request(world: AdminWorld) -> None:
    first = world.model_admin.retrain(MODEL, "winter", "owner")
    assert world.model_admin.retrain(MODEL, "spring", "owner") == first
    assert first["reason"] == "owner asked: winter"


def test_a_request_by_hand_carries_the_models_own_clock_where_it_has_one(world: AdminWorld) -> None:
    world.model_admin.retrain(MODEL, "winter", "owner")
    assert requests_of(world.store, MODEL)[0].event_time is None
    timed = DECLARATION | {"name": "timed", "data": {"source": "x.csv", "time": "left_at"}}
    world.store.put("model", "timed", json.dumps(timed).encode(), 0)
    world.model_admin.retrain("timed", "winter", "owner")
    (request,) = requests_of(world.store, "timed")
    assert request.event_time is not None
    assert request.event_time.timestamp() == world.monitors.seen.watermark


def gated(world: AdminWorld) -> None:
    plan = {**DECLARATION["rollout"], "approval": "required"}
    world.model_admin.deploy(MODEL, DECLARATION | {"rollout": plan}, "owner")


def test_who_asks_to_retrain_is_who_may_not_approve(world: AdminWorld) -> None:
    assert world.model_admin.retrain(MODEL, "winter", "ada")["requested_by"] == "ada"


def test_taking_the_approval_out_of_a_plan_is_told(world: AdminWorld) -> None:
    gated(world)
    world.model_admin.deploy(MODEL, DECLARATION, "ada")
    assert [event.detail for event in world.store.events(MODEL)] == [
        f"owner declared {MODEL} anew; approval of its rollouts: required",
        f"ada declared {MODEL} anew; approval of its rollouts: none",
    ]


def test_who_waits_stands_in_the_status_of_whoever_may_see_the_model() -> None:
    world = AdminWorld()
    mine, others, nobodys = (Wait(model, f"{model} waits", world.now) for model in (MODEL, "secret", None))
    world.waits = (mine, others, nobodys)
    shown = world.model_admin.status(lambda model: model == MODEL)["waits"]
    assert [wait["sentence"] for wait in shown] == [f"{MODEL} waits", "None waits"]
    assert shown[0]["since"] == world.now.isoformat()
