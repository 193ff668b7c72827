"""Holds rows to their declaration: every value has its declared type, range and presence, or the row is named."""

from collections.abc import Callable
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc

from cluster.errors import Invalid
from configs.schema import Attribute, Feature, ModelSpec, Target

FLOAT32_MAX = 3.4028234663852886e38
_TRUE, _FALSE = ("true", "t", "yes", "1"), ("false", "f", "no", "0")
TYPES = {"number": pa.float64(), "integer": pa.int64(), "boolean": pa.bool_(), "category": pa.string()}
MOMENT = pa.timestamp("us", tz="UTC")


def coerce(table: pa.Table, spec: ModelSpec) -> pa.Table:
    """The same rows with declared types; unlabelled rows are left out; raises Invalid naming column, row, value.

    Rows count from 1. Nothing is guessed: text is no number, 2.5 is no integer, and a missing value must be declared.
    """
    target = spec.target.name
    table = table.append_column("__row__", pa.array(range(1, table.num_rows + 1), pa.int64()))
    table = table.filter(pc.is_valid(table.column(target)))
    where = table.column("__row__")
    columns: dict[str, pa.ChunkedArray] = {}
    for feature in spec.features:
        columns[feature.name] = _feature(table.column(feature.name), feature, where)
    for attribute in spec.audit:
        columns[attribute.name] = _typed(table.column(attribute.name), attribute, where)
    columns[target] = _label(table.column(target), spec.target, where)
    if spec.data.time:
        columns[spec.data.time] = _moment(table.column(spec.data.time), spec.data.time, where)
    if spec.data.subject:
        columns[spec.data.subject] = _as_text(table.column(spec.data.subject), spec.data.subject, where)
    return pa.table(columns)


def _feature(column: pa.ChunkedArray, feature: Feature, where: pa.ChunkedArray) -> pa.ChunkedArray:
    values = _typed(column, feature, where)
    if feature.min is not None:
        _refuse(pc.less(values, feature.min), column, feature.name, where, f"is below min {feature.min:g}")
    if feature.max is not None:
        _refuse(pc.greater(values, feature.max), column, feature.name, where, f"is above max {feature.max:g}")
    return values


def _typed(column: pa.ChunkedArray, declared: Feature | Attribute, where: pa.ChunkedArray) -> pa.ChunkedArray:
    kinds = {"number": _as_number, "integer": _as_integer, "boolean": _as_boolean, "category": _as_text}
    values = kinds[declared.type](column, declared.name, where)
    if not declared.missing:
        _refuse(pc.is_null(values), column, declared.name, where, "is missing; say `missing: true` if that may be")
    return values


def _as_number(column: pa.ChunkedArray, name: str, where: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = column.type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        _refuse_type(column, name, where, "a number")
    numbers = pc.cast(column, pa.float64(), safe=False)
    numbers = pc.if_else(pc.is_nan(numbers), pa.scalar(None, pa.float64()), numbers)
    _refuse(pc.greater(pc.abs(numbers), FLOAT32_MAX), column, name, where, "is infinite or too large for a model")
    return numbers


def _as_integer(column: pa.ChunkedArray, name: str, where: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_integer(column.type) and column.type != pa.uint64():
        return pc.cast(column, pa.int64())
    numbers = _as_number(column, name, where)
    _refuse(pc.not_equal(pc.floor(numbers), numbers), column, name, where, "is not an integer")
    _refuse(pc.greater_equal(pc.abs(numbers), 2.0**63), column, name, where, "does not fit 64 bits")
    return pc.cast(numbers, pa.int64())


def _as_boolean(column: pa.ChunkedArray, name: str, where: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_boolean(column.type):
        return column
    text = pc.utf8_lower(_as_text(column, name, where))
    known = pc.is_in(text, pa.array(_TRUE + _FALSE))
    _refuse(pc.and_(pc.is_valid(text), pc.invert(known)), column, name, where, "is not true or false")
    return pc.if_else(pc.is_null(text), pa.scalar(None, pa.bool_()), pc.is_in(text, pa.array(_TRUE)))


def _as_text(column: pa.ChunkedArray, name: str, where: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = column.type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_floating(kind):  # whole numbers that a reader widened because some were missing
        return pc.cast(_as_integer(column, name, where), pa.string())
    if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        _refuse_type(column, name, where, "text")
    return pc.cast(column, pa.string())


def _label(column: pa.ChunkedArray, target: Target, where: pa.ChunkedArray) -> pa.ChunkedArray:
    if target.positive is None:
        return _as_boolean(column, target.name, where)
    text = _as_text(column, target.name, where)
    if not pc.any(pc.equal(text, target.positive)).as_py():
        values = ", ".join(repr(value) for value in text.unique().to_pylist()[:5])
        raise Invalid(f"Target {target.name!r} is never {target.positive!r} (`positive`); it is: {values}")
    return pc.equal(text, target.positive)


def _moment(column: pa.ChunkedArray, name: str, where: pa.ChunkedArray) -> pa.ChunkedArray:
    """Timestamps and dates without a zone are UTC; plain numbers are Unix seconds; text is ISO 8601."""
    kind = column.type
    _refuse(pc.is_null(column), column, name, where, "is missing; every row needs its event time")
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        micros = pc.round(pc.multiply(_as_number(column, name, where), 1e6))
        column, kind = pc.cast(pc.cast(micros, pa.int64()), pa.timestamp("us")), pa.timestamp("us")
    if pa.types.is_date(kind):
        column = pc.cast(column, pa.timestamp("us"))
    elif not pa.types.is_timestamp(kind):
        return pa.chunked_array([pa.array(_parsed(column, name, where), MOMENT)])
    return pc.cast(column, MOMENT)


def _parsed(column: pa.ChunkedArray, name: str, where: pa.ChunkedArray) -> list[datetime]:
    moments: list[datetime] = []
    for row, text in zip(where.to_pylist(), column.to_pylist(), strict=True):
        try:
            moment = datetime.fromisoformat(text)
        except (TypeError, ValueError):
            raise Invalid(f"Column {name!r}, row {row}: {text!r} is not a time; write 2013-03-01T17:30:00Z") from None
        moments.append(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    return moments


def _refuse(bad: pa.ChunkedArray, column: pa.ChunkedArray, name: str, where: pa.ChunkedArray, why: str) -> None:
    """Raise for the first row where `bad` holds, and say how many there are."""
    bad = pc.fill_null(bad, False)
    count = pc.sum(pc.cast(bad, pa.int64())).as_py() or 0
    if count == 0:
        return
    first = pc.index(bad, True).as_py()
    value = column[first].as_py()
    others = f" (and {count - 1} more rows)" if count > 1 else ""
    shown = "the value" if value is None else repr(value)
    raise Invalid(f"Column {name!r}, row {where[first].as_py()}: {shown} {why}{others}")


def _refuse_type(column: pa.ChunkedArray, name: str, where: pa.ChunkedArray, wanted: str) -> None:
    """Raise for a column whose type holds no such values; text is blamed on the first value that is none."""
    if pa.types.is_null(column.type):
        return
    suspects: Callable[[object], bool] = _is_no_number if wanted == "a number" else (lambda _: True)
    for row, value in zip(where.to_pylist(), column.to_pylist(), strict=True):
        if value is not None and suspects(value):
            raise Invalid(f"Column {name!r}, row {row}: {value!r} is not {wanted}")
    raise Invalid(f"Column {name!r} holds {column.type}, and none is {wanted}: convert it where it comes from")


def _is_no_number(value: object) -> bool:
    try:
        float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return True
    return isinstance(value, bool)
