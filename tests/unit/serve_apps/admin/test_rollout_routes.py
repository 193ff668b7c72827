"""Routes about rollouts: an order says what it is about."""

from typing import Any

import pytest

from tests.worlds.admin.api import MODELS, REASON, problem_of
from tests.worlds.admin.world import Client
from tests.worlds.callers.keys import BOSS as OWNER


def test_a_version_that_does_not_exist_is_not_found(api: Client) -> None:
    order = {"version": 7, "reason": "try"}
    assert (
        "no version 7; there are: 1"
        in problem_of(api.post(f"{MODELS}/rollout", json=order, headers=OWNER), 404)["detail"]
    )
    problem_of(api.put(f"{MODELS}/pins", json={"versions": [7]}, headers=OWNER), 404)


def test_a_verb_that_does_not_exist_is_not_found(api: Client) -> None:
    problem_of(api.post(f"{MODELS}/rollout/explode", json=REASON, headers=OWNER), 404)


@pytest.mark.parametrize("verb", ["approve", "reject"])
@pytest.mark.parametrize(
    "order",
    [
        REASON,
        {"version": 2},
        {"version": 0, **REASON},
        {"version": 2, "plan": "4F2A", **REASON},
        {"version": 2, "by": 1},
    ],
)
def test_an_answer_has_to_say_what_it_is_given_for(api: Client, verb: str, order: dict[str, Any]) -> None:
    assert problem_of(api.post(f"{MODELS}/rollout/{verb}", json=order, headers=OWNER), 422)["errors"]
