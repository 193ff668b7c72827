"""Records as Arrow tables: one dataset per kind of record, features in columns of their declared type.

A record's `at` is the column `recorded_at`, since SQL keeps the word AT for itself.
Beside its columns every row keeps `position` (the record's place in its segment) and `record` (its payload as written).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import msgspec
import pyarrow as pa

from cluster.decision_log.record import Decision, Outcome, Record, Shadow, Value
from cluster.decision_log.segment import Column, ColumnType

Dataset = Literal["decisions", "shadows", "outcomes"]
DATASETS: Mapping[Dataset, type[Record]] = {"decisions": Decision, "shadows": Shadow, "outcomes": Outcome}
Table: TypeAlias = pa.Table

FEATURE_TYPES: Mapping[ColumnType, Any] = {
    "number": pa.float64(),
    "integer": pa.int64(),
    "boolean": pa.bool_(),
    "category": pa.string(),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One record with its place in the segment and its bytes."""

    position: int
    payload: bytes
    record: Any  # of the dataset's type


_Reader: TypeAlias = Callable[[Any], object]
_TRACE: dict[str, Any] = {"position": pa.int64(), "record": pa.binary()}
_FIELDS: Mapping[Dataset, Mapping[str, tuple[Any, _Reader]]] = {
    "decisions": {
        "decision_id": (pa.string(), lambda r: r.decision_id),
        "recorded_at": (pa.float64(), lambda r: r.at),
        "event_time": (pa.float64(), lambda r: r.event_time),
        "version": (pa.int64(), lambda r: r.version),
        "arm": (pa.string(), lambda r: r.arm),
        "revision": (pa.int64(), lambda r: r.revision),
        "subject": (pa.string(), lambda r: r.subject),
        "unit_hash": (pa.uint64(), lambda r: r.unit_hash),
        "prediction": (pa.float64(), lambda r: r.prediction),
        "action": (pa.string(), lambda r: r.action),
        "reasons": (pa.list_(pa.string()), lambda r: r.reasons),
        "context": (pa.string(), lambda r: msgspec.json.encode(r.context).decode()),
        "request_id": (pa.string(), lambda r: r.request_id),
        "explanation": (pa.list_(pa.float64()), lambda r: r.explanation),
    },
    "shadows": {
        "recorded_at": (pa.float64(), lambda r: r.at),
        "version": (pa.int64(), lambda r: r.version),
        "decision_ids": (pa.list_(pa.string()), lambda r: r.decision_ids),
        "predictions": (pa.list_(pa.float64()), lambda r: r.predictions),
    },
    "outcomes": {
        "decision_id": (pa.string(), lambda r: r.decision_id),
        "recorded_at": (pa.float64(), lambda r: r.at),
        "label": (pa.bool_(), lambda r: r.label),
        "kpis": (pa.map_(pa.string(), pa.float64()), lambda r: list(r.kpis.items())),
    },
}


_DATASET_OF: Mapping[type, Dataset] = {kind: dataset for dataset, kind in DATASETS.items()}
_RECORD = msgspec.msgpack.Decoder(Record)


def rows(payloads: Iterable[bytes], first_position: int = 0) -> dict[Dataset, list[Row]]:
    """The payloads decoded and split by dataset, in order; raises msgspec.DecodeError for a record not known here."""
    found: dict[Dataset, list[Row]] = {}
    for position, payload in enumerate(payloads, first_position):
        record = _RECORD.decode(payload)
        found.setdefault(_DATASET_OF[type(record)], []).append(Row(position, payload, record))
    return found


def schema(dataset: Dataset, features: Iterable[Column], *, trace: bool = True) -> Any:
    """The Arrow schema; without `trace` it lacks `position` and `record`."""
    fields: dict[str, Any] = dict(_TRACE) if trace else {}
    fields |= {name: kind for name, (kind, _) in _FIELDS[dataset].items()}
    if dataset == "decisions":
        fields |= {f"x_{feature.name}": FEATURE_TYPES[feature.type] for feature in features}
    return pa.schema(list(fields.items()))


def table(dataset: Dataset, found: Sequence[Row], features: Sequence[Column]) -> Table:
    """The rows as a table of `schema(dataset, features)`."""
    records = [row.record for row in found]
    columns: list[Any] = [[row.position for row in found], [row.payload for row in found]]
    columns += [[read(record) for record in records] for _, read in _FIELDS[dataset].values()]
    if dataset == "decisions":
        columns += _feature_columns([record.features for record in records], features)
    names = schema(dataset, features)
    arrays = [pa.array(values, field.type) for values, field in zip(columns, names, strict=True)]
    return pa.Table.from_arrays(arrays, schema=names)


def conform(found: Table, dataset: Dataset, features: Sequence[Column]) -> Table:
    """The same rows under today's features: columns of features declared since are null, of those dropped are gone."""
    names = schema(dataset, features, trace=False)
    columns = []
    for field in names:
        if field.name not in found.column_names:
            columns.append(pa.nulls(len(found), field.type))
        else:
            columns.append(found[field.name].cast(field.type))
    return pa.Table.from_arrays(columns, schema=names)


def _feature_columns(values: Sequence[tuple[Value, ...]], features: Sequence[Column]) -> list[Any]:
    """Values by feature; one that is not of the declared type is null here and stays readable in `record`."""
    width = len(features)
    if any(len(row) != width for row in values):
        values = [(*row[:width], *(None,) * (width - len(row))) for row in values]
    return [_typed(column, feature.type) for column, feature in zip(zip(*values, strict=True), features, strict=True)]


def _typed(values: Sequence[Value], type_: ColumnType) -> Any:
    try:
        return pa.array(values, FEATURE_TYPES[type_])
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return pa.array([value if _fits(value, type_) else None for value in values], FEATURE_TYPES[type_])


def _fits(value: Value, type_: ColumnType) -> bool:
    if isinstance(value, bool):
        return type_ == "boolean"
    if isinstance(value, int):
        return type_ == "number" or (type_ == "integer" and -(1 << 63) <= value < 1 << 63)
    return isinstance(value, float if type_ == "number" else str if type_ == "category" else bool)
