"""A restore gives back what a backup holds, and nothing that was taken away since."""

import os
import shutil
import tarfile
from datetime import timedelta
from pathlib import Path

import pytest

from tests.worlds.home import NOW, Home
from tests.worlds.log.decision_log import Segment, skip_syncs
from windvane.cluster.backups.backup import Backup, back_up
from windvane.cluster.backups.restore import Restored, restore
from windvane.cluster.decision_log import disk
from windvane.cluster.decision_log.audit.auditor import Auditor
from windvane.cluster.errors import Conflict, Invalid, NotFound, Unavailable

LATER = NOW + timedelta(days=1)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    skip_syncs(monkeypatch)
    return Home(tmp_path / "home")


def backed_up(home: Home) -> Backup:
    places = home.path.with_name("backups"), home.path.with_name("keys")
    return back_up(home.settings, *places, NOW)


def put_back(home: Home, made: Backup, former: Path | None = None) -> Restored:
    return restore(home.settings, made.archive, made.keys, LATER, "ada", former)


def test_what_stood_at_the_backup_stands_again_and_verifies(home: Home) -> None:
    first = home.decide("d1", "anna")
    home.with_store(lambda store: store.put("split", "m", b"one", 0))
    made = backed_up(home)
    home.decide("d2", "ben")
    home.with_store(lambda store: store.put("split", "m", b"two", 1))
    done = put_back(home, made)
    assert (done.checkpoints, done.lost_checkpoints) == (1, 1)
    assert home.decisions() == ["d1"]
    assert home.reveal("d1", first) == b"about anna"
    saved = home.with_store(lambda store: store.get("split", "m"))
    assert saved is not None
    assert (saved.revision, saved.body) == (1, b"one")
    assert home.verify().faults == ()
    [act] = home.acts("restored")
    assert (act["who"], act["detail"]) == ("ada", f"put the backup {made.archive.name} in the place of the home")
    assert not (home.path / "cache").exists(), "a bundle of a lost version would be taken for its successor's"


def test_the_home_of_before_is_kept_and_so_is_the_second_place_that_went_further(home: Home) -> None:
    home.decide("d1", "anna")
    made = backed_up(home)
    home.decide("d2", "ben")
    further = home.copy.read_bytes()
    done = put_back(home, made)
    assert done.former == home.path.with_name("home.before-20260302T000000Z")
    assert (done.former / "log").is_dir()
    assert done.copy is not None
    assert done.copy.read_bytes() == further
    assert not home.copy.exists()
    Auditor(home.paths.logs, home.paths.checkpoints()).tick(LATER.timestamp())
    assert home.copy.read_bytes() == home.paths.checkpoints_file.read_bytes()
    assert home.verify().faults == ()


def test_a_second_place_that_is_not_ahead_stays(home: Home) -> None:
    home.decide("d1", "anna")
    made = backed_up(home)
    assert put_back(home, made).copy is None
    assert home.copy.read_bytes() == home.paths.checkpoints_file.read_bytes()


def test_who_was_erased_since_stays_erased(home: Home) -> None:
    erased, kept = home.decide("d1", "anna"), home.decide("d2", "ben")
    home.consent("anna", marketing=True)
    made = backed_up(home)
    home.erase("anna", at=77.0)
    done = put_back(home, made)
    assert done.carried is not None
    assert (done.carried.erasures, done.carried.lost) == (1, ())
    with pytest.raises(NotFound):
        home.reveal("d1", erased)
    assert home.reveal("d2", kept) == b"about ben"
    assert home.consent_of("anna").purposes == {}
    [act] = home.acts("erased")
    assert "1 keys of a subject were destroyed again: it was erased on 1970-01-01 00:01 UTC" in str(act["detail"])
    assert home.hash("anna") in str(act["facts"])
    assert home.verify().faults == ()


def test_and_who_was_erased_before_and_came_back_is_readable(home: Home) -> None:
    home.decide("d1", "anna")
    home.erase("anna", at=77.0)
    again = home.decide("d2", "anna")
    made = backed_up(home)
    done = put_back(home, made)
    assert done.carried is not None
    assert done.carried.erasures == 0
    assert home.reveal("d2", again) == b"about anna"


@pytest.mark.parametrize("damage", ["gone", "no database"])
def test_the_log_says_who_was_erased_where_the_vault_cannot(home: Home, damage: str) -> None:
    erased = home.decide("d1", "anna")
    made = backed_up(home)
    home.erase("anna", at=77.0)
    shutil.rmtree(home.path / "vault")
    if damage == "no database":
        (home.path / "vault").mkdir()
        home.paths.vault_file.write_bytes(b"no database at all" * 1000)
    done = put_back(home, made)
    assert done.carried is not None
    assert done.carried.erasures == 1
    assert [sentence.split(":")[0] for sentence in done.carried.lost] == [
        "the former vault does not say who was erased"
    ]
    with pytest.raises(NotFound):
        home.reveal("d1", erased)


