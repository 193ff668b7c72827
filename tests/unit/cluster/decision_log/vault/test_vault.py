"""The vault: personal fields can be read with their subject's key, and by nobody once it is destroyed."""

import errno
import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.worlds.log.audit_world import World
from tests.worlds.log.decision_log import decision, skip_syncs
from windvane.cluster.decision_log import disk
from windvane.cluster.decision_log.vault.file_kms import FileKms
from windvane.cluster.decision_log.vault.kms import WrongKey
from windvane.cluster.decision_log.vault.sqlite_subject_keys import SqliteSubjectKeys
from windvane.cluster.decision_log.vault.subject_keys import SubjectKey
from windvane.cluster.decision_log.vault.vault import Protected, Vault
from windvane.cluster.errors import Invalid, NotFound, Unavailable


class Home:
    """Home of the keys; every vault made from it is another process."""

    def __init__(self, path: Path) -> None:
        self.file = path / "vault.db"
        self.master = path / "master.key"
        self._opened: list[SqliteSubjectKeys] = []

    def keys(self) -> SqliteSubjectKeys:
        self._opened.append(SqliteSubjectKeys(self.file))
        return self._opened[-1]

    def vault(self, held: int = 100) -> Vault:
        return Vault(self.keys(), FileKms(self.master), held=held)

    def close(self) -> None:
        for keys in self._opened:
            keys.close()


class CountingKms(FileKms):
    """Counts the keys that it is asked to unwrap."""

    unwrapped = 0

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        self.unwrapped += 1
        return super().unwrap(wrapped, context)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = Home(tmp_path)
    yield home
    home.close()


def reveal(vault: Vault, about: str, protected: Protected) -> bytes:
    return vault.reveal(protected.subject, about, protected.personal)


def test_what_was_protected_is_read_again_also_by_another_process(home: Home) -> None:
    vault = home.vault()
    protected = vault.protect("N1", "d1", b"born 1970")
    assert reveal(vault, "d1", protected) == b"born 1970"
    vault.flush()
    assert reveal(vault, "d1", protected) == b"born 1970"
    assert reveal(home.vault(), "d1", protected) == b"born 1970"


def test_neither_subject_nor_fields_stand_in_what_is_written(home: Home) -> None:
    protected = home.vault().protect("N725MQ", "d1", b"born 1970")
    assert b"born" not in protected.personal
    assert "N725MQ" not in protected.subject
    assert len(protected.personal) == 1 + 8 + 12 + len(b"born 1970") + 16


def test_a_subject_has_one_name_everywhere_and_two_have_two(home: Home, tmp_path: Path) -> None:
    one, other = home.vault(), home.vault()
    assert one.hash("N1") == other.hash("N1") == one.protect("N1", "d1", b"").subject
    assert one.hash("N1") != one.hash("N2")
    elsewhere = Home(tmp_path / "elsewhere")
    assert elsewhere.vault().hash("N1") != one.hash("N1")
    elsewhere.close()


@settings(max_examples=8, deadline=None)
@given(asked=st.lists(st.tuples(st.sampled_from("abcdefg"), st.text(max_size=5), st.binary(max_size=20)), max_size=12))
def test_many_at_once_are_the_same_as_one_by_one(
    tmp_path_factory: pytest.TempPathFactory, asked: list[tuple[str, str, bytes]]
) -> None:
    home = Home(tmp_path_factory.mktemp("vault"))
    vault = home.vault(held=3)  # fewer than there are: what is asked for at once need not fit
    protected = vault.protect_all(asked)
    assert [reveal(vault, about, found) for (_, about, _), found in zip(asked, protected, strict=True)] == [
        personal for _, _, personal in asked
    ]
    assert [found.subject for found in protected] == [vault.hash(subject) for subject, _, _ in asked]
    home.close()


