"""Reads the rows of a SQL query."""

import itertools
from contextlib import ExitStack
from typing import Any

import pyarrow as pa

from windvane.configs.tables.bad_table import BadTable
from windvane.configs.tables.files import from_values
from windvane.configs.tables.unify import Part, plain, unify
from windvane.configs.tables.url_redaction import public

ROWS_AT_ONCE = 50_000


def read_query(address: str, query: str, limit: int | None = None) -> pa.Table:
    """The rows of the query in its order, the first `limit` of them, fetched by the batch; raises BadTable.

    A column has one type over all batches: databases without strict types may give another in every row.
    """
    import sqlalchemy  # only who reads SQL pays for it

    try:
        with ExitStack() as held:
            engine = sqlalchemy.create_engine(address)
            held.callback(engine.dispose)
            connection = held.enter_context(engine.connect().execution_options(stream_results=True))
            result = connection.execute(sqlalchemy.text(query))
            if not result.returns_rows:
                raise BadTable(f"data.query on {public(address)} returns no rows; write a SELECT")
            names = list(result.keys())
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise BadTable(
                    f"data.query gives more than one column {', '.join(map(repr, twice))}; name them with AS"
                )
            batches = result.partitions(min(ROWS_AT_ONCE, limit or ROWS_AT_ONCE))
            parts = [
                _part(names, rows, place) for place, rows in enumerate(itertools.islice(batches, 1 if limit else None))
            ]
    except BadTable:
        raise
    except ModuleNotFoundError as error:
        raise BadTable(f"{public(address)} needs the package {error.name}; install it beside Windvane") from error
    except Exception as error:
        raise BadTable(f"data.query on {public(address)} failed: {_said(error)}") from error
    if not parts:
        raise BadTable(f"data.query on {public(address)} returned no rows")
    return unify(parts)


def _part(names: list[str], rows: Any, place: int) -> Part:
    columns = list(zip(*rows, strict=True))
    table = pa.table({name: from_values(list(values)) for name, values in zip(names, columns, strict=True)})
    return Part(f"rows from {place * ROWS_AT_ONCE + 1:,} on", plain(table))


def _said(error: Exception) -> str:
    """Error of the database about the query; never what it said of a row, and no password."""
    kind = type(error).__name__
    if kind not in ("OperationalError", "ProgrammingError", "NoSuchModuleError", "ArgumentError"):
        return f"{kind} of the driver"
    said = str(getattr(error, "orig", None) or error).strip().splitlines()
    return public(said[0]) if said else kind