def test_the_vault_says_so_where_the_log_is_gone(home: Home) -> None:
    erased = home.decide("d1", "anna")
    made = backed_up(home)
    home.erase("anna", at=77.0)
    shutil.rmtree(home.path / "log")
    done = put_back(home, made)
    assert done.carried is not None
    assert (done.carried.erasures, len(done.carried.lost)) == (1, 1)
    with pytest.raises(NotFound):
        home.reveal("d1", erased)


def test_a_revoked_key_stays_revoked_and_a_later_one_is_gone(home: Home) -> None:
    kept, leaked = home.make_key("kept"), home.make_key("leaked")
    home.decide("d1", "anna")
    made = backed_up(home)
    revoked, later = home.revoke_key(leaked), home.make_key("later")
    done = put_back(home, made)
    assert done.carried is not None
    assert done.carried.keys == (leaked,)
    assert home.keys_on_record()[leaked] == revoked
    assert home.keys_on_record()[kept].revoked_at is None
    assert later not in home.keys_on_record()


def test_the_last_word_on_a_consent_holds(home: Home) -> None:
    home.decide("d1", "anna")
    home.consent("anna", marketing=True)
    home.consent("ben", marketing=True)
    made = backed_up(home)
    home.consent("anna", marketing=False)
    home.consent("carl", research=True)
    done = put_back(home, made)
    assert done.carried is not None
    assert done.carried.consents == 2
    said = {name: home.consent_of(name).purposes for name in ("anna", "ben", "carl")}
    assert {name: {what: word.given for what, word in purposes.items()} for name, purposes in said.items()} == {
        "anna": {"marketing": False},
        "ben": {"marketing": True},
        "carl": {"research": True},
    }


def test_a_store_that_cannot_be_read_is_told_of(home: Home) -> None:
    home.decide("d1", "anna")
    home.make_key("kept")
    made = backed_up(home)
    (home.path / "windvane.db").unlink()
    done = put_back(home, made)
    assert done.carried is not None
    [lost] = done.carried.lost
    assert "which keys were revoked and consents withdrawn" in lost
    assert "windvane.db is not there" in lost


def test_without_a_home_of_before_nothing_is_taken_over(home: Home) -> None:
    home.decide("d1", "anna")
    made = backed_up(home)
    shutil.rmtree(home.path)
    done = put_back(home, made)
    assert (done.carried, done.former) == (None, None)
    assert home.decisions() == ["d1"]


def test_the_home_of_before_may_lie_elsewhere(home: Home, tmp_path: Path) -> None:
    erased = home.decide("d1", "anna")
    made = backed_up(home)
    home.erase("anna", at=77.0)
    home.path.rename(tmp_path / "aside")
    done = put_back(home, made, tmp_path / "aside")
    assert done.carried is not None
    assert done.carried.erasures == 1
    with pytest.raises(NotFound):
        home.reveal("d1", erased)


def test_a_snapshot_is_restored_as_it_is(home: Home, tmp_path: Path) -> None:
    kept = home.decide("d1", "anna")
    shutil.copytree(home.path, tmp_path / "snapshot")
    home.decide("d2", "ben")
    restore(home.settings, tmp_path / "snapshot", None, LATER, "ada")
    assert home.decisions() == ["d1"]
    assert home.reveal("d1", kept) == b"about anna"
    assert not (home.path / "run").exists()
    assert (tmp_path / "snapshot" / "run").exists()


def unchanged(home: Home) -> bool:
    left = [path.name for path in home.path.parent.iterdir() if "before" in path.name or "restoring" in path.name]
    return left == [] and home.decisions() == ["d1", "d2"]


def test_archives_of_two_homes_are_refused(home: Home, tmp_path: Path) -> None:
    home.decide("d1", "anna")
    made = backed_up(home)
    home.decide("d2", "ben")
    other = Home(tmp_path / "others" / "home")
    other.decide("d1", "anna")
    with pytest.raises(Invalid, match="The master key does not open the vault: these archives are not of one backup"):
        restore(home.settings, made.archive, backed_up(other).keys, LATER, "ada")
    assert unchanged(home)


def test_a_backup_without_its_keys_is_refused(home: Home) -> None:
    home.decide("d1", "anna")
    made = backed_up(home)
    home.decide("d2", "ben")
    with pytest.raises(Invalid, match=r"signing key is missing \(keys/signing.pem\): name the archive of the keys"):
        restore(home.settings, made.archive, None, LATER, "ada")
    assert unchanged(home)


@pytest.mark.parametrize("cut", [0, 700])
def test_what_is_no_whole_archive_is_refused(home: Home, cut: int) -> None:
    home.decide("d1", "anna")
    made = backed_up(home)
    home.decide("d2", "ben")
    made.archive.write_bytes(made.archive.read_bytes()[:cut])
    with pytest.raises(Invalid, match="is no whole archive of a home"):
        put_back(home, made)
    assert unchanged(home)


