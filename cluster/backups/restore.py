"""Puts a backup back: unpacked beside the home, proven to fit, rid of what was taken away since, and swapped in."""

import os
import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from shutil import rmtree
from urllib.parse import unquote

from windvane.cluster.audit_paths import AuditPaths
from windvane.cluster.backups.archive import MADE_AGAIN, sync_all, unpack
from windvane.cluster.backups.backup import file_of, is_set_aside
from windvane.cluster.backups.carry_over import CarriedOver, carry_over
from windvane.cluster.backups.idle import demand_idle
from windvane.cluster.decision_log import disk
from windvane.cluster.decision_log.audit.checkpoint import whole_lines
from windvane.cluster.decision_log.record import Value
from windvane.cluster.decision_log.vault.file_kms import FileKms
from windvane.cluster.decision_log.vault.kms import WrongKey
from windvane.cluster.decision_log.vault.sqlite_subject_keys import SqliteSubjectKeys
from windvane.cluster.decision_log.vault.vault import Vault
from windvane.cluster.errors import Forbidden, Invalid, NotFound, Unavailable
from windvane.cluster.host.one_at_a_time import one_at_a_time
from windvane.cluster.sql_store import SqlStore
from windvane.configs.settings import Settings


@dataclass(frozen=True, slots=True)
class Restored:
    """What was done; `former` is where the home of before lies now, `copy` where the checkpoints' second place does."""

    checkpoints: int
    carried: CarriedOver | None  # None where there was no former home to ask
    former: Path | None = None
    copy: Path | None = None
    lost_checkpoints: int = 0  # that stand in the second place only
    troubles: tuple[str, ...] = ()


def restore(
    settings: Settings, source: Path, keys: Path | None, now: datetime, by: str, former: Path | None = None
) -> Restored:
    """Make the home what the backup holds; the home of before is kept beside it.

    `source` is an archive, or a folder: a snapshot of a home. `former` is the home of before where it lies elsewhere.
    Raises Conflict while Windvane runs, and Invalid where the parts do not fit; then nothing is changed.
    """
    home = Path(settings.home).resolve()
    stamp = f"{now:%Y%m%dT%H%M%SZ}"
    with one_at_a_time(home, lambda _: None):
        demand_idle(settings)
        if home.stat().st_uid != os.geteuid():
            raise Forbidden(f"{home} belongs to another user, who could not read what is restored: be that user")
        beside = home if os.path.ismount(home) else home.parent  # where a disk is mounted, nothing can be renamed
        staged = beside / f".{home.name}.restoring"
        try:
            rmtree(staged, ignore_errors=True)
            disk.make_folder(staged)
        except OSError as error:
            raise Unavailable(f"{staged} cannot be made: {error}; make its folder writable") from error
        try:
            for part in (source, *(() if keys is None else (keys,))):
                unpack(part, staged)
            there = any(name not in MADE_AGAIN and not is_set_aside(home, name) for name in os.listdir(home))
            asked = former or (home if there else None)
            restored = AuditPaths(_moved(settings, home, staged))
            _demand_fit(settings, home, staged)
            carried = _carry(settings, home, asked, staged, restored, source, by)
            sync_all(staged)
            aside = beside / f"{'.' if beside == home else ''}{home.name}.before-{stamp}" if there else None
            (_swap_contents if beside == home else _swap)(home, staged, aside)
        except BaseException:
            rmtree(staged, ignore_errors=True)
            raise
    paths = AuditPaths(settings)
    copy, ahead, troubles = _set_copy_aside(paths, stamp)
    return Restored(_count(paths.checkpoints_file), carried, aside, copy, ahead, troubles)


def _demand_fit(settings: Settings, home: Path, staged: Path) -> None:
    """Raise Invalid where the parts are not of one home, or of this one: nobody could read or serve what is in it."""
    moved = _moved(settings, home, staged)
    if not (staged / "log").is_dir() and not (staged / "windvane.db").is_file():
        raise Invalid("There is neither a log nor a store in it: that is no backup of a home")
    for name, file in (("signing", moved.signing_key_file), ("master", moved.master_key_file)):
        if not file.is_file() and (AuditPaths(moved).vault_file.is_file() or name == "signing"):
            place = file.relative_to(staged) if file.is_relative_to(staged) else file
            raise Invalid(f"The {name} key is missing ({place}): name the archive of the keys, with --keys")
    vault = AuditPaths(moved).vault_file
    if vault.is_file():
        try:
            with closing(SqliteSubjectKeys(vault)) as keys:
                Vault(keys, FileKms(moved.master_key_file))
        except WrongKey as error:
            raise Invalid("The master key does not open the vault: these archives are not of one backup") from error
    registry = staged / "mlflow" / "mlflow.db"
    if registry.is_file() and (elsewhere := _registered_elsewhere(registry, home)):
        raise Invalid(
            f"The versions are registered under {elsewhere}: restore with WINDVANE_HOME there, or link that to {home}"
        )


