"""Personal parts of a decision leave the record encrypted, and come back for whoever has the key."""

from pathlib import Path

import msgspec
import pytest

from tests.worlds.log.decision_log import FEATURES, decision
from tests.worlds.log.vault import open_vault, subject_keys
from windvane.cluster.decision_log.record import Decision
from windvane.cluster.decision_log.vault.personal import UNNAMED, Personal, Protection, open_personal, restored
from windvane.cluster.errors import Invalid

PEOPLE = tuple(feature.model_copy(update={"personal": feature.name in ("temp", "carrier")}) for feature in FEATURES)


def told(name: str, subject: str = "N725MQ") -> Decision:
    return msgspec.structs.replace(decision(name), subject=subject, explanation=(0.1, 0.2, 0.3, 0.4, 0.5))


def test_of_people_nothing_personal_stays_in_the_record(tmp_path: Path) -> None:
    vault = open_vault(tmp_path)
    plain = [told("d1"), told("d2", "Ana"), told("d3")]
    found = Protection(vault, PEOPLE).protect_all(plain)
    vault.flush()
    for before, after in zip(plain, found, strict=True):
        assert (after.subject, after.features) == (vault.hash(before.subject), (None, 7, True, None))
        assert (after.context, after.explanation) == ({}, None)
        assert after.prediction == before.prediction
        assert b"N725MQ" not in msgspec.msgpack.encode(after)
        assert after.personal is not None
        opened = open_personal(open_vault(tmp_path).reveal(after.subject, after.decision_id, after.personal))
        assert opened == Personal(before.subject, {"temp": 20.5, "carrier": "UA"}, {"k": 1}, before.explanation)
        assert restored(after, opened, [feature.name for feature in PEOPLE]) == msgspec.structs.replace(
            before, personal=after.personal
        )


def test_of_things_only_the_subject_does(tmp_path: Path) -> None:
    vault = open_vault(tmp_path)
    (found,) = Protection(vault, FEATURES).protect_all([told("d1")])
    assert msgspec.structs.replace(found, subject="N725MQ", personal=None) == told("d1")
    assert found.subject == vault.hash("N725MQ")
    assert found.personal is not None
    assert open_personal(vault.reveal(found.subject, "d1", found.personal)) == Personal("N725MQ")


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="cannot be kept"):
        Protection(open_vault(tmp_path), FEATURES).protect_all([told("d1", "\ud800")])


def test_fields_of_a_newer_windvane_are_not_guessed() -> None:
    with pytest.raises(Invalid, match="update it"):
        open_personal(msgspec.msgpack.encode(["N1", 7]))


def test_of_a_subject_that_was_made_up_only_the_hash_is_kept_unless_the_decision_is_about_people(
    tmp_path: Path,
) -> None:
    vault = open_vault(tmp_path)
    mixed = [told("d1", f"{UNNAMED}ab.0"), told("d2", "Ana"), told("d3", f"{UNNAMED}ab.1")]
    found = Protection(vault, FEATURES).protect_all(mixed)
    assert [each.decision_id for each in found] == ["d1", "d2", "d3"]
    assert [each.subject for each in found] == [vault.hash(each.subject) for each in mixed]
    assert [each.personal is None for each in found] == [True, False, True]
    vault.flush()
    hashes = [bytes.fromhex(each.subject) for each in found]
    assert list(subject_keys(tmp_path).find(hashes)) == [hashes[1]]
    assert all(each.personal for each in Protection(vault, PEOPLE).protect_all(mixed))


def test_no_caller_can_have_its_subject_taken_for_one_that_was_made_up(tmp_path: Path) -> None:
    vault = open_vault(tmp_path)
    for sent in ("\x1fAna", "\x1f" + "0" * 32 + ":Ana", UNNAMED[:-1]):
        (found,) = Protection(vault, FEATURES).protect_all([told("d1", sent)])
        assert found.personal is not None
        assert open_personal(vault.reveal(found.subject, "d1", found.personal)).subject == sent
