"""Records as Arrow tables: one dataset per kind of record, features in columns of their declared type.

A record's `at` is the column `recorded_at`, since SQL keeps the word AT for itself.
Every sealed row also keeps what proves it: `position` (the record's place in its segment), `record` (its payload as
written), `leaf` (the first eight bytes of its Merkle leaf) and, where a group ended, `link` (the chain's head).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, Literal, TypeAlias

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from windvane.cluster.decision_log.grounds import Grounds
from windvane.cluster.decision_log.record import Act, Decision, Outcome, Record, Shadow, Unopened, Value
from windvane.cluster.decision_log.write.segment import ColumnType, FeatureColumn

Dataset = Literal["decisions", "shadows", "outcomes", "acts"]
DATASETS: Mapping[Dataset, type[Record]] = {
    "decisions": Decision,
    "shadows": Shadow,
    "outcomes": Outcome,
    "acts": Act,
}
Table: TypeAlias = pa.Table

FEATURE_TYPES: Mapping[ColumnType, Any] = {
    "number": pa.float64(),
    "integer": pa.int64(),
    "boolean": pa.bool_(),
    "category": pa.string(),
}


@dataclass(frozen=True, slots=True)
class SegmentRows:
    """Records of one dataset with their places in the segment and their bytes; three lists of one length."""

    positions: list[int] = field(default_factory=list)
    payloads: list[bytes] = field(default_factory=list)
    records: list[Any] = field(default_factory=list)  # of the dataset's type, decisions unopened


@dataclass(frozen=True, slots=True)
class SegmentProof:
    """Proof of a segment's records: the chain's head by the position that it follows, and leaves by position."""

    heads: Mapping[int, bytes]
    leaves: NDArray[np.uint64]


_FLOAT64 = 0xCB  # stands before a float64 in msgpack, as https://github.com/msgpack/msgpack/blob/master/spec.md has it
_EMPTY, _NONE = msgspec.msgpack.encode({}), msgspec.msgpack.encode(None)
_open_context = msgspec.msgpack.Decoder(dict[str, Value]).decode
_open_features = msgspec.msgpack.Decoder(tuple[Value, ...]).decode
_open_grounds = msgspec.msgpack.Decoder(Grounds | None).decode


def context_text(context: bytes | msgspec.Raw) -> str:
    """Context sent along, as JSON; raises msgspec.DecodeError when it is something else."""
    return "{}" if bytes(context) == _EMPTY else msgspec.json.encode(_open_context(context)).decode()


def _context(decision: Unopened) -> str:
    return context_text(decision.context)


def _grounds(decision: Unopened) -> str | None:
    grounds = decision.grounds
    return None if bytes(grounds) == _NONE else msgspec.json.encode(_open_grounds(grounds)).decode()


_TRACE: dict[str, Any] = {
    "position": pa.int64(),
    "record": pa.binary(),
    "leaf": pa.uint64(),
    "link": pa.binary(),
}
_FIELDS: Mapping[Dataset, Mapping[str, tuple[Any, Callable[[Any], object]]]] = {
    "decisions": {
        "decision_id": (pa.string(), attrgetter("decision_id")),
        "recorded_at": (pa.float64(), attrgetter("at")),
        "event_time": (pa.float64(), attrgetter("event_time")),
        "version": (pa.int64(), attrgetter("version")),
        "arm": (pa.string(), attrgetter("arm")),
        "revision": (pa.int64(), attrgetter("revision")),
        "subject": (pa.string(), attrgetter("subject")),
        "unit_hash": (pa.uint64(), attrgetter("unit_hash")),
        "prediction": (pa.float64(), attrgetter("prediction")),
        "action": (pa.string(), attrgetter("action")),
        "reasons": (pa.list_(pa.string()), attrgetter("reasons")),
        "context": (pa.string(), _context),
        "request_id": (pa.string(), attrgetter("request_id")),
        "explanation": (pa.list_(pa.float64()), attrgetter("explanation")),
        "grounds": (pa.string(), _grounds),
        "caller": (pa.string(), attrgetter("caller")),
        "roles": (pa.list_(pa.string()), attrgetter("roles")),
        "scope": (pa.list_(pa.string()), attrgetter("scope")),
        "purpose": (pa.string(), attrgetter("purpose")),
        "consent": (pa.bool_(), attrgetter("consent")),
        "proposed": (pa.string(), attrgetter("proposed")),
        "verdict": (pa.string(), attrgetter("verdict")),
        "policies": (pa.list_(pa.string()), attrgetter("policies")),
        "policy_version": (pa.string(), attrgetter("policy_version")),
        "mandate": (pa.string(), attrgetter("mandate")),
        "personal": (pa.binary(), attrgetter("personal")),
    },
    "shadows": {
        "recorded_at": (pa.float64(), attrgetter("at")),
        "version": (pa.int64(), attrgetter("version")),
        "decision_ids": (pa.list_(pa.string()), attrgetter("decision_ids")),
        "predictions": (pa.list_(pa.float64()), attrgetter("predictions")),
    },
    "outcomes": {
        "decision_id": (pa.string(), attrgetter("decision_id")),
        "recorded_at": (pa.float64(), attrgetter("at")),
        "label": (pa.bool_(), attrgetter("label")),
        "kpis": (pa.map_(pa.string(), pa.float64()), lambda outcome: list(outcome.kpis.items())),
        "caller": (pa.string(), attrgetter("caller")),
    },
    "acts": {
        "recorded_at": (pa.float64(), attrgetter("at")),
        "kind": (pa.string(), attrgetter("kind")),
        "who": (pa.string(), attrgetter("who")),
        "model": (pa.string(), attrgetter("model")),
        "version": (pa.int64(), attrgetter("version")),
        "detail": (pa.string(), attrgetter("detail")),
        "facts": (pa.string(), lambda act: msgspec.json.encode(act.facts).decode()),
    },
}
_DATASET_OF: Mapping[type, Dataset] = {Unopened: "decisions", Shadow: "shadows", Outcome: "outcomes", Act: "acts"}
_RECORD = msgspec.msgpack.Decoder(Unopened | Shadow | Outcome | Act)
_OF_DATASET: Mapping[Dataset, Any] = {name: msgspec.msgpack.Decoder(kind) for kind, name in _DATASET_OF.items()}


def rows(payloads: Iterable[bytes], first_position: int = 0) -> dict[Dataset, SegmentRows]:
    """The payloads decoded and split by dataset, in order; raises msgspec.DecodeError for a record not known here."""
    found: dict[Dataset, SegmentRows] = {}
    for position, payload in enumerate(payloads, first_position):
        try:
            record = _RECORD.decode(payload)
        except UnicodeDecodeError as error:  # which msgspec lets through as it is
            raise msgspec.DecodeError(f"text that is no UTF-8: {error}") from error
        dataset = _DATASET_OF[type(record)]
        if dataset not in found:
            found[dataset] = SegmentRows()
        of = found[dataset]
        of.positions.append(position)
        of.payloads.append(payload)
        of.records.append(record)
    return found


def rows_of(dataset: Dataset, payloads: Sequence[bytes]) -> SegmentRows:
    """The payloads as rows of one dataset; raises msgspec.DecodeError when one of them is anything else."""
    decode = _OF_DATASET[dataset].decode
    try:
        return SegmentRows(list(range(len(payloads))), list(payloads), [decode(payload) for payload in payloads])
    except UnicodeDecodeError as error:
        raise msgspec.DecodeError(f"text that is no UTF-8: {error}") from error


def schema(dataset: Dataset, features: Iterable[FeatureColumn], *, trace: bool = True) -> Any:
    """The Arrow schema; without `trace` it lacks what proves the rows."""
    fields: dict[str, Any] = dict(_TRACE) if trace else {}
    fields |= {name: kind for name, (kind, _) in _FIELDS[dataset].items()}
    if dataset == "decisions":
        fields |= {f"x_{feature.name}": FEATURE_TYPES[feature.type] for feature in features}
    return pa.schema(list(fields.items()))


def table(
    dataset: Dataset, found: SegmentRows, features: Sequence[FeatureColumn], proof: SegmentProof | None = None
) -> Table:
    """The rows as a table of `schema(dataset, features)`; without `proof` they lack what proves them."""
    arrays: list[Any] = []
    if proof:
        arrays += [pa.array(each, kind) for each, kind in zip(_trace(found, proof), _TRACE.values(), strict=True)]
    for kind, read in _FIELDS[dataset].values():  # one by one: the values of all columns together fit no cache
        arrays.append(pa.array([read(record) for record in found.records], kind))
    if dataset == "decisions":
        arrays += _feature_columns([record.features for record in found.records], features)
    return pa.Table.from_arrays(arrays, schema=schema(dataset, features, trace=proof is not None))


def conform(found: Table, dataset: Dataset, features: Sequence[FeatureColumn]) -> Table:
    """The same rows under today's features: columns of features declared since are null, of those dropped are gone."""
    names = schema(dataset, features, trace=False)
    held = set(found.column_names)
    columns = [
        found[kind.name].cast(kind.type) if kind.name in held else pa.nulls(len(found), kind.type) for kind in names
    ]
    return pa.Table.from_arrays(columns, schema=names)


