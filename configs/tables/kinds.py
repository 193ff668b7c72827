"""Kind and compression of the table that a file holds, by its name in any case and its first bytes."""

import bz2
import gzip
import io
import lzma
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal, TypeAlias, cast

import pyarrow as pa

from windvane.configs.tables.bad_table import BadTable

Kind: TypeAlias = Literal["text", "parquet", "lines"]

SUFFIXES: dict[str, Kind] = {
    ".csv": "text", ".tsv": "text", ".tab": "text", ".psv": "text", ".txt": "text",
    ".parquet": "parquet", ".pq": "parquet", ".parq": "parquet",
    ".jsonl": "lines", ".ndjson": "lines",
}  # fmt: skip
COMPRESSED = (".gz", ".gzip", ".bz2", ".zst", ".zstd", ".xz", ".zip", ".lz4")
_MAGIC = (
    (b"\x1f\x8b", "gz"),
    (b"BZh", "bz2"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\xfd7zXZ", "xz"),
    (b"PK", "zip"),
    (b"\x04\x22\x4d\x18", "lz4"),
)
_WORKBOOK = "is an Excel workbook; save it as CSV UTF-8, or read it in a function: python:module:function"
_CONVERT = "is {}; convert it to Parquet or CSV, or read it in a function: python:module:function"
# Files that hold rows which Windvane does not read: never passed over in silence.
OTHERS = {
    **dict.fromkeys((".xlsx", ".xls", ".xlsm", ".xlsb", ".ods"), _WORKBOOK),
    ".json": "is JSON; write one object a line and call it .jsonl",
    **{suffix: _CONVERT.format(what) for suffix, what in {
        ".feather": "a Feather file", ".arrow": "an Arrow file", ".orc": "an ORC file", ".avro": "an Avro file",
        ".h5": "an HDF5 file", ".hdf5": "an HDF5 file", ".sav": "an SPSS file", ".dta": "a Stata file",
        ".sas7bdat": "a SAS file", ".rds": "an R file", ".rda": "an R file", ".xml": "XML", ".html": "HTML",
        ".db": "a database", ".sqlite": "a database", ".duckdb": "a database",
    }.items()},
    ".pkl": "is a pickle, which is not read from anywhere; convert it to Parquet or CSV",
    ".pickle": "is a pickle, which is not read from anywhere; convert it to Parquet or CSV",
}  # fmt: skip
READ = (
    "CSV (.csv, .tsv, .txt, .psv), Parquet (.parquet, .pq) or JSON lines (.jsonl), also as .gz, .bz2, .zst, .xz or .zip"
)


@dataclass(frozen=True, slots=True)
class FileKind:
    """Promise of a name: the kind of table and the suffix that told it."""

    kind: Kind
    suffix: str


def kind_of(name: str) -> FileKind | None:
    """The kind that a file's name tells; None for what is no table that can be read.

    >>> kind_of("CUSTOMERS.CSV.GZ"), kind_of("x.tsv_old.csv"), kind_of("notes.md")
    (FileKind(kind='text', suffix='.csv'), FileKind(kind='text', suffix='.csv'), None)
    """
    suffixes = [suffix.lower() for suffix in Path(name).suffixes]
    if suffixes and suffixes[-1] in COMPRESSED:
        suffixes.pop()
    return FileKind(SUFFIXES[suffixes[-1]], suffixes[-1]) if suffixes and suffixes[-1] in SUFFIXES else None


def kind_in(path: Path) -> FileKind | None:
    """The kind that a file's name tells, or in an archive that of the one file in it."""
    kind = kind_of(path.name)
    if kind is None and path.suffix.lower() == ".zip":
        with suppress(OSError, zipfile.BadZipFile), zipfile.ZipFile(path) as archive:
            kinds = [kind_of(name) for name in _members(archive)]
            return kinds[0] if kinds else None
    return kind


def refusal(name: str) -> str | None:
    """Reason not to read a file that holds rows, by its name; None for one that seems to hold none."""
    suffixes = [suffix.lower() for suffix in Path(name).suffixes]
    packed = suffixes.pop() if suffixes and suffixes[-1] in COMPRESSED else ""
    why = OTHERS.get(suffixes[-1]) if suffixes else None
    return (
        f"is packed, and its name does not tell what it holds; call it NAME.csv{packed}" if packed and not why else why
    )


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """The file's bytes, unpacked whatever its name says; raises BadTable for what cannot be text or lines."""
    with path.open("rb") as file, ExitStack() as unpacking:
        head = file.read(8)
        file.seek(0)
        if head.startswith(b"PAR1"):
            raise BadTable(f"{path}: is Parquet inside; name it .parquet")
        if head.startswith(b"\xd0\xcf\x11\xe0"):
            raise BadTable(f"{path}: {_WORKBOOK}")
        match next((name for magic, name in _MAGIC if head.startswith(magic)), None):
            case "gz":
                yield cast(BinaryIO, unpacking.enter_context(gzip.GzipFile(fileobj=file)))
            case "bz2":
                yield cast(BinaryIO, unpacking.enter_context(bz2.BZ2File(file)))
            case "xz":
                yield cast(BinaryIO, unpacking.enter_context(lzma.LZMAFile(file)))
            case "zip":
                archive = unpacking.enter_context(zipfile.ZipFile(file))
                yield cast(BinaryIO, unpacking.enter_context(archive.open(_only_member(path, archive))))
            case "zstd" | "lz4" as codec:
                yield _arrow_stream(file, codec)
            case _:
                yield file


def is_parquet(path: Path) -> bool:
    """Whether the file begins as Parquet does."""
    with suppress(OSError), path.open("rb") as file:
        return file.read(4) == b"PAR1"
    return False


def demand_parquet(path: Path) -> None:
    """Raise BadTable for a file called Parquet that is something else, or not whole."""
    with path.open("rb") as file:
        head = file.read(8)
        file.seek(max(0, path.stat().st_size - 4))
        tail = file.read(4)
    if any(head.startswith(magic) for magic, _ in _MAGIC):
        raise BadTable(f"{path}: is packed; Parquet is packed inside: unpack it")
    if not head.startswith(b"PAR1"):
        raise BadTable(f"{path}: is not Parquet, whatever its name says; call text .csv and JSON lines .jsonl")
    if tail != b"PAR1":
        raise BadTable(f"{path}: is cut off: it does not end as Parquet does; copy it again")


def _only_member(path: Path, archive: zipfile.ZipFile) -> str:
    """The one file in an archive; two would need an order, and a workbook is an archive too."""
    names = _members(archive)
    if "[Content_Types].xml" in names or "mimetype" in names:
        raise BadTable(f"{path}: {_WORKBOOK}")
    if len(names) != 1:
        raise BadTable(f"{path}: holds {len(names)} files; unpack it into a folder, and name the folder")
    if archive.getinfo(names[0]).flag_bits & 0x1:
        raise BadTable(f"{path}: is protected by a password; unpack it first")
    return names[0]


def _members(archive: zipfile.ZipFile) -> list[str]:
    return [name for name in archive.namelist() if not name.endswith("/") and not name.startswith("__MACOSX/")]


def _arrow_stream(file: BinaryIO, compression: str) -> BinaryIO:
    return cast(BinaryIO, io.BufferedReader(_Raw(pa.CompressedInputStream(pa.PythonFile(file), compression))))


class _Raw(io.RawIOBase):
    """Arrow's decompressing stream as Python knows files."""

    def __init__(self, stream: pa.NativeFile) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        chunk: bytes = self._stream.read(len(buffer))
        buffer[: len(chunk)] = chunk
        return len(chunk)
