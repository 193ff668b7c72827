"""A ring finds exactly the keys of its snapshot, and travels as JSON."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from windvane.cluster.callers.api_key import KeyOrder, digest_of, make, revoke
from windvane.cluster.callers.caller import Caller
from windvane.cluster.callers.key_ring import EMPTY, KeyRing, KeySnapshot, decode_snapshot, encode_snapshot
from windvane.cluster.callers.rate import Limit
from windvane.cluster.errors import Invalid, Unauthorized

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
AT = NOW.timestamp()
ANN = make(KeyOrder("ann", ("client", "owner"), ("churn",), NOW + timedelta(days=1), Limit(5.0, 10)), "a", "up", NOW)
BOB = make(KeyOrder("bob", ("admin",)), "b", "up", NOW)
SNAPSHOT = KeySnapshot(7, (ANN, BOB))


def test_a_key_is_found_with_its_roles_and_models() -> None:
    ring = KeyRing(SNAPSHOT)
    assert ring.find(digest_of(b"a"), AT) == Caller(
        "ann", frozenset({"client", "owner"}), frozenset({"churn"}), ANN.key_id
    )
    assert ring.find(digest_of(b"b"), AT) == Caller("bob", frozenset({"admin"}), None, BOB.key_id)
    assert (ring.revision, len(ring)) == (7, 2)
    assert (ring.limit_of(ANN.key_id), ring.limit_of(BOB.key_id)) == (Limit(5.0, 10), None)


@given(st.binary(max_size=40))
def test_nothing_else_is_found(token: bytes) -> None:
    found = KeyRing(SNAPSHOT).find(digest_of(token), AT)
    assert (found is None) == (token not in (b"a", b"b"))


def test_neither_the_digest_nor_the_id_opens_anything() -> None:
    """Whoever steals the store has these."""
    ring = KeyRing(SNAPSHOT)
    for stolen in (ANN.digest.encode(), bytes.fromhex(ANN.digest), ANN.key_id.encode()):
        assert ring.find(digest_of(stolen), AT) is None


def test_a_key_ends_to_the_second_and_its_owner_is_told_when() -> None:
    ring = KeyRing(SNAPSHOT)
    assert ring.find(digest_of(b"a"), AT + 86_399.9) is not None
    with pytest.raises(Unauthorized, match=f"The key {ANN.key_id} expired on 2026-03-02"):
        ring.find(digest_of(b"a"), AT + 86_400)
    assert ring.find(digest_of(b"b"), AT + 1e9) is not None


def test_a_revoked_key_is_not_held_even_if_a_snapshot_has_it() -> None:
    assert KeyRing(KeySnapshot(8, (revoke(ANN, "bob", "left", NOW),))).find(digest_of(b"a"), AT) is None


def test_the_empty_ring_holds_nothing() -> None:
    assert (len(EMPTY), EMPTY.find(digest_of(b""), AT)) == (0, None)


def test_a_snapshot_travels_whole() -> None:
    assert decode_snapshot(encode_snapshot(SNAPSHOT)) == SNAPSHOT
    assert b'"a"' not in encode_snapshot(SNAPSHOT).encode()  # of the secret


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        '{"revision": "x", "keys": []}',
        encode_snapshot(KeySnapshot(1, (replace(BOB, digest="zz"),))),
        encode_snapshot(KeySnapshot(1, (replace(BOB, digest=""),))),
        encode_snapshot(KeySnapshot(1, (replace(BOB, digest=BOB.digest[:62]),))),
        encode_snapshot(SNAPSHOT).replace('"admin"', '"root"'),
    ],
)
def test_what_no_ring_can_be_made_of_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="This is no snapshot of keys"):
        decode_snapshot(text)
