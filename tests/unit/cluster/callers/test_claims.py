"""A token's claims tell of its owner, whatever else an issuer writes into them."""

import contextlib
from math import inf, nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from windvane.cluster.callers.caller import Caller
from windvane.cluster.callers.claims import LONGEST_NAME, caller_of, until
from windvane.cluster.errors import Unauthorized
from windvane.configs.access import Claims, Role

ROLES: dict[str, Role] = {"ml": "client", "boss": "admin"}
NOW = 1_000_000.0


def test_roles_are_taken_by_what_they_are_called_here() -> None:
    claims = {"sub": "ann", "roles": ["ml", "boss", "cook"]}
    assert caller_of(claims, Claims(), ROLES) == Caller("ann", frozenset({"client", "admin"}), None, None)


def test_a_role_that_has_our_name_and_was_not_mapped_is_none_of_ours() -> None:
    """An issuer's `admin` is the admin of something else, most of the time."""
    assert caller_of({"sub": "ann", "roles": ["admin"]}, Claims(), ROLES).roles == frozenset()


def test_claims_lie_where_the_settings_say() -> None:
    where = Claims(name="email", roles="/realm_access/roles", models="/https:~1~1example.org~1models")
    claims = {
        "sub": "x",
        "email": "ann@example.org",
        "realm_access": {"roles": ["ml"]},
        "https://example.org/models": ["churn", "fraud"],
    }
    caller = caller_of(claims, where, ROLES)
    assert caller == Caller("ann@example.org", frozenset({"client"}), frozenset({"churn", "fraud"}), None)


def test_a_text_with_blanks_is_a_list_as_a_scope_is() -> None:
    assert caller_of({"sub": "a", "scope": "ml  boss"}, Claims(roles="scope"), ROLES).roles == {"client", "admin"}


def test_a_token_that_should_name_models_and_does_not_is_for_none() -> None:
    assert caller_of({"sub": "a"}, Claims(models="models"), ROLES).models == frozenset()
    assert caller_of({"sub": "a", "models": ["*"]}, Claims(models="models"), ROLES).models is None


@pytest.mark.parametrize("name", [None, "", 7, ["a"], "a\nb", "a\x00", "\ud800", "x" * (LONGEST_NAME + 1)])
def test_a_name_that_cannot_stand_in_a_log_is_refused(name: object) -> None:
    with pytest.raises(Unauthorized, match="claim sub must name its owner"):
        caller_of({"sub": name}, Claims(), ROLES)


@pytest.mark.parametrize("roles", [7, {"ml": True}, ["ml", 7], [["ml"]], True])
def test_roles_that_are_no_texts_are_refused(roles: object) -> None:
    with pytest.raises(Unauthorized, match="claim roles must be a list of texts"):
        caller_of({"sub": "a", "roles": roles}, Claims(), ROLES)


def test_a_token_is_good_until_its_end_and_the_skew() -> None:
    assert until({"exp": NOW + 60}, NOW, 30.0) == NOW + 90
    assert until({"exp": NOW - 29.9}, NOW, 30.0) > NOW
    with pytest.raises(Unauthorized, match="over"):
        until({"exp": NOW - 30}, NOW, 30.0)


@pytest.mark.parametrize("claim", ["nbf", "iat"])
def test_a_token_is_not_good_before_its_beginning_less_the_skew(claim: str) -> None:
    assert until({"exp": NOW + 60, claim: NOW + 30}, NOW, 30.0) == NOW + 90
    with pytest.raises(Unauthorized, match=claim):
        until({"exp": NOW + 60, claim: NOW + 30.1}, NOW, 30.0)


@pytest.mark.parametrize("end", [None, "9999999999", True, nan, inf, -inf, [], 10**400, 1e300])
def test_an_end_that_is_no_moment_is_refused(end: object) -> None:
    with pytest.raises(Unauthorized, match="exp"):
        until({"exp": end}, NOW, 30.0)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None, categories=None)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "roles", ""]), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(["sub", "exp", "nbf", "iat", "roles", "a"]), JSON))
def test_no_claims_are_a_fault_of_the_server(claims: dict[str, Any]) -> None:
    with contextlib.suppress(Unauthorized):
        caller = caller_of(claims, Claims(roles="/a/roles", models="roles"), ROLES)
        assert caller.roles <= frozenset(ROLES.values())
    with contextlib.suppress(Unauthorized):
        assert until(claims, NOW, 30.0) > NOW
