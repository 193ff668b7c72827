"""A disk that does what a real one may do to files when the power goes, and refuses what it is told to refuse.

Files are real ones under a folder; what would be left of them is kept beside. Every effect of `decision_log.disk`
is counted, and before each of them there is a moment at which the machine may stop. What may then be found:

- of a file what its last sync kept, all that was written since, or some of its sectors and of the rest zeros;
- of the names that were made, moved or taken away in a folder since its last sync any, in any order;
- after a sync that failed: what it was to keep is lost, and later syncs say that all is well, as on Linux.

SQLite syncs its files by itself, and is believed: what it committed with `synchronous = FULL` or moved out of its
write-ahead log stays; what it committed without is there, and stays once somebody has synced the log.
"""

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import product
from pathlib import Path
from threading import RLock
from typing import Any

import pytest

from windvane.cluster.decision_log import disk
from windvane.cluster.decision_log.write.segment import SECTOR_BYTES

FOLDER = b"a folder"
Tree = dict[str, bytes]  # by path: content, or FOLDER
Fails = Callable[[int, str], BaseException | None]
_SQLITE = (".db", ".db-wal")
_EFFECTS = (
    *("open_file", "write_whole", "reserve", "sync", "cut", "rename", "link", "remove"),
    *("sync_file", "sync_folder", "make_one_folder"),
)


