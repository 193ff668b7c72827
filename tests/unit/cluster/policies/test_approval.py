"""Four eyes: who asks does not approve, and an approval is good for exactly what was looked at."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windvane.cluster.errors import Conflict, Forbidden, Invalid
from windvane.cluster.policies.approval import LOOP, ApprovalAnswer, ChangeToApprove, Gate, approve, reject, same_person

NOW = datetime(2026, 1, 1, tzinfo=UTC)
VERSION = ChangeToApprove("v3 of trips", "4f2a")
POLICIES = ChangeToApprove("the policy set", "a001")  # a gate asks nothing about what it is before
NAMES = st.sampled_from(["ada", "Ada ", "bob", LOOP, "Windvane"])


def test_a_second_person_opens_it() -> None:
    gate = Gate("ada")
    assert gate.waits_for(VERSION) == "waits for approval by somebody other than ada"
    opened = approve(gate, VERSION, "bob", "read the report", NOW)
    assert opened.waits_for(VERSION) is None
    assert opened.approval == ApprovalAnswer("bob", NOW, "read the report", VERSION)


@pytest.mark.parametrize("name", ["ada", "Ada", " ADA ", "\uff41da"])
def test_who_asked_is_told_to_let_somebody_else(name: str) -> None:
    with pytest.raises(Forbidden, match=r"asked for v3 of trips, .* let somebody else approve it, with a key of their"):
        approve(Gate("ada"), VERSION, name, "mine", NOW)


def test_anybody_approves_what_the_loop_asked_for_but_the_loop_itself() -> None:
    assert approve(Gate(), POLICIES, "ada", "fine", NOW).waits_for(POLICIES) is None
    for gate in (Gate(), Gate("ada")):
        with pytest.raises(Forbidden, match="use a key of your own"):
            approve(gate, POLICIES, "Windvane", "fine", NOW)


@pytest.mark.parametrize("other", [replace(VERSION, what="v4 of trips"), replace(VERSION, digest="4f2b"), POLICIES])
def test_an_approval_is_good_for_nothing_else(other: ChangeToApprove) -> None:
    gate = approve(Gate("ada"), VERSION, "bob", "fine", NOW)
    assert gate.waits_for(other) == (
        "waits for approval by somebody other than ada (bob's was given for something else)"
    )
    assert approve(gate, other, "carol", "fine too", NOW).waits_for(other) is None


def test_a_record_in_which_the_requester_approved_opens_nothing() -> None:
    forged = Gate("ada", ApprovalAnswer("ada", NOW, "trust me", VERSION))
    assert forged.waits_for(VERSION) is not None


def test_approving_twice_is_approving_once_and_a_third_person_is_told() -> None:
    gate = approve(Gate("ada"), VERSION, "bob", "fine", NOW)
    assert approve(gate, VERSION, "Bob", "again", NOW) == gate
    with pytest.raises(Conflict, match="bob has approved v3 of trips already: fine"):
        approve(gate, VERSION, "carol", "me too", NOW)


def test_a_rejection_closes_it_for_good() -> None:
    gate = reject(approve(Gate("ada"), VERSION, "bob", "fine", NOW), VERSION, "ada", "found a bug", NOW)
    assert gate.waits_for(VERSION) == "was rejected by ada: found a bug"
    assert reject(gate, VERSION, "bob", "me too", NOW) == gate
    with pytest.raises(Conflict, match="v3 of trips was rejected by ada: found a bug: ask for it anew"):
        approve(gate, VERSION, "bob", "but", NOW)


@pytest.mark.parametrize("answer", [approve, reject])
def test_an_answer_needs_a_reason(answer: type) -> None:
    with pytest.raises(Invalid, match="needs a reason"):
        answer(Gate("ada"), VERSION, "bob", " \n", NOW)


@settings(max_examples=40, deadline=None)
@given(NAMES, st.lists(st.tuples(st.sampled_from([approve, reject]), NAMES, st.sampled_from([VERSION, POLICIES]))))
def test_whatever_is_said_it_opens_only_to_what_a_second_person_approved(
    requester: str, said: list[tuple[Any, str, Any]]
) -> None:
    gate, good, over = Gate(requester), None, False
    for answer, by, change in said:
        try:
            gate = answer(gate, change, by, "because", NOW)
        except (Conflict, Forbidden):
            continue
        over = over or answer is reject
        if answer is approve and (good != change):
            assert not same_person(by, requester)
            good = change
    assert {change for change in (VERSION, POLICIES) if gate.waits_for(change) is None} == (
        set() if over or good is None else {good}
    )
