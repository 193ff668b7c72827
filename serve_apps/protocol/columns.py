"""From tensors to rows: one tensor of all features, or one named tensor a feature; checked by column, not by value."""

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cluster.decision_log.record import Value
from cluster.encoding import FIRST_CATEGORY, MISSING, UNKNOWN, Rows
from cluster.errors import Invalid, TooLarge
from configs.schema import Feature
from serve_apps.protocol.features import LARGEST_INTEGER, LARGEST_NUMBER, LONGEST_TEXT, complain, complain_text, nearest
from serve_apps.protocol.tensors import BYTES, Tensor

Row: TypeAlias = tuple[Value, ...]
Numbers: TypeAlias = NDArray[np.float64]
KINDS = {"number": "fiu", "integer": "iuf", "boolean": "bf"}  # dtype kinds; floats because only they can say missing
SUITABLE = {"number": "FP*, INT* or UINT*", "integer": "INT*, UINT* or FP*", "boolean": "BOOL or FP*"}


class Columns:
    """Reads one model's rows from tensors.

    In one tensor [n, F] a boolean is 0 or 1 and a category its place among the declared values, -1 for any other. NaN
    is a missing value everywhere, and so is a tensor that was left out, where the feature may be missing.
    """

    def __init__(self, features: Sequence[Feature], most_rows: int) -> None:
        self._features = tuple(features)
        self._names = tuple(feature.name for feature in features)
        self._places = {name: place for place, name in enumerate(self._names)}
        self._most_rows = most_rows
        limits = [_limits(feature) for feature in features]
        self._low = np.array([low for low, _ in limits])
        self._high = np.array([high for _, high in limits])
        self._required = np.array([not feature.missing for feature in features])
        self._whole = np.array([feature.type != "number" for feature in features])
        self._codes = {
            place: {None: MISSING} | {text: FIRST_CATEGORY + code for code, text in enumerate(feature.categories)}
            for place, feature in enumerate(features)
            if feature.type == "category"
        }
        self._readers = {place: _reader(feature) for place, feature in enumerate(features) if feature.type != "number"}

    def rows(self, inputs: Sequence[Tensor]) -> tuple[list[Row], Rows]:
        """The rows in the declared order, None for missing, and the float32[n, F] that the Encoder makes of them.

        Raises Invalid with the first thing wrong, or TooLarge.
        """
        if not inputs:
            raise Invalid(f"There is no input; send one [rows, {len(self._features)}], or one for each feature")
        first = inputs[0]
        if len(inputs) == 1 and (first.name not in self._places or first.shape[1:] not in ((), (1,))):
            block = self._one(first)
            return self._read(block, [block.dtype] * len(self._features), {})
        return self._named(inputs)

    def _one(self, tensor: Tensor) -> NDArray[Any]:
        width = len(self._features)
        if len(tensor.shape) != 2 or tensor.shape[1] != width:
            raise Invalid(
                f"Input {tensor.name!a} has shape {list(tensor.shape)}; one input for all features has shape "
                f"[rows, {width}], and an input for one feature has its name: {_listed(self._names)}"
            )
        self._count(tensor.shape[0])
        if not isinstance(tensor.values, np.ndarray) or tensor.values.dtype.kind == "b":
            raise Invalid(f"Input {tensor.name!a} is {tensor.datatype}; all features together are numbers: send FP64")
        _exact(tensor)
        return tensor.values.reshape(tensor.shape)

    def _named(self, inputs: Sequence[Tensor]) -> tuple[list[Row], Rows]:
        count = inputs[0].shape[0]
        self._count(count)
        block = np.full((count, len(self._features)), math.nan)
        dtypes = [block.dtype] * len(self._features)
        texts: dict[int, list[str | None]] = {}
        seen = set()
        for tensor in inputs:
            place = self._places.get(tensor.name)
            if place is None:
                raise Invalid(f"Input {tensor.name!a} is no feature of this model{nearest(tensor.name, self._names)}")
            if place in seen:
                raise Invalid(f"Input {tensor.name!a} stands twice: send it once")
            seen.add(place)
            if tensor.shape not in ((count,), (count, 1)):
                raise Invalid(f"Input {tensor.name!a} has shape {list(tensor.shape)}; send [{count}] or [{count}, 1]")
            feature = self._features[place]
            if not isinstance(tensor.values, np.ndarray):
                texts[place] = _texts(feature, tensor)
                block[:, place] = 0.0
            elif tensor.values.dtype.kind not in KINDS.get(feature.type, ""):
                raise Invalid(f"Input {tensor.name!a} is {tensor.datatype}; send {SUITABLE.get(feature.type, BYTES)}")
            else:
                _exact(tensor)
                block[:, place] = tensor.values
                dtypes[place] = tensor.values.dtype
        for place, feature in enumerate(self._features):
            if place not in seen and not feature.missing:
                raise Invalid(f"Input {feature.name!a} is missing; it is a required {feature.type}")
        return self._read(block, dtypes, texts)

    def _count(self, rows: int) -> None:
        if rows > self._most_rows:
            raise TooLarge(f"{rows} rows; send at most {self._most_rows} at once")
        if rows < 1:
            raise Invalid("There is no row; send at least one")

    def _read(
        self, sent: NDArray[Any], dtypes: list[np.dtype[Any]], texts: dict[int, list[str | None]]
    ) -> tuple[list[Row], Rows]:
        block, holes = self._checked(sent, dtypes)
        if not self._readers and not holes:
            return list(map(tuple, block.tolist())), block.astype(np.float32)
        columns: list[Sequence[Value]] = []
        for place, column in enumerate(block.T.tolist()):
            reader = self._readers.get(place)
            if place in texts:
                columns.append(texts[place])
            elif reader is not None:
                columns.append([reader(value) for value in column])
            else:
                columns.append([None if value != value else value for value in column] if holes else column)
        for place, codes in self._codes.items():
            if place in texts:
                block[:, place] = [codes.get(text, UNKNOWN) for text in texts[place]]
            else:
                block[:, place] = np.where(np.isnan(block[:, place]), MISSING, block[:, place] + FIRST_CATEGORY)
        return list(zip(*columns, strict=True)), block.astype(np.float32)

    def _checked(self, sent: NDArray[Any], dtypes: list[np.dtype[Any]]) -> tuple[Numbers, bool]:
        """float64[n, F] within the limits, and whether anything is missing; raises Invalid."""
        block = sent.astype(np.float64)
        missing = np.isnan(block)
        wrong = (block < self._low) | (block > self._high)
        holes = bool(missing.any())
        if holes:
            wrong |= missing & self._required
        if self._readers:
            wrong |= (block != np.floor(block)) & self._whole & ~missing
        if wrong.any():
            self._settle(block, wrong, dtypes)
        return block, holes

    def _settle(self, block: Numbers, wrong: NDArray[np.bool_], dtypes: list[np.dtype[Any]]) -> None:
        """Take for the limit what the sender's shorter floats cannot tell from it; raises Invalid for the rest."""
        for place in np.flatnonzero(wrong.any(axis=0)).tolist():
            column, dtype = block[:, place], dtypes[place]
            if dtype.kind == "f" and dtype.itemsize < 8 and self._features[place].type == "number":
                limit = np.clip(column, self._low[place], self._high[place])
                with np.errstate(over="ignore"):
                    same = np.isfinite(column) & (limit.astype(dtype) == column.astype(dtype))
                column[same] = limit[same]
                wrong[same, place] = False
            for row in np.flatnonzero(wrong[:, place])[:1].tolist():
                feature = self._features[place]
                raise Invalid(f"Feature {feature.name!a} of row {row} {_complain(feature, float(column[row]))}")


