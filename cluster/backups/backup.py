"""Backs a home up while nothing writes to it: store, log, checkpoints, vault and versions of one moment."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from windvane.cluster.backups.archive import MADE_AGAIN, SECRETS, pack
from windvane.cluster.backups.idle import demand_idle
from windvane.cluster.errors import Invalid, NotFound
from windvane.cluster.host.one_at_a_time import one_at_a_time
from windvane.configs.settings import Settings


@dataclass(frozen=True, slots=True)
class Backup:
    """Archives that were written, and what else belongs to this moment and is in neither."""

    archive: Path
    keys: Path
    elsewhere: tuple[str, ...]


def back_up(settings: Settings, folder: Path, keys_folder: Path, now: datetime) -> Backup:
    """Write both archives; raises Conflict while anything writes, Invalid for a place that would keep nothing safe."""
    home = Path(settings.home).resolve()
    if not home.is_dir():
        raise NotFound(f"There is nothing to back up in {home}: WINDVANE_HOME names the home")
    folder, keys_folder = folder.resolve(), keys_folder.resolve()
    if folder == keys_folder:
        raise Invalid("The keys open what the other archive holds: name another place for them, with --keys")
    for place in (folder, keys_folder):
        if place.is_relative_to(home):
            raise Invalid(f"{place} lies in the home that is backed up, and goes with it: name another place")
    stamp = f"{now:%Y%m%dT%H%M%SZ}"
    made = Backup(folder / f"windvane-{stamp}.tar", keys_folder / f"windvane-{stamp}-keys.tar", elsewhere(settings))
    with one_at_a_time(home, lambda _: None):
        demand_idle(settings)
        pack(home, lambda name: name in SECRETS, made.keys)
        pack(home, lambda name: name not in SECRETS | MADE_AGAIN and not is_set_aside(home, name), made.archive)
    return made


def is_set_aside(home: Path, name: str) -> bool:
    """Whether a restore put that aside in a home that it could not rename, being where a disk is mounted."""
    return name.startswith(f".{home.name}.")


def elsewhere(settings: Settings) -> tuple[str, ...]:
    """What belongs to a backup and lies outside of the home, by setting; no URL is shown: it may hold a password."""
    home = Path(settings.home).resolve()
    files = {
        "WINDVANE_SIGNING_KEY": settings.signing_key_file,
        "WINDVANE_MASTER_KEY": settings.master_key_file,
        "WINDVANE_MODELS": Path(settings.models_dir),
    }
    outside = [f"{name} ({path})" for name, path in files.items() if not path.resolve().is_relative_to(home)]
    outside += [f"WINDVANE_FORMER_KEYS ({path})" for path in settings.former_keys]
    for name, url in (("WINDVANE_STORE", settings.store_url), ("WINDVANE_MLFLOW", settings.mlflow_uri)):
        file = file_of(url)
        if file is None or not file.is_relative_to(home):
            outside.append(name)
    return tuple(outside)


def file_of(url: str) -> Path | None:
    """Path of a database in a file; None for one on a server.

    >>> file_of("sqlite:////srv/wv/windvane.db"), file_of("postgresql+psycopg://db/windvane")
    (PosixPath('/srv/wv/windvane.db'), None)
    """
    scheme, _, path = url.partition(":///")
    return Path(path).resolve() if scheme.partition("+")[0] == "sqlite" and path else None
