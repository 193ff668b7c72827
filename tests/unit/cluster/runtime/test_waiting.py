"""A wait says what it is for, and what there is to do."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from windvane.cluster.runtime.waiting import Demand, Wait, groups_to_come, held, jobs_to_come, replicas_to_come, waits

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


def application(replicas: list[str | None], wanted: int = 1, status: str = "DEPLOYING") -> dict[str, Any]:
    deployment = {
        "target_num_replicas": wanted,
        "deployment_config": {"ray_actor_options": {"num_cpus": 0.25}},
        "replicas": [{"node_id": node, "state": "STARTING"} for node in replicas],
        "message": "",
    }
    return {"status": status, "message": "", "deployments": {"Gateway": deployment}}


def told(demands: list[Demand], free: float, running: float = 2.0) -> list[str]:
    return [wait.sentence for wait in waits(demands, free, 2.0, running, (), NOW)]


def test_a_replica_without_a_process_waits_for_its_cpus() -> None:
    """Five deployed models held the CPUs, and a deployment stood in DEPLOYING without a reason."""
    demands = replicas_to_come({"churn": application([None])})
    assert told(demands, free=0.0) == [
        "churn waits for 0.25 CPU, 0 of 2 free: take a model out of service with `windvane undeploy MODEL` "
        "or give churn less with serving.num_cpus"
    ]
    assert told(demands, free=0.25) == [], "it is only starting"


def test_a_replica_whose_cpus_are_counted_already_is_starting() -> None:
    """While it loads, Ray has its CPUs as used, and Serve does not say yet where it is."""
    applications = {"a": application(["n1"] * 7, wanted=7), "churn": application([None])}
    demands = replicas_to_come(applications)
    assert held(applications) == 1.75
    assert told(demands, free=0.0, running=1.75) == []
    assert len(told([*demands, *replicas_to_come({"trips": application([None])})], free=0.0, running=1.75)) == 1


def test_what_serve_says_of_a_place_that_is_not_found_is_said() -> None:
    """On a cluster that others use too, what is starting cannot be told from what they use."""
    found = application([None])
    found["deployments"]["Gateway"]["message"] = "1 replicas that have taken more than 30s to be scheduled. Resources"
    (sentence,) = told(replicas_to_come({"churn": found}), free=1.0)
    assert sentence.startswith("churn waits for a place: 1 replicas that have taken more than 30s")


@pytest.mark.parametrize(
    ("found", "count"),
    [
        (application(["n1"]), 0),
        (application(["n1", None], wanted=2), 1),
        (application([], wanted=1), 1),
        (application([None], status="DEPLOY_FAILED"), 0),
        ({"status": "DEPLOYING", "deployments": {}}, 0),
        ({"status": "NOT_STARTED", "deployments": None}, 0),
    ],
)
def test_only_what_has_no_process_yet_is_to_come(found: dict[str, Any], count: int) -> None:
    assert len(replicas_to_come({"churn": found})) == count


def test_a_training_whose_workers_find_no_place_says_so() -> None:
    groups: list[dict[str, Any]] = [
        {"state": "PENDING", "bundles": {0: {"CPU": 1.0}}},
        {"state": "CREATED", "bundles": {0: {"CPU": 1.0}}},
        {"state": "REMOVED", "bundles": {}},
    ]
    (sentence,) = told(groups_to_come(groups), free=0.75)
    assert sentence.startswith("a training waits for 1 CPU, 0.75 of 2 free: take a model out of service")


def test_a_job_that_has_not_started_says_what_ray_says() -> None:
    message = "Job has not started yet. It may be waiting for\nthe runtime environment to be set up."
    jobs: list[dict[str, Any]] = [
        {"status": "PENDING", "submission_id": "train-a-1", "metadata": {"model": "a"}, "message": message},
        {"status": "RUNNING", "submission_id": "train-b-1", "metadata": None, "message": ""},
    ]
    (wait,) = waits(jobs_to_come(jobs), 1.0, 2.0, 1.0, (), NOW)
    assert wait == Wait("a", f"job train-a-1 waits to start: {' '.join(message.split())}", NOW)


def test_a_wait_keeps_the_moment_in_which_it_began() -> None:
    demand = Demand("a training", None, 1.0)
    first = waits([demand], 0.75, 2.0, 1.25, (), NOW)
    later = waits([demand], 0.5, 2.0, 1.5, first, NOW + timedelta(seconds=5))
    assert [wait.since for wait in later] == [NOW]
    assert "0.5 of 2 free" in later[0].sentence
    assert waits([], 0.5, 2.0, 1.5, later, NOW) == ()


def test_two_of_a_kind_are_said_once() -> None:
    assert len(told([Demand("a training", None, 1.0)] * 3, 0.0)) == 1