def _registered_elsewhere(registry: Path, home: Path) -> Path | None:
    """The home in which MLflow, which keeps whole paths, would look for bundles; None where it is this one."""
    with closing(sqlite3.connect(registry)) as database:
        places = [place for (place,) in database.execute("SELECT artifact_location FROM experiments")]
    for place in places:
        path = Path(unquote(str(place).removeprefix("file://")))
        if path.parts[-3:-1] == ("mlflow", "artifacts") and path.parents[2].resolve() != home:
            return path.parents[2]
    return None


def _carry(
    settings: Settings, home: Path, asked: Path | None, staged: Path, restored: AuditPaths, source: Path, by: str
) -> CarriedOver | None:
    trail = restored.trail("restore")
    try:
        carried = None
        if asked is not None:

            def open_store(of: AuditPaths) -> SqlStore:
                return _store(settings, home, staged if of is restored else asked)

            carried = carry_over(AuditPaths(_moved(settings, home, asked)), restored, open_store, trail)
        facts: dict[str, Value] = {"source": source.name, "erasures": carried.erasures if carried else 0}
        trail.tell("restored", by, f"put the backup {source.name} in the place of the home", facts=facts)
    finally:
        trail.close()
    return carried


def _store(settings: Settings, home: Path, folder: Path) -> SqlStore:
    file = file_of(_moved(settings, home, folder).store_url)
    if file is None or not file.is_relative_to(folder.resolve()):
        raise NotFound("WINDVANE_STORE lies outside of the home, and was restored by itself")
    if not file.is_file():  # opening it would make one
        raise NotFound(f"{file} is not there")
    return SqlStore(f"sqlite:///{file}")


def _moved(settings: Settings, home: Path, folder: Path) -> Settings:
    """The settings with that folder for the home, and for whatever they say lies in it."""

    def moved(path: str) -> str:
        inside = path and Path(path).resolve().is_relative_to(home)
        return str(folder / Path(path).resolve().relative_to(home)) if inside else path

    store = file_of(settings.store_url)
    return settings.model_copy(
        update={
            "home": str(folder),
            "signing_key_path": moved(settings.signing_key_path),
            "master_key_path": moved(settings.master_key_path),
            "store_url": f"sqlite:///{moved(str(store))}" if store else settings.store_url,
        }
    )


def _swap(home: Path, staged: Path, aside: Path | None) -> None:
    try:
        if aside is not None:
            disk.rename(home, aside)
        disk.rename(staged, home)
        disk.sync_folder(home.parent)
    except OSError as error:
        if aside is not None and aside.exists() and not home.exists():
            with suppress(OSError):
                disk.rename(aside, home)
        raise Unavailable(
            f"{home} cannot be replaced: {error}; move it aside yourself, and name it --former"
        ) from error


def _swap_contents(home: Path, staged: Path, aside: Path | None) -> None:
    """Not at once: killed half way, it is run again with what was set aside named --former."""
    try:
        if aside is not None:
            disk.make_one_folder(aside)
            for name in os.listdir(home):
                if name != "lost+found" and not is_set_aside(home, name):
                    disk.rename(home / name, aside / name)
        for name in os.listdir(staged):
            disk.rename(staged / name, home / name)
        staged.rmdir()
        disk.sync_folder(home)
    except OSError as error:
        raise Unavailable(f"{home} is replaced in part: {error}; restore again with --former {aside}") from error


def _set_copy_aside(paths: AuditPaths, stamp: str) -> tuple[Path | None, int, tuple[str, ...]]:
    """The second place may know of later checkpoints: nothing could be added to it, and it proves what was lost."""
    if paths.copy is None or not paths.copy.is_file():
        return None, 0, ()
    try:
        if paths.checkpoints_file.read_bytes().startswith(paths.copy.read_bytes()):
            return None, 0, ()
        ahead = max(0, _count(paths.copy) - _count(paths.checkpoints_file))
        aside = paths.copy.with_name(f"{paths.copy.name}.before-{stamp}")
        os.rename(paths.copy, aside)
    except OSError as error:
        return None, 0, (f"move {paths.copy} aside yourself, and keep it: {error}",)
    return aside, ahead, ()


def _count(checkpoints: Path) -> int:
    return len(whole_lines(checkpoints.read_bytes())[0]) if checkpoints.is_file() else 0