def test_no_more_keys_are_held_than_that(home: Home) -> None:
    kms = CountingKms(home.master)
    vault = Vault(home.keys(), kms, held=3)
    vault.protect_all([(subject, "d", b"") for subject in "abcd"])
    vault.flush()
    before = kms.unwrapped
    for subject in "dcb":
        vault.protect(subject, "d", b"")
    assert kms.unwrapped == before
    vault.protect("a", "d", b"")
    assert kms.unwrapped == before + 1
    vault.protect("d", "d", b"")  # used longest ago, and let go for it
    assert kms.unwrapped == before + 2
    for subject in "cd":  # one that is not held, and one that is
        home.vault().erase(subject, at=5.0)
    assert len(vault.catch_up()) == 2


def test_a_subject_that_is_no_text_is_refused(home: Home) -> None:
    with pytest.raises(Invalid, match="cannot be kept"):
        home.vault().protect("\ud800", "d1", b"")


def test_no_nonce_comes_twice(home: Home) -> None:
    vault = home.vault()
    found = [vault.protect("N1", "d1", b"x").personal for _ in range(500)]
    found += [protected.personal for protected in vault.protect_all([("N1", "d1", b"x")] * 500)]
    assert len({personal[9:21] for personal in found}) == 1000
    assert len({personal[:9] for personal in found}) == 1  # one key


def test_a_message_cannot_be_moved_or_changed(home: Home) -> None:
    vault = home.vault()
    protected = vault.protect("N1", "d1", b"born 1970")
    with pytest.raises(Invalid, match="another record's"):
        reveal(vault, "d2", protected)
    for place in range(9, len(protected.personal)):
        changed = bytearray(protected.personal)
        changed[place] ^= 1
        with pytest.raises(Invalid):
            vault.reveal(protected.subject, "d1", bytes(changed))
    with pytest.raises(Invalid, match="format"):
        vault.reveal(protected.subject, "d1", b"\x07" + protected.personal[1:])
    with pytest.raises(NotFound):
        vault.reveal(vault.hash("N2"), "d1", protected.personal)


def test_an_erased_subject_is_erased_for_every_process(home: Home) -> None:
    vault, other = home.vault(), home.vault()
    protected, neighbour = vault.protect_all([("N1", "d1", b"born 1970"), ("N2", "d2", b"born 1980")])
    vault.flush()
    assert reveal(other, "d1", protected) == b"born 1970"
    erasure = other.erase("N1", at=5.0)
    assert (erasure.number, erasure.subject, erasure.keys) == (1, protected.subject, 1)
    for each in (vault, other, home.vault()):
        with pytest.raises(NotFound, match="were erased"):
            reveal(each, "d1", protected)
        assert reveal(each, "d2", neighbour) == b"born 1980"


def test_a_destroyed_key_is_in_no_file_any_more(home: Home) -> None:
    vault = home.vault()
    vault.protect_all([(f"N{n}", "d", b"") for n in range(50)])
    vault.flush()
    keys = home.keys()
    hashes = [bytes.fromhex(vault.hash(name)) for name in ("N7", "N8")]
    found = keys.find(hashes)
    doomed, kept = (found[each].wrapped for each in hashes)

    def lies_on_disk(wrapped: bytes) -> bool:
        return any(wrapped in path.read_bytes() for path in home.file.parent.glob("vault.db*"))

    assert lies_on_disk(doomed)
    vault.erase("N7", at=5.0)
    assert not lies_on_disk(doomed)
    assert lies_on_disk(kept)


def test_a_key_made_before_an_erasure_is_not_stored_after_it(home: Home) -> None:
    late = home.vault()
    protected = late.protect("N1", "d1", b"born 1970")  # its key waits to be stored
    home.vault().erase("N1", at=5.0)
    late.flush()
    with pytest.raises(NotFound):
        reveal(home.vault(), "d1", protected)


def test_nor_when_its_process_heard_of_the_erasure_meanwhile(home: Home) -> None:
    late = home.vault()
    protected = late.protect("N1", "d1", b"born 1970")
    home.vault().erase("N1", at=5.0)
    late.catch_up()
    late.flush()
    with pytest.raises(NotFound):
        reveal(home.vault(), "d1", protected)