def test_an_archive_that_reaches_out_of_the_home_is_refused(home: Home, tmp_path: Path) -> None:
    home.decide("d1", "anna")
    made = backed_up(home)
    home.decide("d2", "ben")
    with tarfile.open(made.archive, "a") as tar:
        tar.add(home.path / "admin.key", "../outside")
    with pytest.raises(Invalid, match="is no whole archive of a home"):
        put_back(home, made)
    assert not (tmp_path / "outside").exists()
    assert unchanged(home)


def test_versions_that_are_registered_under_another_path_are_refused(home: Home, tmp_path: Path) -> None:
    other = Home(tmp_path / "new" / "home", versions_under=home.path)
    other.decide("d1", "anna")
    made = backed_up(other)
    with pytest.raises(Invalid, match=f"The versions are registered under {home.path}"):
        put_back(other, made)
    home.path.rename(tmp_path / "aside")
    home.path.symlink_to(other.path)
    assert put_back(other, made).checkpoints == 1


def test_nothing_is_restored_while_a_process_writes(home: Home) -> None:
    home.decide("d1", "anna")
    made = backed_up(home)
    home.decide("d2", "ben")
    held = Segment(home.paths.logs / "flight-delay", opened_at=50.0)
    with pytest.raises(Conflict, match="A process still writes to"):
        put_back(home, made)
    held.close()
    assert unchanged(home)


def test_a_home_that_cannot_be_replaced_stays(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.decide("d1", "anna")
    made = backed_up(home)
    home.decide("d2", "ben")
    rename = disk.rename

    def refuse(source: Path, target: Path) -> None:
        if source.name == ".home.restoring":
            raise OSError("Device or resource busy")
        rename(source, target)

    monkeypatch.setattr(disk, "rename", refuse)
    with pytest.raises(Unavailable, match="cannot be replaced: Device or resource busy; move it aside yourself"):
        put_back(home, made)
    assert unchanged(home)


@pytest.fixture
def mounted(home: Home, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A home that is where a disk is mounted: it has no other name and no neighbour on its file system."""
    rename = disk.rename

    def as_mounted(source: Path, target: Path) -> None:
        if home.path in (source, target):
            raise OSError("Device or resource busy")
        rename(source, target)

    monkeypatch.setattr(os.path, "ismount", lambda path: Path(path) == home.path)
    monkeypatch.setattr(disk, "rename", as_mounted)
    (home.path / "lost+found").mkdir()
    return home


def test_a_home_on_a_disk_of_its_own_is_replaced_within(mounted: Home) -> None:
    erased = mounted.decide("d1", "anna")
    made = backed_up(mounted)
    mounted.decide("d2", "ben")
    mounted.erase("anna", at=77.0)
    done = put_back(mounted, made)
    assert done.former == mounted.path / ".home.before-20260302T000000Z"
    assert (done.former / "log").is_dir()
    assert mounted.decisions() == ["d1"]
    with pytest.raises(NotFound):
        mounted.reveal("d1", erased)
    assert sorted(path.name for path in mounted.path.iterdir() if path.name.startswith(".")) == [done.former.name]
    assert (mounted.path / "lost+found").is_dir()
    again = back_up(mounted.settings, mounted.path.with_name("backups"), mounted.path.with_name("keys"), LATER)
    with tarfile.open(again.archive) as tar:
        assert not [name for name in tar.getnames() if "before" in name or "lost" in name]


def test_an_empty_disk_takes_a_restore_and_has_no_home_of_before(mounted: Home) -> None:
    mounted.decide("d1", "anna")
    made = backed_up(mounted)
    for path in mounted.path.iterdir():
        if path.name != "lost+found":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert put_back(mounted, made).former is None
    assert mounted.decisions() == ["d1"]


def test_a_disk_that_is_replaced_in_part_is_restored_again_from_what_was_set_aside(
    mounted: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    erased = mounted.decide("d1", "anna")
    made = backed_up(mounted)
    mounted.erase("anna", at=77.0)
    with monkeypatch.context() as patch:
        rename, left = disk.rename, iter(range(9))  # nine names are set aside, and then it stops

        def stops(source: Path, target: Path) -> None:
            if mounted.path in (source.parent, target.parent) and next(left, None) is None:
                raise OSError("Input/output error")
            rename(source, target)

        patch.setattr(disk, "rename", stops)
        with pytest.raises(Unavailable, match="replaced in part: Input/output error; restore again with --former"):
            put_back(mounted, made)
    former = mounted.path / ".home.before-20260302T000000Z"
    restore(mounted.settings, made.archive, made.keys, LATER + timedelta(days=1), "ada", former)
    with pytest.raises(NotFound):
        mounted.reveal("d1", erased)
    assert mounted.verify().faults == ()
