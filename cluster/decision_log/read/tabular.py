"""Tables of the log for people and their programs: JSON values, CSV, Parquet."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from windvane.cluster.decision_log.read.columns import Table
from windvane.cluster.decision_log.vault.personal import Personal, open_personal
from windvane.cluster.decision_log.vault.vault import Vault

Row = dict[str, Any]
_FEATURE = "x_"


def rows(found: Table) -> list[Row]:
    """A dictionary for each decision, its features together; what JSON has no number for is null.

    Encrypted fields are left out: they say nothing to anybody.
    """
    names = [name for name in found.column_names if name != "personal"]
    return [_row(each) for each in found.select(names).to_pylist()]


def revealed_rows(found: Table, vault: Vault) -> list[Row]:
    """The same with what is personal decrypted; `erased` says of each whether that cannot be any more."""
    asked = list(_messages(found))
    opened = iter(vault.reveal_all([message for message in asked if message is not None]))
    told = []
    for row, message in zip(rows(found), asked, strict=True):
        content = None if message is None else next(opened)
        row |= {"erased": message is not None and content is None, "subject_hash": row["subject"]}
        told.append(row if content is None else _with(row, open_personal(content)))
    return told


def csv(found: Table) -> bytes:
    """CSV in UTF-8 with a line of names; lists and maps as JSON, bytes in hexadecimal."""
    sink = pa.BufferOutputStream()
    pa.csv.write_csv(_flat(found), sink)
    return bytes(sink.getvalue())


def parquet(found: Table) -> bytes:
    """One Parquet file."""
    sink = pa.BufferOutputStream()
    pa.parquet.write_table(found, sink, compression="zstd")
    return bytes(sink.getvalue())


def table_of(told: Sequence[Row]) -> Table:
    """Rows as a table again: features in columns of their own, the context as JSON."""
    plain = []
    for row in told:
        features = {f"{_FEATURE}{name}": value for name, value in row["features"].items()}
        texts = {name: _json(row[name]) for name in ("context", "grounds") if name in row}
        plain.append({name: value for name, value in row.items() if name != "features"} | features | texts)
    return pa.Table.from_pylist(plain)


def _json(value: Any) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()


def _messages(found: Table) -> Sequence[tuple[str, str, bytes] | None]:
    columns = (found[name].to_pylist() for name in ("subject", "decision_id", "personal"))
    return [
        None if message is None else (subject, about, message) for subject, about, message in zip(*columns, strict=True)
    ]


def _row(found: Mapping[str, Any]) -> Row:
    row = {name: plain(value) for name, value in found.items() if not name.startswith(_FEATURE)}
    if "context" in row:
        row["context"] = msgspec.json.decode(row["context"])
    if row.get("grounds") is not None:
        row["grounds"] = msgspec.json.decode(row["grounds"])
    row["features"] = {
        name.removeprefix(_FEATURE): plain(value) for name, value in found.items() if name.startswith(_FEATURE)
    }
    return row


def plain(value: Any) -> Any:
    """A value as JSON takes it.

    >>> plain([1.5, float("nan"), b"ab", ("k", 2)])
    [1.5, None, '6162', ['k', 2]]
    """
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value.hex() if isinstance(value, bytes) else value


def _with(row: Row, personal: Personal) -> Row:
    features = row["features"] | {name: plain(value) for name, value in personal.features.items()}
    told = {"subject": personal.subject, "features": features, "context": {**row["context"], **personal.context}}
    explanation = row["explanation"] if personal.explanation is None else plain(list(personal.explanation))
    grounds = row.get("grounds") if personal.grounds is None else msgspec.to_builtins(personal.grounds)
    return row | told | {"explanation": explanation, "grounds": grounds}


def _flat(found: Table) -> Table:
    columns = []
    for column in found.columns:
        if pa.types.is_nested(column.type):
            texts = [
                None if value is None else msgspec.json.encode(plain(value)).decode() for value in column.to_pylist()
            ]
            columns.append(pa.array(texts, pa.string()))
        elif pa.types.is_binary(column.type):
            columns.append(pa.array([plain(value) for value in column.to_pylist()], pa.string()))
        else:
            columns.append(column)
    return pa.table(columns, names=found.column_names)
