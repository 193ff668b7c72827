"""The files that a path, folder or pattern names, in order, and what in a folder is left out and why."""

import glob
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from windvane.configs.tables.bad_table import BadTable
from windvane.configs.tables.kinds import READ, Kind, is_parquet, kind_in, kind_of, refusal


@dataclass(frozen=True, slots=True)
class Listed:
    """One file to read; `parts` are the columns that its folders tell, as in `year=2024/jan.csv`."""

    path: Path
    kind: Kind
    parts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Listing:
    """Files in the order of their paths, and a sentence for every file that is not read."""

    files: tuple[Listed, ...]
    notes: tuple[str, ...] = ()


def listing(pattern: str) -> Listing:
    """Lists what a path, a folder (with the folders in it) or a glob names; raises BadTable."""
    path = Path(pattern)
    if path.is_file():
        return Listing((_explicit(path),))
    if path.is_dir():
        return _folder([path], path)
    matches = [Path(name) for name in sorted(glob.glob(pattern, recursive=True))]
    if not matches:
        raise BadTable(f"data.source {pattern}: no such file, folder or match{_nearby(path)}", absent=True)
    return _folder(matches, Path(_fixed(pattern)))


def _folder(roots: list[Path], base: Path) -> Listing:
    """Every table under the roots; hidden files and what holds no rows are left out with a note."""
    found: list[Listed] = []
    notes: list[str] = []
    for path in sorted({file for root in roots for file in _walk(root)}):
        shown = _shown(path, base)
        hidden = next((part for part in Path(shown).parts if part.startswith((".", "_", "~$"))), None)
        if hidden is not None:
            notes.append(f"{shown} is hidden, as {hidden} begins with {hidden[0]!r}, and is not read")
        elif (kind := kind_in(path)) is not None:
            if path.stat().st_size == 0:
                notes.append(f"{shown} is empty")
            else:
                actual: Kind = "parquet" if is_parquet(path) else kind.kind
                found.append(Listed(path, actual, _parts(path)))
        elif (why := refusal(path.name)) is not None:
            raise BadTable(f"{path}: {why}; or move it out of the folder")
        else:
            notes.append(f"{shown} is no table and is not read")
    if not found:
        inside = f": {'; '.join(notes[:3])}" if notes else ""
        raise BadTable(
            f"data.source {base}: holds no file that can be read{inside}; what is read is {READ}", absent=True
        )
    kinds = {file.kind: file for file in found}
    if len(kinds) > 1:
        first, second = list(kinds.values())[:2]
        raise BadTable(
            f"{second.path}: is {_spelled(second.kind)}, and {_shown(first.path, base)} is {_spelled(first.kind)}; "
            "data must be all CSV, all Parquet or all JSON lines"
        )
    return Listing(tuple(found), tuple(notes))


def _walk(root: Path) -> Iterator[Path]:
    if root.is_file():
        yield root
    seen = set()
    for folder, folders, names in os.walk(root, followlinks=True):
        folders[:] = [name for name in sorted(folders) if os.path.realpath(os.path.join(folder, name)) not in seen]
        seen |= {os.path.realpath(os.path.join(folder, name)) for name in folders}  # a link may lead back up
        yield from (Path(folder) / name for name in sorted(names))


def _explicit(path: Path) -> Listed:
    """A file somebody named: read if it can be, whatever its name begins with."""
    if path.stat().st_size == 0:
        raise BadTable(f"{path}: is empty")
    if is_parquet(path):
        return Listed(path, "parquet", _parts(path))
    kind = kind_in(path)
    if kind is None:
        why = refusal(path.name) or f"is of a kind that is not known by its name; what is read is {READ}"
        raise BadTable(f"{path}: {why}")
    return Listed(path, kind.kind, _parts(path))


def _parts(path: Path) -> tuple[tuple[str, str], ...]:
    """Columns that the folders tell.

    >>> _parts(Path("data/year=2024/month=03/part-0.csv"))
    (('year', '2024'), ('month', '03'))
    """
    pairs = [part.partition("=") for part in path.parts[:-1] if "=" in part.strip("=")]
    return tuple((name, value) for name, _, value in pairs)


def _shown(path: Path, base: Path) -> str:
    return str(path.relative_to(base)) if path.is_relative_to(base) and path != base else path.name


def _fixed(pattern: str) -> str:
    """The folder that a pattern starts from."""
    fixed = []
    for part in Path(pattern).parts:
        if glob.has_magic(part):
            break
        fixed.append(part)
    return str(Path(*fixed)) if fixed else "."


def _nearby(path: Path) -> str:
    """Names what stands in the folder instead, where there is one."""
    if glob.has_magic(str(path)):
        return ""
    if not path.parent.is_dir():
        return f" (the folder {path.parent} does not exist either)"
    names = sorted(other.name for other in path.parent.iterdir() if kind_of(other.name))[:5]
    return f"; in {path.parent} there are: {', '.join(names)}" if names else ""


def _spelled(kind: Kind) -> str:
    return {"text": "CSV", "parquet": "Parquet", "lines": "JSON lines"}[kind]
