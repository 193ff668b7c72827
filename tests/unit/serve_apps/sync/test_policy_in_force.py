"""A replica goes by the newest policy set it was handed, and denies until it has one."""

import asyncio

import pytest

from tests.worlds.policies import PACKAGED, asks, rule, written
from windvane.cluster.errors import Invalid, Unavailable
from windvane.cluster.policies.cedar_policy import taken
from windvane.cluster.policies.policy_library import PolicyInForce
from windvane.cluster.policies.policy_set import PolicySet
from windvane.serve_apps.sync.policy_in_force import PolicyHolder, encode_policy

ANYTHING = written(rule("permit (principal, action, resource)", "anything"))
NOTHING = written(rule("forbid (principal, action, resource)", "nothing"))
ASKED = asks("decide", purpose="lending")


def holder(stored: PolicyInForce | Exception | None = None) -> PolicyHolder:
    def look() -> PolicyInForce | None:
        if isinstance(stored, Exception):
            raise stored
        return stored

    return PolicyHolder(look, taken)


def test_without_a_set_everything_is_denied() -> None:
    held = holder()
    asyncio.run(held.reload())
    assert not held.policy.judge(ASKED).allowed


def test_it_goes_by_the_stored_set_and_then_by_every_newer_one() -> None:
    held = holder(PolicyInForce(3, PACKAGED))
    asyncio.run(held.reload())
    assert held.policy.judge(ASKED).version == PACKAGED.version
    asyncio.run(held.take((encode_policy(PolicyInForce(4, ANYTHING)), encode_policy(PolicyInForce(5, NOTHING)))))
    assert held.policy.judge(ASKED).policies == ("nothing",)
    asyncio.run(held.take((encode_policy(PolicyInForce(4, ANYTHING)),)))
    asyncio.run(held.reload())
    assert (held.number, held.policy.judge(ASKED).policies) == (5, ("nothing",))


def test_a_set_that_cannot_be_taken_denies_everything_from_then_on() -> None:
    held = holder(PolicyInForce(1, ANYTHING))
    asyncio.run(held.reload())
    broken = PolicySet({"all.cedar": "permit (principal"})
    asyncio.run(held.take((encode_policy(PolicyInForce(2, broken)),)))
    verdict = held.policy.judge(ASKED)
    assert (verdict.outcome, verdict.version, bool(verdict.errors)) == ("deny", broken.version, True)


def test_a_stored_set_that_was_changed_denies_where_nothing_is_in_force_and_else_changes_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    held = holder(Invalid("its hash differs"))
    asyncio.run(held.reload())
    assert held.policy.judge(ASKED).errors == ("its hash differs",)
    asyncio.run(held.take((encode_policy(PolicyInForce(2, ANYTHING)),)))
    asyncio.run(held.reload())
    assert held.policy.judge(ASKED).allowed
    assert "its hash differs" in caplog.text


def test_a_store_that_is_away_is_asked_again() -> None:
    with pytest.raises(Unavailable):
        asyncio.run(holder(Unavailable("away")).reload())
