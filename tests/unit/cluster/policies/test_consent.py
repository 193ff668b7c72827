"""Consent is on record under the subject's hash, and each replica knows the newest of it."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windvane.backtest.memory import MemoryStore
from windvane.cluster.errors import Conflict
from windvane.cluster.policies.consent import CONSENT, Consent, ConsentChange, ConsentRecords, Said, subject_hash
from windvane.serve_apps.sync.consents import Consents, encode_change

NOW = datetime(2026, 11, 22, tzinfo=UTC)
MARKETING = frozenset({"marketing"})


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def records(store: MemoryStore) -> ConsentRecords:
    return ConsentRecords(store)


def test_a_subject_gives_and_withdraws_purpose_by_purpose(records: ConsentRecords) -> None:
    assert records.of("ann") == Consent()
    records.record("ann", {"lending": True, "marketing": True}, "front-desk", NOW)
    change = records.record("ann", {"marketing": False}, "ann's app", NOW)
    assert change == ConsentChange(subject_hash("ann"), 2, frozenset({"lending"}), MARKETING)
    assert records.of("ann").purposes == {
        "lending": Said(True, NOW, "front-desk"),
        "marketing": Said(False, NOW, "ann's app"),
    }
    assert records.of("bob") == Consent()
    assert records.all() == [change]


def test_the_store_does_not_hold_the_subject(records: ConsentRecords, store: MemoryStore) -> None:
    records.record("ann", {"lending": True}, "front-desk", NOW)
    [saved] = store.list(CONSENT)
    assert "ann" not in saved.key + saved.body.decode()


def test_two_that_record_at_once_lose_nothing(
    records: ConsentRecords, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = store.put

    def slower(*document: Any) -> int:
        monkeypatch.undo()
        records.record("ann", {"lending": False}, "other", NOW)
        return put(*document)

    monkeypatch.setattr(store, "put", slower)
    change = records.record("ann", {"marketing": True}, "front-desk", NOW)
    assert (change.given, change.withdrawn) == (MARKETING, frozenset({"lending"}))


def test_a_store_that_always_says_somebody_was_quicker_is_told(
    records: ConsentRecords, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> int:
        raise Conflict("again")

    monkeypatch.setattr(store, "put", never)
    with pytest.raises(Conflict):
        records.record("ann", {"marketing": True}, "front-desk", NOW)


def known(records: ConsentRecords, wanted: frozenset[str] = MARKETING) -> Consents:
    consents = Consents(records, wanted)
    asyncio.run(consents.reload())
    return consents


def test_a_replica_knows_given_withdrawn_and_never_said(records: ConsentRecords) -> None:
    records.record("ann", {"marketing": True}, "x", NOW)
    records.record("bob", {"marketing": False, "lending": True}, "x", NOW)
    records.record("eve", {"lending": True}, "x", NOW)
    consents = known(records)
    assert [consents.of(who, "marketing") for who in ("ann", "bob", "eve", "joe")] == [True, False, None, None]


def test_a_change_counts_from_when_it_is_taken(records: ConsentRecords) -> None:
    records.record("ann", {"marketing": True}, "x", NOW)
    consents = known(records)
    withdrawn = records.record("ann", {"marketing": False}, "x", NOW)
    asyncio.run(consents.take((encode_change(withdrawn),)))
    assert consents.of("ann", "marketing") is False


@settings(max_examples=40)
@given(st.permutations(range(4)), st.integers(0, 4))
def test_in_whatever_order_changes_arrive_the_newest_counts(order: list[int], reload_after: int) -> None:
    records = ConsentRecords(MemoryStore())
    changes = [records.record("ann", {"marketing": word}, "x", NOW) for word in (True, False, True, False)]
    consents = Consents(records, MARKETING)

    async def arrive() -> None:
        for count, place in enumerate(order):
            if count == reload_after:
                await consents.reload()
            await consents.take((encode_change(changes[place]),))

    asyncio.run(arrive())
    assert consents.of("ann", "marketing") is False


def test_a_model_that_asks_for_nobodys_consent_keeps_none(records: ConsentRecords) -> None:
    records.record("ann", {"marketing": True}, "x", NOW)
    assert len(known(records, frozenset())) == 0


def test_a_subject_that_is_forgotten_never_said_anything_and_may_say_it_anew(
    records: ConsentRecords, store: MemoryStore
) -> None:
    records.record("ann", {"marketing": True}, "x", NOW)
    consents = known(records)
    asyncio.run(consents.take((encode_change(records.forget("ann")),)))
    assert (consents.of("ann", "marketing"), records.of("ann")) == (None, Consent())
    [saved] = store.list(CONSENT)
    assert b"marketing" not in saved.body
    asyncio.run(consents.take((encode_change(records.record("ann", {"marketing": True}, "x", NOW)),)))
    assert consents.of("ann", "marketing") is True
