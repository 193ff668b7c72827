"""A key's record opens nothing, and a faulty order for a key is refused."""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from windvane.cluster.callers.api_key import ID_DIGITS, PREFIX, KeyOrder, digest_of, fresh_secret, make, revoke
from windvane.cluster.callers.rate import Limit
from windvane.cluster.errors import Conflict, Invalid

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ORDER = KeyOrder("night-batch", ("client",), ("churn", "fraud"), NOW + timedelta(days=1), Limit(5.0, 10))


def test_the_record_holds_the_digest_and_nothing_that_opens() -> None:
    secret = fresh_secret()
    key = make(ORDER, secret, "ann", NOW)
    assert key.digest == hashlib.sha256(secret.encode()).hexdigest() == digest_of(secret.encode()).hex()
    assert key.key_id == key.digest[:ID_DIGITS]
    assert secret not in repr(key)
    assert secret.removeprefix(PREFIX) not in repr(key)
    assert (key.name, key.roles, key.models, key.made_at, key.made_by) == (
        "night-batch",
        ("client",),
        ("churn", "fraud"),
        NOW,
        "ann",
    )


def test_a_secret_is_256_random_bits_that_a_header_can_carry() -> None:
    secrets = {fresh_secret() for _ in range(100)}
    assert len(secrets) == 100
    assert all(len(secret) == len(PREFIX) + 43 and secret.isascii() and "." not in secret for secret in secrets)


def test_roles_and_models_are_kept_once_and_in_order() -> None:
    order = replace(ORDER, roles=("admin", "client", "admin"), models=("b", "a", "b"))
    key = make(order, "s", "ann", NOW)
    assert (key.roles, key.models) == (("client", "admin"), ("a", "b"))


def test_everything_that_is_wrong_is_named_at_once() -> None:
    order = KeyOrder("no blanks", ("client", "root"), ("churn", "../x"), NOW, Limit(0.0, 0))
    with pytest.raises(Invalid) as refused:
        make(order, "s", "ann", NOW)
    assert [problem.pointer for problem in refused.value.problems] == [
        "/name",
        "/roles/1",
        "/models/1",
        "/expires_at",
        "/limit",
    ]
    assert "client, owner, operator, compliance, admin" in refused.value.problems[1].detail


@pytest.mark.parametrize(("field", "value"), [("roles", ()), ("models", ()), ("name", ""), ("name", "a\nb")])
def test_what_would_open_nothing_or_spoil_the_log_is_refused(field: str, value: Any) -> None:
    with pytest.raises(Invalid) as refused:
        make(replace(ORDER, **{field: value}), "s", "ann", NOW)
    assert [problem.pointer for problem in refused.value.problems] == [f"/{field}"]


def test_a_key_is_good_until_it_expires_or_is_revoked() -> None:
    key = make(ORDER, "s", "ann", NOW)
    assert key.is_good(NOW + timedelta(hours=23))
    assert not key.is_good(NOW + timedelta(days=1))
    assert replace(key, expires_at=None).is_good(NOW + timedelta(days=9999))
    assert not revoke(key, "bob", "left", NOW).is_good(NOW)


def test_the_first_revocation_stands() -> None:
    revoked = revoke(make(ORDER, "s", "ann", NOW), "bob", "left", NOW)
    assert (revoked.revoked_by, revoked.reason, revoked.revoked_at) == ("bob", "left", NOW)
    with pytest.raises(Conflict, match="revoked by bob on 2026-03-01 12:00 UTC already"):
        revoke(revoked, "eve", "never mind", NOW)
