"""Rows of a data file, read to draft a declaration from."""

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from configs.complaint import BadDeclaration, Complaint

WHOLE_BYTES = 512 * 2**20  # up to here the whole file is read
SAMPLE_ROWS = 1_000_000
_CSV = (".csv", ".csv.gz", ".tsv", ".tsv.gz")
_PARQUET = (".parquet", ".pq")
_NULLS = ("", "NA", "N/A", "NaN", "nan", "null", "NULL", "None")


@dataclass(frozen=True, slots=True)
class Sample:
    """The rows, and whether they are all there are."""

    rows: pa.Table
    whole: bool


def refuse(file: Path, what: str, column: str = "") -> BadDeclaration:
    """The one sentence that says why nothing can be drafted from the file."""
    return BadDeclaration([Complaint(str(file), column, None, what)])


def read_sample(file: Path) -> Sample:
    """Read a CSV or Parquet file, the first million rows of a very large one; raises BadDeclaration with a sentence."""
    if not file.is_file():
        raise refuse(file, "does not exist" if not file.exists() else "is a folder; name one file in it")
    if not file.name.lower().endswith(_CSV + _PARQUET):
        raise refuse(file, f"is neither CSV ({', '.join(_CSV)}) nor Parquet ({', '.join(_PARQUET)})")
    whole = file.stat().st_size <= WHOLE_BYTES
    try:
        rows = _parquet(file, whole) if file.name.lower().endswith(_PARQUET) else _csv(file, whole)
        rows = pa.Table.from_arrays([_plain(column) for column in rows.columns], names=rows.column_names)
    except UnicodeDecodeError as error:
        raise refuse(file, "has column names that are not UTF-8; save it as UTF-8") from error
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise refuse(file, f"cannot be read: {str(error).splitlines()[0]}") from error
    except OSError as error:
        raise refuse(file, f"cannot be read: {error}") from error
    if rows.num_rows == 0:
        raise refuse(file, "has a header and no rows" if rows.num_columns else "is empty")
    for name, column in zip(rows.column_names, rows.columns, strict=True):
        if pa.types.is_binary(column.type) and file.name.lower().endswith(_CSV):
            raise refuse(file, "holds text that is not UTF-8; save it as UTF-8", name)
    return Sample(rows, whole)


def _csv(file: Path, whole: bool) -> pa.Table:
    parse = pa.csv.ParseOptions(delimiter="\t" if ".tsv" in file.name.lower() else ",", newlines_in_values=True)
    convert = pa.csv.ConvertOptions(null_values=_NULLS, strings_can_be_null=True)
    if file.stat().st_size == 0:
        raise refuse(file, "is empty")
    if whole:
        # One block, so that a column's type is inferred from all its rows.
        size = min(2**31 - 1, max(2**20, 40 * file.stat().st_size if file.suffix == ".gz" else file.stat().st_size))
        return pa.csv.read_csv(file, pa.csv.ReadOptions(block_size=size), parse, convert)
    with pa.csv.open_csv(file, pa.csv.ReadOptions(block_size=2**26), parse, convert) as reader:
        return _first(iter(reader), reader.schema)


def _parquet(file: Path, whole: bool) -> pa.Table:
    if whole:
        return pa.parquet.read_table(file)
    opened = pa.parquet.ParquetFile(file)
    return _first(opened.iter_batches(), opened.schema_arrow)


def _first(batches: object, schema: pa.Schema) -> pa.Table:
    kept: list[pa.RecordBatch] = []
    for batch in batches:  # type: ignore[attr-defined]
        kept.append(batch)
        if sum(one.num_rows for one in kept) >= SAMPLE_ROWS:
            break
    return pa.Table.from_batches(kept, schema)


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