def test_who_caught_up_protects_a_subject_that_returns_under_a_new_key(home: Home) -> None:
    vault = home.vault()
    before = vault.protect("N1", "d1", b"born 1970")
    vault.flush()
    home.vault().erase("N1", at=5.0)
    assert [erasure.subject for erasure in vault.catch_up()] == [before.subject]
    assert vault.catch_up() == ()
    after = vault.protect("N1", "d2", b"born 1970")
    vault.flush()
    assert after.personal[:9] != before.personal[:9]
    assert reveal(home.vault(), "d2", after) == b"born 1970"
    with pytest.raises(NotFound):
        reveal(home.vault(), "d1", before)


def test_two_processes_that_meet_a_subject_at_once_both_can_be_read_and_erased(home: Home) -> None:
    one, other = home.vault(), home.vault()
    first, second = one.protect("N1", "d1", b"one"), other.protect("N1", "d2", b"other")
    one.flush()
    other.flush()
    reader = home.vault()
    assert (reveal(reader, "d1", first), reveal(reader, "d2", second)) == (b"one", b"other")
    assert reader.erase("N1", at=5.0).keys == 2


def test_an_erasure_of_nobody_is_recorded_too(home: Home) -> None:
    assert home.vault().erase("never seen", at=5.0).keys == 0
    assert [erasure.at for erasure in home.keys().erasures(0)] == [5.0]


