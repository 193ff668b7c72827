"""Reads labelled rows from where a model says they are: files, a SQL database, or a Python function."""

import glob
import importlib
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from cluster.errors import Invalid, NotFound
from configs.schema import Attribute, Feature, ModelSpec, Source

LARGE_BYTES = 512 * 2**20  # from here on Ray Data reads, in parallel and over nodes; below, starting it costs more
MANY_FILES = 64
SQL_ROWS_AT_ONCE = 50_000
_PARQUET = (".parquet", ".pq")
_CSV = (".csv", ".csv.gz", ".tsv", ".tsv.gz")
_NULLS = ("", "NA", "N/A", "NaN", "nan", "null", "NULL", "None")


def read(spec: ModelSpec, source: Source | None = None) -> pa.Table:
    """The columns the spec names, as they are in the source and in its order; raises Invalid or NotFound."""
    source = source or spec.data
    if source.source.startswith("python:"):
        table = _call(source.source)
    elif "://" in source.source:
        table = _query(source)
    else:
        table = _files(source.source, spec)
    wanted = columns_of(spec)
    absent = [name for name in wanted if name not in table.column_names]
    if absent:
        there = ", ".join(table.column_names)
        raise Invalid(f"{public(source.source)} has no column {', '.join(map(repr, absent))}; it has: {there}")
    return table.select(wanted)


def columns_of(spec: ModelSpec) -> list[str]:
    """Every column that training reads: features, target, event time, subject, and what versions are audited by."""
    roles = [spec.target.name, spec.data.time, spec.data.subject]
    declared: list[Feature | Attribute] = [*spec.features, *spec.audit]
    return [column.name for column in declared] + [name for name in roles if name]


def public(address: str) -> str:
    """The address without the password that a SQL URL may hold.

    >>> public("postgresql://reader:secret@db/loans")
    'postgresql://reader:***@db/loans'
    """
    return re.sub(r"(://[^/@:]*):[^/]*@", r"\1:***@", address)


def _call(address: str) -> pa.Table:
    """`python:module:function`, which returns an Arrow table or a pandas frame."""
    _, module_name, function_name = address.split(":")  # as the declaration has made sure
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise NotFound(f"{address}: {error}; is its folder on PYTHONPATH ({sys.path[0] or '.'} is)?") from error
    function = getattr(module, function_name, None)
    if not callable(function):
        raise NotFound(f"{address}: module {module_name} has no function {function_name!r}")
    rows: Any = function()
    if isinstance(rows, pa.Table):
        return rows
    if hasattr(rows, "columns") and hasattr(rows, "dtypes"):
        return pa.Table.from_pandas(rows, preserve_index=False)
    raise Invalid(f"{address} returned {type(rows).__name__}; return a pyarrow Table or a pandas DataFrame")


def _query(source: Source) -> pa.Table:
    """The rows of a SQL query, fetched by the batch."""
    import sqlalchemy  # only who reads SQL pays for it

    try:
        engine = sqlalchemy.create_engine(source.source)
        with engine.connect().execution_options(stream_results=True) as connection:
            result = connection.execute(sqlalchemy.text(source.query or ""))
            names = list(result.keys())
            batches = [
                pa.table(dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)))
                for rows in result.partitions(SQL_ROWS_AT_ONCE)
            ]
    except (sqlalchemy.exc.SQLAlchemyError, ModuleNotFoundError) as error:
        raise Invalid(f"data.query on {public(source.source)} failed: {error}") from error
    if not batches:
        raise Invalid(f"data.query returned no rows: {source.query}")
    return pa.concat_tables(batches, promote_options="permissive")


def _files(pattern: str, spec: ModelSpec) -> pa.Table:
    """One file, a folder or a glob of CSV or Parquet files, in the order of their names."""
    paths = _match(pattern)
    parquet = [path for path in paths if path.name.endswith(_PARQUET)]
    text = [path for path in paths if path.name.endswith(_CSV)]
    if len(parquet) + len(text) < len(paths) or (parquet and text):
        odd = next((path for path in paths if path not in parquet + text), paths[-1])
        raise Invalid(f"{odd}: data must be all CSV ({', '.join(_CSV)}) or all Parquet ({', '.join(_PARQUET)})")
    large = len(paths) >= MANY_FILES or sum(path.stat().st_size for path in paths) >= LARGE_BYTES
    try:
        if large:
            return _read_distributed(paths, spec, bool(parquet))
        tables = [_read_parquet(path, spec) if parquet else _read_csv(path, spec) for path in paths]
    except pa.ArrowInvalid as error:
        raise Invalid(f"{pattern} cannot be read: {error}") from error
    return pa.concat_tables(tables, promote_options="permissive")


def _match(pattern: str) -> list[Path]:
    path = Path(pattern)
    if path.is_dir():
        found = sorted(file for file in path.iterdir() if file.name.endswith(_PARQUET + _CSV))
    else:
        found = [path] if path.is_file() else [Path(name) for name in sorted(glob.glob(pattern, recursive=True))]
    if not found:
        raise NotFound(f"data.source {pattern}: no such file, folder or match")
    return found


def _read_parquet(path: Path, spec: ModelSpec) -> pa.Table:
    there = pa.parquet.read_schema(path).names
    return pa.parquet.read_table(path, columns=[name for name in columns_of(spec) if name in there])


def _read_csv(path: Path, spec: ModelSpec) -> pa.Table:
    return pa.csv.read_csv(path, parse_options=_dialect(path), convert_options=_conversion(spec))


def _dialect(path: Path) -> pa.csv.ParseOptions:
    return pa.csv.ParseOptions(delimiter="\t" if ".tsv" in path.name else ",", newlines_in_values=True)


def _conversion(spec: ModelSpec) -> pa.csv.ConvertOptions:
    """Categories stay text (`01` is not 1), and a declared category such as `NA` is a value, not a missing one."""
    columns: list[Feature | Attribute] = [*spec.features, *spec.audit]
    declared = {category for column in columns for category in column.categories}
    text = [column.name for column in columns if column.type == "category"]
    text += [spec.data.subject] if spec.data.subject else []
    return pa.csv.ConvertOptions(
        column_types=dict.fromkeys(text, pa.string()),
        null_values=[null for null in _NULLS if null not in declared],
        strings_can_be_null=True,
    )


def _read_distributed(paths: Sequence[Path], spec: ModelSpec, parquet: bool) -> pa.Table:
    """Ray Data reads and selects columns on every node; the selected columns come together here."""
    import ray.data

    if not ray.is_initialized():
        ray.init(log_to_driver=False, logging_level="ERROR")  # RAY_ADDRESS says where, in a job
    ray.data.DataContext.get_current().enable_progress_bars = False
    names = [str(path) for path in paths]
    if parquet:
        rows = ray.data.read_parquet(names, columns=columns_of(spec))
    else:
        conversion, dialect = _conversion(spec), _dialect(paths[0])
        rows = ray.data.read_csv(names, convert_options=conversion, parse_options=dialect)
        rows = rows.select_columns(columns_of(spec))
    blocks = ray.get(rows.to_arrow_refs())
    return pa.concat_tables([block for block in blocks if block.num_rows], promote_options="permissive")
