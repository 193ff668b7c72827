"""From tensors to rows: one tensor of all features, or one named tensor a feature; checked by column, not by value."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from windvane.cluster.decision_log.record import Value
from windvane.cluster.encoding import FIRST_CATEGORY, MISSING, UNKNOWN, CategoryCodes, Rows
from windvane.cluster.errors import Problem, TooLarge
from windvane.configs.schema import Feature
from windvane.serve_apps.protocol.casts import LARGEST_INTEGER
from windvane.serve_apps.protocol.features import LONGEST_TEXT, ValueFault, complain_text, nearest, read, warn
from windvane.serve_apps.protocol.limits import Limits, Numbers, refusal
from windvane.serve_apps.protocol.tensors import BYTES, Tensor

Row: TypeAlias = tuple[Value, ...]
KINDS = {"number": "fiub", "integer": "iufb", "boolean": "bfiu", "category": "iu"}  # dtype kinds that lose nothing
SUITABLE = {
    "number": "FP*, INT*, UINT* or BOOL",
    "integer": "INT*, UINT*, BOOL, or whole FP*",
    "boolean": "BOOL, or 0 and 1 as INT*, UINT* or FP*",
    "category": f"{BYTES}, or whole numbers as INT* or UINT*",
}
MOST_WARNINGS = 100  # listed of one request; those beyond are counted


class Read(msgspec.Struct, frozen=True, gc=False):
    """Rows in the declared order, None for missing; float32[n, F] as the Encoder makes of them; what is not usual."""

    rows: list[Row]
    encoded: Rows
    warnings: Mapping[int, Sequence[Problem]]  # by row


class Columns:
    """Reads one model's rows from tensors.

    In one tensor [n, F] a boolean is 0 or 1 and a category its place among the declared values, -1 for any other. NaN
    is a missing value everywhere, and so is a tensor that was left out, where the feature may be missing. A datatype
    whose values the feature's type has too is cast: whole FP64 for an integer, INT64 for a number, 0 and 1 for a
    boolean, a whole number for a category of that text.
    """

    def __init__(self, features: Sequence[Feature], most_rows: int) -> None:
        self._features = tuple(features)
        self._names = tuple(feature.name for feature in features)
        self._places = {name: place for place, name in enumerate(self._names)}
        self._most_rows = most_rows
        self._limits = Limits(features)
        self._codes = {
            place: CategoryCodes(feature) for place, feature in enumerate(features) if feature.type == "category"
        }
        self._readers = {place: _reader(feature) for place, feature in enumerate(features) if feature.type != "number"}

    def read(self, inputs: Sequence[Tensor], besides: str = "") -> Read:
        """The rows of all inputs that are not called `besides`; raises Invalid with the first thing wrong, or TooLarge.

        What is not usual is pointed at by the place of its input among `inputs`.
        """
        if len(inputs) == 1 and inputs[0].name != besides:
            tensors = {0: inputs[0]}
        else:
            tensors = {place: tensor for place, tensor in enumerate(inputs) if tensor.name != besides}
        if not tensors:
            raise refusal("", "missing", f"There is no input; send one [rows, {len(self._features)}], or one a feature")
        if len(tensors) == 1:
            [(at, first)] = tensors.items()
            if first.name not in self._places or first.shape[1:] not in ((), (1,)):
                block = self._one(first)
                return self._read(block, [block.dtype] * len(self._features), {}, [at] * len(self._features), True)
        return self._named(tensors)

    def _one(self, tensor: Tensor) -> NDArray[Any]:
        width = len(self._features)
        if len(tensor.shape) != 2 or tensor.shape[1] != width:
            raise refusal(
                "",
                "size",
                f"Input {tensor.name!a} has shape {list(tensor.shape)}; one input for all features has shape "
                f"[rows, {width}], and an input for one feature has its name: {_listed(self._names)}",
            )
        self._count(tensor.shape[0])
        if not isinstance(tensor.values, np.ndarray) or tensor.values.dtype.kind == "b":
            sentence = f"Input {tensor.name!a} is {tensor.datatype}; all features together are numbers: send FP64"
            raise refusal("", "type", sentence)
        _exact(tensor, "")
        return tensor.values.reshape(tensor.shape)

    def _named(self, inputs: Mapping[int, Tensor]) -> Read:
        count = next(iter(inputs.values())).shape[0]
        self._count(count)
        block = np.full((count, len(self._features)), math.nan)
        dtypes = [block.dtype] * len(self._features)
        texts: dict[int, list[str | None]] = {}
        sent: dict[int, int] = {}  # by feature: the place of its input
        for at, tensor in inputs.items():
            place = self._places.get(tensor.name)
            if place is None:
                hint = nearest(tensor.name, self._names)
                raise refusal("", "unknown_field", f"Input {tensor.name!a} is no feature of this model{hint}")
            feature = self._features[place]
            if place in sent:
                raise refusal(feature.name, "size", f"Input {tensor.name!a} stands twice: send it once")
            sent[place] = at
            if tensor.shape not in ((count,), (count, 1)):
                sentence = f"Input {tensor.name!a} has shape {list(tensor.shape)}; send [{count}] or [{count}, 1]"
                raise refusal(feature.name, "size", sentence)
            numbers = tensor.values
            if not isinstance(numbers, np.ndarray):
                texts[place] = _texts(feature, tensor)
                block[:, place] = 0.0
            elif numbers.dtype.kind not in KINDS[feature.type]:
                sentence = f"Input {tensor.name!a} is {tensor.datatype}; send {SUITABLE[feature.type]}"
                raise refusal(feature.name, "type", sentence)
            elif feature.type == "category":
                texts[place] = list(map(str, numbers.tolist()))
                block[:, place] = 0.0
            else:
                _exact(tensor, feature.name)
                block[:, place] = numbers
                dtypes[place] = numbers.dtype
        for place, feature in enumerate(self._features):
            if place not in sent and not feature.missing:
                sentence = f"Input {feature.name!a} is missing; it is a required {feature.type}"
                raise refusal(feature.name, "missing", sentence)
        return self._read(block, dtypes, texts, [sent.get(place, 0) for place in range(len(self._features))], False)

    def _count(self, rows: int) -> None:
        if rows > self._most_rows:
            raise TooLarge(f"{rows} rows; send at most {self._most_rows} at once")
        if rows < 1:
            raise refusal("", "missing", "There is no row; send at least one")

    def _read(
        self,
        sent: NDArray[Any],
        dtypes: list[np.dtype[Any]],
        texts: dict[int, list[str | None]],
        inputs: Sequence[int],
        together: bool,
    ) -> Read:
        """The rows of a block [n, F]; `inputs` says which input brought each feature, `together` that it is one."""
        block, holes, unusual = self._limits.check(sent, dtypes)
        if not self._readers and not holes:
            warnings = {} if unusual is None else self._warnings(block, unusual, {}, inputs, together)
            return Read(list(map(tuple, block.tolist())), block.astype(np.float32), warnings)
        columns: list[Sequence[Value]] = []
        for place, column in enumerate(block.T.tolist()):
            reader = self._readers.get(place)
            if place in texts:
                columns.append(texts[place])
            elif reader is not None:
                columns.append([reader(value) for value in column])
            else:
                columns.append([None if value != value else value for value in column] if holes else column)
        found = {place: [self._codes[place][text] for text in column] for place, column in texts.items()}
        strange = unusual is not None or any(UNKNOWN in codes for codes in found.values())
        warnings = self._warnings(block, unusual, texts, inputs, together) if strange else {}
        for place in self._codes:
            column = block[:, place]
            block[:, place] = found.get(place) or np.where(np.isnan(column), MISSING, column + FIRST_CATEGORY)
        return Read(list(zip(*columns, strict=True)), block.astype(np.float32), warnings)

    def _warnings(
        self,
        block: Numbers,
        unusual: NDArray[np.bool_] | None,
        texts: Mapping[int, Sequence[str | None]],
        inputs: Sequence[int],
        together: bool,
    ) -> dict[int, list[Problem]]:
        """One for each value that is not usual, by row in their order."""
        found = [] if unusual is None else np.argwhere(unusual).tolist()
        found += [
            [row, place] for place, column in texts.items() for row, text in enumerate(column) if text is not None
        ]
        told: dict[int, list[Problem]] = {}
        for row, place in sorted(found):
            feature = self._features[place]
            value: Value = texts[place][row] if place in texts else float(block[row, place])
            warning = warn(feature, value)
            if warning is not None:
                where = row * len(self._features) + place if together else row
                sentence = f"{feature.name} of row {row} {warning.sentence}"
                pointer = f"/inputs/{inputs[place]}/data/{where}"
                told.setdefault(row, []).append(Problem(pointer, sentence, warning.reason, feature.name))
        return told


def _exact(tensor: Tensor, field: str) -> None:
    """Refuse integers that float64 would round."""
    values = tensor.values
    if not isinstance(values, np.ndarray) or values.dtype not in (np.int64, np.uint64) or not values.size:
        return
    if int(values.max()) > LARGEST_INTEGER or int(values.min()) < -LARGEST_INTEGER:
        sentence = f"Input {tensor.name!a} holds an integer beyond ±2^53, which float64 would round: send FP64"
        raise refusal(field, "range", sentence)


def _texts(feature: Feature, tensor: Tensor) -> list[str | None]:
    if feature.type != "category":
        raise refusal(feature.name, "type", f"Input {tensor.name!a} is {BYTES}; send {SUITABLE[feature.type]}")
    texts = list(tensor.values)
    for row, text in enumerate(texts):
        complaint = read(feature, None) if text is None else complain_text(text, LONGEST_TEXT)
        if complaint is not None:
            sentence = complaint.sentence if isinstance(complaint, ValueFault) else complaint
            reason = "missing" if text is None else "type"
            raise refusal(feature.name, reason, f"Feature {feature.name!a} of row {row} {sentence}")
    return texts


def _reader(feature: Feature) -> Callable[[float], Value]:
    """From a checked float64 to the raw value; NaN is in no table."""
    table: dict[float, Value] = {0.0: False, 1.0: True}
    if feature.type == "integer":
        return lambda value: None if value != value else int(value)
    if feature.type == "category":
        other = "(other)"  # and not `?`, which stands for a missing value
        while other in feature.categories:
            other = f"({other})"
        table = {-1.0: other, **{float(place): text for place, text in enumerate(feature.categories)}}
    return table.get


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:5])) + (", …" if len(names) > 5 else "")
