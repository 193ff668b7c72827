"""A policy set goes live by two people, or by one where the set before it says so; and never twice at once."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windvane.cluster.errors import Conflict, Forbidden, Invalid, NotFound, WindvaneError
from windvane.cluster.policies.policy_register import LivePolicySet, Register, approve, propose, withdraw

NOW = datetime(2026, 11, 22, tzinfo=UTC)
ONE, TWO, THREE = "1" * 64, "2" * 64, "3" * 64
FIRST = propose(Register(), ONE, "windvane", "the packaged one", NOW, second_person=False)


def asked(version: str = TWO, by: str = "ann") -> Register:
    return propose(FIRST, version, by, "lower limits", NOW, second_person=True)


def test_a_proposal_changes_nothing_until_a_second_person_approves() -> None:
    waiting = asked()
    assert waiting.live == FIRST.live
    live = approve(waiting, TWO, "bob", "read it", NOW + timedelta(hours=1))
    assert live == Register(
        LivePolicySet(2, TWO, "ann", "bob", "lower limits", NOW + timedelta(hours=1)),
        before=(FIRST.live,),  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("by", ["ann", "Ann", " ann", "ａｎｎ"])
def test_whoever_asked_does_not_approve_whatever_the_spelling(by: str) -> None:
    with pytest.raises(Forbidden, match="let somebody else approve it"):
        approve(asked(), TWO, by, "mine", NOW)


def test_nobody_approves_another_set_than_the_one_that_waits() -> None:
    for register, version in ((asked(), THREE), (FIRST, TWO), (asked(), "2222"), (asked(), "")):
        with pytest.raises(NotFound, match="waits"):
            approve(register, version, "bob", "read it", NOW)
    assert approve(asked(), TWO[:8], "bob", "read it", NOW).live is not None


def test_an_approval_needs_a_reason_and_somebody_who_is_not_the_loop() -> None:
    with pytest.raises(Invalid, match="needs a reason"):
        approve(asked(), TWO, "bob", " ", NOW)
    with pytest.raises(Forbidden, match="use a key of your own"):
        approve(asked(), TWO, "Windvane", "read it", NOW)


def test_a_second_proposal_waits_for_the_first_to_be_decided() -> None:
    with pytest.raises(Conflict, match="ann proposed policy set 222222222222"):
        propose(asked(), THREE, "bob", "no", NOW, second_person=True)
    with pytest.raises(Conflict, match="ann proposed"):
        propose(asked(), THREE, "bob", "no", NOW, second_person=False)
    with pytest.raises(Conflict):  # the same set, asked for by another: approving it is what bob means
        propose(asked(), TWO, "bob", "me too", NOW, second_person=True)
    assert propose(asked(), TWO, "ann", "again", NOW, second_person=True) == asked()


def test_what_is_in_force_cannot_be_proposed() -> None:
    with pytest.raises(Conflict, match="in force already"):
        propose(FIRST, ONE, "ann", "again", NOW, second_person=True)


def test_a_proposal_that_is_withdrawn_leaves_everything_as_it_was() -> None:
    assert withdraw(asked(), TWO) == FIRST
    with pytest.raises(NotFound):
        withdraw(FIRST, TWO)


def test_a_set_that_was_in_force_before_may_be_again_under_a_new_number() -> None:
    second = approve(asked(), TWO, "bob", "read it", NOW)
    third = propose(second, ONE, "ann", "back", NOW, second_person=False)
    assert third.live is not None
    assert (third.live.number, third.live.version, third.live.approved_by) == (3, ONE, None)
    assert [live.version for live in third.before] == [ONE, TWO]


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["propose", "approve", "withdraw"]),
        st.sampled_from([ONE, TWO, THREE]),
        st.sampled_from(["ann", "bob", "eve"]),
    ),
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_whatever_is_tried_only_what_two_people_wanted_goes_live_and_numbers_rise(
    steps: list[tuple[str, str, str]],
) -> None:
    register = FIRST
    for verb, version, by in steps:
        before = register
        try:
            if verb == "propose":
                register = propose(register, version, by, "x", NOW, second_person=True)
                assert register.live == before.live
            elif verb == "approve":
                register = approve(register, version, by, "x", NOW)
            else:
                register = withdraw(register, version)
        except WindvaneError:
            assert register == before
    for live in (*register.before, register.live):
        assert live is not None
        assert live.number == 1 or (live.approved_by is not None and live.approved_by != live.requested_by)
    numbers = [live.number for live in (*register.before, register.live) if live is not None]
    assert numbers == list(range(1, len(numbers) + 1))