def test_keys_that_could_not_be_stored_are_stored_by_the_next_flush(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault = home.vault()
    protected = vault.protect("N1", "d1", b"born 1970")

    def refuse(_: SqliteSubjectKeys, keys: list[SubjectKey], seen: int) -> None:
        raise Unavailable("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(SqliteSubjectKeys, "add", refuse)
        with pytest.raises(Unavailable):
            vault.flush()
        assert reveal(vault, "d1", protected) == b"born 1970"
    vault.flush()
    assert reveal(home.vault(), "d1", protected) == b"born 1970"


def test_a_flush_says_what_is_still_to_be_synced(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    vault = home.vault()
    monkeypatch.setattr(disk, "sync", lambda descriptor: synced.append(os.readlink(f"/proc/self/fd/{descriptor}")))
    monkeypatch.setattr(disk, "sync_folder", lambda folder: synced.append(str(folder)))
    assert vault.flush() is None
    for name, paths in ("N1", [f"{home.file}-wal", str(home.file.parent)]), ("N2", [f"{home.file}-wal"]):
        vault.protect(name, "d1", b"")
        sync = vault.flush()
        assert synced == []
        assert sync is not None
        sync()
        assert synced == paths
        synced.clear()
    assert vault.flush() is None


def test_a_sync_that_fails_is_said_and_one_that_finds_all_moved_is_not(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: int) -> None:
        raise OSError(5, "Input/output error")

    keys = home.keys()
    keys.add([SubjectKey(b"s", b"i", b"w")], 0)
    with monkeypatch.context() as patch:
        patch.setattr(disk, "sync", refuse)
        with pytest.raises(Unavailable, match=r"cannot be synced: .*Input/output error"):
            keys.sync()
    keys.close()  # the last connection: SQLite moves everything, and takes its log away
    keys.sync()
    assert home.keys().get(b"s", b"i") == SubjectKey(b"s", b"i", b"w")


def test_keys_that_are_dropped_in_a_cycle_close_their_connection(tmp_path: Path) -> None:
    """Python 3.13 warns of one that is only dropped, and warnings are errors here."""
    cycle: list[object] = [SqliteSubjectKeys(tmp_path / "vault.db")]
    cycle.append(cycle)
    log = tmp_path / "vault.db-wal"
    assert log.exists()
    del cycle
    gc.collect()
    assert not log.exists(), "SQLite takes its log away with the last connection"


def test_keys_that_could_not_be_synced_are_due_until_they_are(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their subject is held, so the next record about it makes no new key: it must not go without a sync either."""
    vault = home.vault()
    vault.protect("N1", "d1", b"")
    sync = vault.flush()
    assert sync is not None
    with monkeypatch.context() as patch:
        patch.setattr(SqliteSubjectKeys, "sync", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            sync()
    vault.protect("N1", "d2", b"")
    assert vault.is_due()
    again = vault.flush()
    assert again is not None
    assert vault.is_due()
    again()
    assert not vault.is_due()
    assert vault.flush() is None


def test_a_sync_answers_for_what_was_stored_before_it_began_only(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    vault = home.vault()
    vault.protect("N1", "d1", b"")
    sync = vault.flush()
    assert sync is not None

    def meanwhile(_: SqliteSubjectKeys) -> None:
        vault.protect("N2", "d2", b"")
        vault.flush()

    monkeypatch.setattr(SqliteSubjectKeys, "sync", meanwhile)
    sync()
    assert vault.is_due()


def test_a_key_that_another_process_stored_is_not_used_before_it_is_synced(home: Home) -> None:
    """Its process may be about to sync it, or have failed to: who finds it answers for it too."""

    def use(vault: Vault, subject: str) -> bool:
        vault.protect(subject, "d", b"")
        due = vault.is_due()
        sync = vault.flush()
        assert due == (sync is not None)
        if sync is not None:
            sync()
        return due

    one, other = home.vault(), home.vault()
    one.protect_all([(name, "d", b"") for name in ("N1", "N2", "N3")])
    one.flush()  # and killed before it is synced
    assert use(other, "N1")
    assert not use(other, "N1")  # held
    assert not use(other, "N2")  # found, and stored before the sync
    one.protect("N4", "d", b"")
    one.flush()
    assert use(other, "N4")
    assert not use(other, "N3")


@pytest.mark.parametrize("number", [errno.EMFILE, errno.EACCES, errno.EIO])
def test_a_vault_that_cannot_even_be_opened_is_not_synced(
    home: Home, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    keys = home.keys()
    keys.add([SubjectKey(b"s", b"i", b"w")], 0)
    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refuse)
        with pytest.raises(Unavailable, match="cannot be synced"):
            keys.sync()
    keys.sync()


def test_after_a_failed_sync_the_next_moves_everything_into_the_file(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kernel forgets that pages were not written once it said so: syncing them again would prove nothing."""

    def refuse(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    keys = home.keys()
    keys.add([SubjectKey(b"s", b"i", b"wrapped once")], 0)
    with monkeypatch.context() as patch:
        patch.setattr(disk, "sync", refuse)
        with pytest.raises(Unavailable):
            keys.sync()
        assert b"wrapped once" not in home.file.read_bytes()
        with pytest.raises(Unavailable):
            keys.sync()
    assert b"wrapped once" in home.file.read_bytes()
    keys.sync()


def test_the_vault_s_folder_survives_a_power_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[Path] = []
    monkeypatch.setattr(disk, "sync_folder", synced.append)
    SqliteSubjectKeys(tmp_path / "home" / "vault" / "subjects.db").close()
    assert synced[-2:] == [tmp_path, tmp_path / "home"]


def test_another_master_key_opens_nothing(home: Home, tmp_path: Path) -> None:
    home.vault().flush()
    home.master.unlink()
    with pytest.raises(WrongKey, match="restore that file"):
        home.vault()


def test_a_wrapped_key_is_of_its_subject(home: Home) -> None:
    kms = FileKms(home.master)
    wrapped = kms.wrap(b"key", b"subject 1")
    assert kms.unwrap(wrapped, b"subject 1") == b"key"
    with pytest.raises(WrongKey):
        kms.unwrap(wrapped, b"subject 2")


def test_the_files_are_their_owner_s(home: Home) -> None:
    vault = home.vault()
    vault.protect("N1", "d1", b"")
    vault.flush()
    modes = {path.name: path.stat().st_mode & 0o777 for path in home.file.parent.iterdir()}
    assert set(modes.values()) == {0o600}


def test_after_an_erasure_the_log_still_verifies(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import msgspec

    skip_syncs(monkeypatch)
    world = World(tmp_path / "world")
    vault = home.vault()
    for n in range(4):
        protected = vault.protect(f"N{n % 2}", f"d{n}", b"born 1970")
        vault.flush()
        record = msgspec.structs.replace(
            decision(f"d{n}"), subject=protected.subject, context={"personal": protected.personal.hex()}
        )
        world.write(record)
    world.checkpoint()
    world.writer.roll(now=True)
    world.seal()
    world.checkpoint()
    vault.erase("N0", at=5.0)
    report = world.verify()
    assert (report.records, report.faults) == (4, ())