@dataclass(frozen=True, slots=True)
class Content:
    """A file: what a sync kept, what stands there now, what stood there since, and where it was written since."""

    kept: bytes = b""
    now: bytes = b""
    since: tuple[bytes, ...] = ()
    dirty: tuple[tuple[int, int], ...] = ()

    def changed(self, now: bytes, dirty: tuple[int, int] | None = None) -> "Content":
        """The file with other content, of which that part was written."""
        written = self.dirty if dirty is None else (*self.dirty, dirty)
        return Content(self.kept, now, (*self.since, self.now), written)

    def synced(self) -> "Content":
        """Keeps what was written since the last sync."""
        kept = self._written(lambda _: True)
        return Content(kept, self.now, (), ())

    def lost(self) -> "Content":
        """Calls clean what was written since, wrongly."""
        return Content(self.kept, self.now, (*self.since, self.now), ())

    def after_power_cut(self) -> list[bytes]:
        """Everything that may be found."""
        if self.now == self.kept and not self.since:
            return [self.kept]
        found = [self.kept, self.now, *self.since]
        if self.dirty:
            first, last = min(start for start, _ in self.dirty), max(end for _, end in self.dirty)
            middle = (first + last) // 2 // SECTOR_BYTES
            found += [self._written(lambda sector: sector <= middle), self._written(lambda sector: sector > middle)]
            found += [self._written(lambda sector: sector != middle), self.now[: (first + last) // 2 + 1]]
        return list(dict.fromkeys(found))

    def _written(self, which: Callable[[int], bool]) -> bytes:
        content = bytearray(self.kept[: len(self.now)].ljust(len(self.now), b"\0"))
        for start, end in self.dirty:
            for begins in range(start // SECTOR_BYTES * SECTOR_BYTES, min(end, len(self.now)), SECTOR_BYTES):
                if which(begins // SECTOR_BYTES):
                    part = slice(max(start, begins), min(end, begins + SECTOR_BYTES, len(self.now)))
                    content[part] = self.now[part]
        return bytes(content)


@dataclass(slots=True, eq=False)
class File:
    """One file, whatever its names."""

    content: Content = field(default_factory=Content)


Names = dict[str, "File | None"]  # None is a folder
Change = tuple[str, dict[str, "File | str | None"]]  # in which folder: names, "" where one is taken away


@dataclass(frozen=True, slots=True)
class Moment:
    """The machine just before an effect: what may be found if it stops there, and what was promised so far."""

    before: str
    promised: Any
    names: Names
    changes: tuple[Change, ...]
    contents: dict[int, Content]

    def killed(self) -> Tree:
        """Tree that a process finds whose machine went on."""
        return self._tree(self.changes, {})

    def after_power_cut(self) -> Iterator[Tree]:
        """Everything that may be found; names and contents are not all combined where many are open."""
        none, every = (), self.changes
        some = [(change,) for change in every] + [every[:place] + every[place + 1 :] for place in range(len(every))]
        torn = {key: found for key, each in self.contents.items() if len(found := each.after_power_cut()) > 1}
        mixed = [dict(zip(torn, one, strict=True)) for one in product(*torn.values())] if len(torn) < 3 else []
        alike = [{key: found[min(place, len(found) - 1)] for key, found in torn.items()} for place in range(8)]
        for changes, contents in [*product((none, every), mixed + alike), *product(some, alike[:2])]:
            yield self._tree(changes, contents, kept=True)

    def _tree(self, changes: tuple[Change, ...], contents: dict[int, bytes], *, kept: bool = False) -> Tree:
        names: dict[str, File | str | None] = dict(self.names)
        for _, change in changes:
            names.update(change)
        tree: Tree = {}
        for name, file in sorted(names.items()):  # a folder before what is in it
            folder = name.rpartition("/")[0]
            if file == "" or (folder and tree.get(folder) != FOLDER):
                continue
            if file is None:
                tree[name] = FOLDER
            else:
                content = self.contents[id(file)]
                tree[name] = contents.get(id(file), content.kept if kept else content.now)
        return tree


def write(tree: Tree, folder: Path) -> Path:
    """Make it a real folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, content in tree.items():
        if content is FOLDER:
            (folder / name).mkdir()
        else:
            path = folder / name
            path.write_bytes(content)
            path.chmod(0o600)
    return folder


class SimulatedDisk:
    """Everything under `root`, from now until `patch` is undone."""

    def __init__(self, root: Path, patch: pytest.MonkeyPatch, promised: Callable[[], Any] = dict) -> None:
        """`promised` says what must be found, whenever the machine stops after it was asked."""
        self.root = root
        self.fails: Fails = lambda *_: None
        self.moments: list[Moment] = []
        self.is_watched = True  # whether every moment is kept
        self.effects = 0
        self.databases: set[Path] = set()
        self._promised = promised
        self._names: Names = {}  # that stay
        self._changes: list[Change] = []  # that may not
        self._files: dict[int, File] = {}  # by inode
        self._kept_alive: list[File] = []
        patch.setattr(disk, "durable_folders", set())
        self._lock = RLock()  # a writer's threads take turns
        for effect in _EFFECTS:
            patch.setattr(disk, effect, self._in_turn(partial(getattr(self, f"_{effect}"), getattr(disk, effect))))
        connect = partial(sqlite3.connect, factory=type("Connection", (_Connection,), {"simulated": self}))
        patch.setattr(sqlite3, "connect", connect)
        patch.setattr(sqlite3.dbapi2, "connect", connect)

    def stop(self) -> Moment:
        """The machine as it would be found now."""
        with self._lock:
            self._look_at_databases()
            contents = {id(file): file.content for file in self._kept_alive}
            return Moment("the end", self._promised(), dict(self._names), tuple(self._changes), contents)

    def unaccounted(self) -> list[str]:
        """Files that are not as the effects left them: something changed them past `disk`."""
        found = {
            name: FOLDER if path.is_dir() else path.read_bytes()
            for path in self.root.rglob("*")
            if not (name := str(path.relative_to(self.root))).endswith(("-shm", *_SQLITE))
        }
        expected = {name: now for name, now in self.stop().killed().items() if not name.endswith(_SQLITE)}
        return sorted(name for name in found.keys() | expected if found.get(name) != expected.get(name))

    @contextmanager
    def effect(self, what: str, path: Path) -> Iterator[bool]:
        """Count it; yields whether it is to be refused, half done, and then raises."""
        if not path.is_relative_to(self.root):
            yield False
            return
        with self._lock:
            number, told = self.effects, f"{what} {path.relative_to(self.root)}"
            self.effects += 1
            if self.is_watched:
                self.moments.append(replace(self.stop(), before=told))
        error = self.fails(number, told)
        yield error is not None
        if error is not None:
            raise error

    def _in_turn(self, act: Callable[..., Any]) -> Callable[..., Any]:
        def done(*args: Any) -> Any:
            with self._lock:
                return act(*args)

        return done

    def _file(self, descriptor: int) -> File:
        return self._files[os.fstat(descriptor).st_ino]

    def _new(self, path: Path, inode: int, content: bytes = b"") -> File:
        file = self._files[inode] = File(Content(b"", content, (), ((0, len(content)),)))
        self._kept_alive.append(file)
        self._change(path.parent, {path: file})
        return file

    def _change(self, folder: Path, names: dict[Path, File | str | None]) -> None:
        relative = {str(path.relative_to(self.root)): file for path, file in names.items()}
        self._changes.append((str(folder.relative_to(self.root)), relative))

    def _keep_names(self, folder: Path) -> None:
        kept = str(folder.relative_to(self.root))
        for _, names in [change for change in self._changes if change[0] == kept]:
            for name, file in names.items():
                if isinstance(file, str):
                    self._names.pop(name, None)
                else:
                    self._names[name] = file
        self._changes = [change for change in self._changes if change[0] != kept]

    def _open_file(self, real: Callable[..., int], path: Path, flags: int, mode: int) -> int:
        with self.effect("open", path) as refused:
            if refused:
                return -1
            is_new = not path.exists()
            descriptor = real(path, flags, mode)
        if path.is_relative_to(self.root):
            inode = os.fstat(descriptor).st_ino
            if is_new:
                self._new(path, inode)
            elif flags & os.O_TRUNC:
                self._file(descriptor).content = self._file(descriptor).content.changed(b"")
        return descriptor

    def _written(self, what: str, descriptor: int, act: Callable[[], None], half: Callable[[], None]) -> None:
        path = _path(descriptor)
        inside = path.is_relative_to(self.root)
        with self.effect(what, path) as refused:
            before = self._file(descriptor).content.now if inside else b""
            try:
                (half if refused else act)()
            finally:
                if inside:
                    file, now = self._file(descriptor), _read(descriptor)
                    place = _first_difference(before, now)
                    end = len(now.rstrip(b"\0"))
                    dirty = None if len(now) < len(before) or end <= place else (place, end)
                    file.content = file.content.changed(now, dirty)

    def _write_whole(self, real: Callable[..., None], descriptor: int, content: bytes) -> None:
        def half() -> None:
            real(descriptor, content[: len(content) // 2])

        self._written("write", descriptor, lambda: real(descriptor, content), half)

    def _reserve(self, real: Callable[..., None], descriptor: int, start: int, count: int) -> None:
        self._written("reserve", descriptor, lambda: real(descriptor, start, count), lambda: None)

    def _cut(self, real: Callable[..., None], descriptor: int, size: int) -> None:
        self._written("cut", descriptor, lambda: real(descriptor, size), lambda: None)

    def _sync(self, _: Callable[..., None], descriptor: int) -> None:
        path = _path(descriptor)
        if path.is_relative_to(self.root):
            self._sync_content("sync", path, self._file(descriptor))

    def _sync_content(self, what: str, path: Path, file: File) -> None:
        self._look_at_databases()
        try:
            with self.effect(what, path):
                pass
        except OSError:
            file.content = file.content.lost()
            raise
        file.content = file.content.synced()

    def _sync_file(self, _: Callable[..., None], path: Path) -> None:
        if path.is_relative_to(self.root):
            self._sync_content("sync", path, self._files[path.stat().st_ino])

    def _sync_folder(self, _: Callable[..., None], path: Path) -> None:
        with self.effect("sync names of", path):
            pass
        if path.is_relative_to(self.root):
            self._keep_names(path)

    def _make_one_folder(self, real: Callable[..., None], path: Path) -> None:
        with self.effect("make", path) as refused:
            if not refused:
                is_new = not path.exists()
                real(path)
                if is_new and path.is_relative_to(self.root):
                    self._change(path.parent, {path: None})

    def _rename(self, real: Callable[..., None], source: Path, target: Path) -> None:
        with self.effect("rename to", target) as refused:
            if not refused:
                file = self._files[source.stat().st_ino]
                real(source, target)
                self._change(target.parent, {source: "", target: file})

    def _link(self, real: Callable[..., None], source: Path, target: Path) -> None:
        with self.effect("link to", target) as refused:
            if not refused:
                real(source, target)
                self._change(target.parent, {target: self._files[source.stat().st_ino]})

    def _remove(self, real: Callable[..., None], path: Path) -> None:
        with self.effect("remove", path) as refused:
            if not refused:
                was_there = path.exists()
                real(path)
                if was_there:
                    self._change(path.parent, {path: ""})

    def _look_at_databases(self) -> None:
        """Records what SQLite wrote, and which of its files it made and took away."""
        there = {path for each in self.databases for path in (each, _log_of(each)) if path.exists()}
        names = dict(self._names)
        for _, change in self._changes:
            names.update(change)  # type: ignore[arg-type]
        known = {self.root / name for name, file in names.items() if name.endswith(_SQLITE) and isinstance(file, File)}
        for path in known - there:
            self._change(path.parent, {path: ""})
        for path in there:
            content, inode = path.read_bytes(), path.stat().st_ino
            file = names.get(str(path.relative_to(self.root)))
            if not isinstance(file, File) or file is not self._files.get(inode):
                self._new(path, inode, content)
            elif file.content.now != content:
                place = _first_difference(file.content.now, content)
                file.content = file.content.changed(content, (place, len(content)))

    def database_is_kept(self, path: Path) -> None:
        """SQLite has synced what it committed, and the names of its files."""
        if not path.is_relative_to(self.root):
            return
        with self._lock:
            self._look_at_databases()
            for name in (path, _log_of(path)):
                if name.exists():
                    file = self._files[name.stat().st_ino]
                    file.content = Content(file.content.now, file.content.now)
            self._keep_names(path.parent)


class _Connection(sqlite3.Connection):
    """Tells the simulated disk what SQLite does."""

    simulated: SimulatedDisk

    def __init__(self, database: Any, *args: Any, **options: Any) -> None:
        super().__init__(database, *args, **options)
        self.path = Path(str(database)).absolute()
        if self.path.is_relative_to(self.simulated.root):
            self.simulated.databases.add(self.path)
        self.is_synced = True
        super().execute("PRAGMA synchronous = OFF")  # the real disk need not know

    def execute(self, sql: str, *args: Any) -> sqlite3.Cursor:
        if sql.startswith("PRAGMA synchronous"):
            self.is_synced = "FULL" in sql
            sql = "PRAGMA synchronous = OFF"
        done = super().execute(sql, *args)
        if "journal_mode = WAL" in sql:
            done.fetchall()  # it is done then
        if "wal_checkpoint" in sql or "journal_mode = WAL" in sql:
            self.simulated.database_is_kept(self.path)
        return done

    def executescript(self, sql: str) -> sqlite3.Cursor:
        self._may_fail("run a script on")
        done = super().executescript(sql)
        self.simulated.database_is_kept(self.path)
        return done

    def commit(self) -> None:
        if not self.in_transaction:
            return
        self._may_fail("commit to")
        super().commit()
        if self.is_synced:
            self.simulated.database_is_kept(self.path)

    def close(self) -> None:
        super().close()
        self.simulated.database_is_kept(self.path)

    def _may_fail(self, what: str) -> None:
        try:
            with self.simulated.effect(what, self.path):
                pass
        except OSError as error:
            raise sqlite3.OperationalError("disk I/O error") from error


def _log_of(database: Path) -> Path:
    return database.with_name(f"{database.name}-wal")


def _path(descriptor: int) -> Path:
    return Path(os.readlink(f"/proc/self/fd/{descriptor}").removesuffix(" (deleted)"))


def _read(descriptor: int) -> bytes:
    return Path(f"/proc/self/fd/{descriptor}").read_bytes()


def _first_difference(one: bytes, other: bytes) -> int:
    shorter = min(len(one), len(other))
    if one[:shorter] == other[:shorter]:
        return shorter
    return next(place for place in range(shorter) if one[place] != other[place])