def _trace(found: SegmentRows, proof: SegmentProof) -> list[Any]:
    links = [proof.heads.get(position) for position in found.positions]
    return [found.positions, found.payloads, proof.leaves[found.positions], links]


def _feature_columns(unopened: Sequence[msgspec.Raw], features: Sequence[FeatureColumn]) -> list[Any]:
    """Values by feature; one that is not of the declared type is null here and stays readable in `record`."""
    width = len(features)
    numbers = _numbers(unopened, width) if all(feature.type == "number" for feature in features) else None
    if numbers is not None:
        return [pa.array(column) for column in numbers]
    values = [_open_features(raw) for raw in unopened]
    if any(len(row) != width for row in values):
        values = [(*row[:width], *(None,) * (width - len(row))) for row in values]
    return [typed(column, feature.type) for column, feature in zip(zip(*values, strict=True), features, strict=True)]


def _numbers(unopened: Sequence[msgspec.Raw], width: int) -> NDArray[np.float64] | None:
    """float64[width, n] straight from the bytes; None unless every row is `width` float64 and nothing else."""
    start = msgspec.msgpack.encode((0.0,) * width)[: -9 * width]
    if not width or {len(raw) for raw in unopened} != {len(start) + 9 * width}:
        return None
    value = np.dtype([("tag", "u1"), ("number", ">f8")])
    rows = np.frombuffer(b"".join(unopened), [("start", "u1", len(start)), ("values", value, width)])
    if (rows["start"] != np.frombuffer(start, "u1")).any() or (rows["values"]["tag"] != _FLOAT64).any():
        return None
    return np.ascontiguousarray(rows["values"]["number"].T, np.float64)


def typed(values: Sequence[Value], type_: ColumnType) -> Any:
    """The values as a column of the declared type; one that is not of it is null."""
    try:
        return pa.array(values, FEATURE_TYPES[type_])
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return pa.array([value if _fits(value, type_) else None for value in values], FEATURE_TYPES[type_])


def _fits(value: Value, type_: ColumnType) -> bool:
    if isinstance(value, bool):
        return type_ == "boolean"
    if isinstance(value, int):
        least, most = (-(1 << 53), 1 << 53) if type_ == "number" else (-(1 << 63), (1 << 63) - 1)
        return type_ in ("number", "integer") and least <= value <= most
    return isinstance(value, float if type_ == "number" else str if type_ == "category" else bool)
