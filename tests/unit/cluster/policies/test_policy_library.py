"""Policy sets in the store: kept under their hash, put in force once, told as events."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from tests.worlds.policies import PACKAGED, rule, written
from windvane.backtest.memory import MemoryStore
from windvane.cluster.errors import Conflict, Forbidden, Invalid, NotFound
from windvane.cluster.policies.cedar_rules import compile_policies
from windvane.cluster.policies.policy_library import EVERY_MODEL, POLICY_REGISTER, POLICY_SET, PolicyLibrary
from windvane.cluster.policies.policy_set import PolicySet

NOW = datetime(2026, 11, 22, tzinfo=UTC)
OTHER = written(rule("permit (principal, action, resource)"))


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def library(store: MemoryStore) -> PolicyLibrary:
    return PolicyLibrary(store, compile_policies)


def kinds(store: MemoryStore) -> list[str]:
    return [event.kind for event in store.events(EVERY_MODEL)]


def test_nothing_is_in_force_before_the_first_set(library: PolicyLibrary) -> None:
    assert library.in_force() is None
    assert library.hashes() == {}


def test_the_first_set_is_installed_once(library: PolicyLibrary, store: MemoryStore) -> None:
    for _ in range(2):
        library.install(PACKAGED, "windvane", "first start", NOW)
    found = library.in_force()
    assert found is not None
    assert (found.number, found.written) == (1, PACKAGED)
    assert kinds(store) == ["policy_live"]


def test_a_set_goes_from_proposal_to_in_force_and_all_of_it_is_told(library: PolicyLibrary, store: MemoryStore) -> None:
    library.install(PACKAGED, "windvane", "first start", NOW)
    library.propose(OTHER, "ann", "simpler", NOW, second_person=True)
    assert library.hashes() == {"in_force": PACKAGED.version, "proposed": OTHER.version}
    assert library.in_force() is not None
    live = library.register().live
    assert live is not None
    assert live.version == PACKAGED.version
    with pytest.raises(Forbidden):
        library.approve(OTHER.version, "ann", "looked at", NOW)
    library.approve(OTHER.version[:12], "bob", "looked at", NOW)
    found = library.in_force()
    assert found is not None
    assert (found.number, found.written) == (2, OTHER)
    assert kinds(store) == ["policy_live", "policy_proposed", "policy_live"]
    last = store.events(EVERY_MODEL)[-1]
    assert last.detail == f"bob approved policy set {OTHER.version[:12]}, which is in force: looked at"
    assert dict(last.facts) == {
        "policy_version": OTHER.version,
        "number": 2,
        "requested_by": "ann",
        "approved_by": "bob",
    }


def test_where_no_second_person_is_asked_for_it_is_in_force_at_once(library: PolicyLibrary, store: MemoryStore) -> None:
    library.install(PACKAGED, "windvane", "first start", NOW)
    library.propose(OTHER, "ann", "simpler", NOW, second_person=False)
    assert store.events(EVERY_MODEL)[-1].detail == f"ann put policy set {OTHER.version[:12]} in force: simpler"


def test_a_withdrawn_proposal_is_told(library: PolicyLibrary, store: MemoryStore) -> None:
    library.install(PACKAGED, "windvane", "first start", NOW)
    library.propose(OTHER, "ann", "simpler", NOW, second_person=True)
    library.withdraw(OTHER.version, "bob", "too broad", NOW)
    assert kinds(store)[-1] == "policy_withdrawn"
    assert store.events(EVERY_MODEL)[-1].facts["requested_by"] == "ann"
    with pytest.raises(NotFound):
        library.approve(OTHER.version, "bob", "looked at", NOW)


def test_a_set_that_cannot_be_taken_is_neither_kept_nor_proposed(library: PolicyLibrary, store: MemoryStore) -> None:
    with pytest.raises(Invalid):
        library.propose(written("permit (principal"), "ann", "oops", NOW, second_person=False)
    assert (store.list(POLICY_SET), library.in_force()) == ((), None)


def test_a_set_that_was_changed_in_the_store_is_not_handed_out(library: PolicyLibrary, store: MemoryStore) -> None:
    library.install(PACKAGED, "windvane", "first start", NOW)
    broader = {**PACKAGED.files, "act.cedar": rule("permit (principal, action, resource)")}
    store.put(POLICY_SET, PACKAGED.version, msgspec.json.encode(PolicySet(broader)), 1)
    with pytest.raises(Invalid, match="is not what was published"):
        library.in_force()


def test_whoever_is_second_to_save_decides_anew(
    library: PolicyLibrary, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two admins publish at the same moment: the slower one finds a proposal that waits."""
    library.install(PACKAGED, "windvane", "first start", NOW)
    other = PolicyLibrary(store, lambda written: None)
    put = store.put

    def slower(kind: str, *document: Any) -> int:
        if kind == POLICY_REGISTER:
            monkeypatch.undo()
            theirs()
        return put(kind, *document)

    def theirs() -> None:
        other.propose(
            written(rule("permit (principal, action, resource)", "theirs")), "bob", "b", NOW, second_person=True
        )

    monkeypatch.setattr(store, "put", slower)
    with pytest.raises(Conflict, match="bob proposed"):
        library.propose(OTHER, "ann", "simpler", NOW, second_person=True)
    proposal = library.register().proposal
    assert proposal is not None
    assert proposal.requested_by == "bob"


def test_a_prefix_that_is_too_short_or_of_no_set_is_refused(library: PolicyLibrary) -> None:
    library.install(PACKAGED, "windvane", "first start", NOW)
    assert library.written(PACKAGED.version[:8]) == PACKAGED
    for prefix in (PACKAGED.version[:7], "0" * 64, ""):
        with pytest.raises(NotFound):
            library.written(prefix)