def _exact(tensor: Tensor) -> None:
    """Refuse integers that float64 would round."""
    values = tensor.values
    if not isinstance(values, np.ndarray) or values.dtype not in (np.int64, np.uint64) or not values.size:
        return
    if int(values.max()) > LARGEST_INTEGER or int(values.min()) < -LARGEST_INTEGER:
        raise Invalid(f"Input {tensor.name!a} holds an integer beyond ±2^53, which float64 would round: send FP64")


def _texts(feature: Feature, tensor: Tensor) -> list[str | None]:
    if feature.type != "category":
        raise Invalid(f"Input {tensor.name!a} is {BYTES}; send {SUITABLE[feature.type]}")
    texts = list(tensor.values)
    for row, text in enumerate(texts):
        complaint = complain(feature, None) if text is None else complain_text(text, LONGEST_TEXT)
        if complaint is not None and not (text is None and feature.missing):
            raise Invalid(f"Feature {feature.name!a} of row {row} {complaint}")
    return texts


def _limits(feature: Feature) -> tuple[float, float]:
    match feature.type:
        case "boolean":
            return 0.0, 1.0
        case "category":
            return -1.0, len(feature.categories) - 1.0
        case "integer":
            most = float(LARGEST_INTEGER)
        case "number":
            most = LARGEST_NUMBER
    low = -most if feature.min is None else max(-most, feature.min)
    return low, most if feature.max is None else min(most, feature.max)


def _reader(feature: Feature) -> Callable[[float], Value]:
    """From a checked float64 to the raw value; NaN is in no table."""
    table: dict[float, Value] = {0.0: False, 1.0: True}
    if feature.type == "integer":
        return lambda value: None if value != value else int(value)
    if feature.type == "category":
        other = "?"
        while other in feature.categories:
            other += "?"
        table = {-1.0: other, **{float(place): text for place, text in enumerate(feature.categories)}}
    return table.get


def _complain(feature: Feature, value: float) -> str:
    if math.isnan(value):
        return complain(feature, None) or ""
    match feature.type:
        case "boolean":
            return f"must be 0 or 1, not {value:g}"
        case "category":
            last = len(feature.categories) - 1
            return f"must be its place among the declared values, 0 to {last}, or -1 for any other, not {value:g}"
        case "integer":
            if not value.is_integer():
                return f"must be a whole number, not {value:g}"
    return complain(feature, int(value) if feature.type == "integer" else value) or f"must lie within limits: {value:g}"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:5])) + (", …" if len(names) > 5 else "")
