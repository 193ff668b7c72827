"""Reads the rows that somebody's Python function returns."""

import importlib
import os
import sys
import traceback
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pyarrow as pa

from windvane.configs.settings import USERS_FOLDER
from windvane.configs.tables.bad_table import BadTable
from windvane.configs.tables.files import from_values
from windvane.configs.tables.unify import plain


def call(address: str, columns: Collection[str] | None = None) -> pa.Table:
    """The rows of `python:module:function`, which returns an Arrow table or a pandas or polars frame."""
    _, module_name, function_name = address.split(":")  # as the declaration has made sure
    for folder in (os.environ.get(USERS_FOLDER), os.getcwd()):
        if folder and folder not in sys.path:
            sys.path.append(folder)  # last, so that it hides nothing
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        what = (
            f"there is no module {error.name!r}; put its folder on PYTHONPATH, or go to it ({os.getcwd()} is looked in)"
        )
        raise BadTable(f"{address}: {what}", absent=True) from error
    except (Exception, SystemExit) as error:
        raise BadTable(f"{address}: importing {module_name} {_raised(error)}") from error
    function = getattr(module, function_name, None)
    if not callable(function):
        raise BadTable(f"{address}: module {module_name} has no function {function_name!r}", absent=True)
    try:
        rows = function()
    except (Exception, SystemExit) as error:
        raise BadTable(f"{address} {_raised(error)}") from error
    return plain(_table(address, rows, columns))


def _table(address: str, rows: Any, columns: Collection[str] | None) -> pa.Table:
    if isinstance(rows, pa.RecordBatch):
        rows = pa.Table.from_batches([rows])
    if hasattr(rows, "to_arrow") and hasattr(rows, "columns"):  # polars, duckdb
        rows = rows.to_arrow()
    if isinstance(rows, pa.Table):
        names = rows.column_names
    elif hasattr(rows, "columns") and hasattr(rows, "dtypes"):
        if {name for name in rows.index.names if name is not None} & set(columns or rows.index.names) - set(
            rows.columns
        ):
            rows = rows.reset_index()
        names = [str(name) for name in rows.columns]
    else:
        raise BadTable(f"{address} returned {type(rows).__name__}; return a pyarrow Table or a pandas DataFrame")
    twice = sorted({name for name in names if names.count(name) > 1 and (columns is None or name in columns)})
    if twice:
        raise BadTable(f"{address}: returns more than one column {', '.join(map(repr, twice))}; rename all but one")
    if isinstance(rows, pa.Table):
        return rows
    wanted = [place for place, name in enumerate(names) if columns is None or name in columns]
    return pa.table({names[place]: _of_series(rows.iloc[:, place]) for place in wanted})


def _of_series(series: Any) -> pa.Array:
    try:
        array = pa.Array.from_pandas(series)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, TypeError, ValueError, OverflowError):
        return from_values([None if value is None or value != value else value for value in series.tolist()])
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def _raised(error: BaseException) -> str:
    """Error that a function raised, and where; not its text, which may repeat a row."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "importlib" not in frame.filename and Path(frame.filename) != Path(__file__)]
    where = f" at {Path(own[-1].filename).name}:{own[-1].lineno}" if own else ""
    if isinstance(error, OSError) and error.strerror:
        return f"raised {type(error).__name__}{where}: {error.filename or ''} {error.strerror}".replace("  ", " ")
    return f"raised {type(error).__name__}{where}; run it by itself to see more"
