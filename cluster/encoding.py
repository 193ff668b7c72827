"""Turns raw feature values into model rows: the one definition that training and serving both use."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from windvane.cluster.decision_log.record import Value
from windvane.configs.schema import Feature
from windvane.configs.tables.missing import blanked, means_missing

MISSING = 0  # the category code of no value
UNKNOWN = 1  # the category code of a value that is not declared
FIRST_CATEGORY = 2

Rows = NDArray[np.float32]


class CategoryCodes(dict[Value, int]):
    """The code of every value that a category can be sent as, in requests and in rows to learn from.

    >>> codes = CategoryCodes(Feature(name="country", type="category", categories=("NA", "ZA"), missing=True))
    >>> codes["NA"], codes["ZA"], codes["n/a"], codes[None], codes["DE"]
    (2, 3, 0, 0, 1)
    """

    def __init__(self, feature: Feature) -> None:
        super().__init__({None: MISSING})
        self.update({text: FIRST_CATEGORY + place for place, text in enumerate(feature.categories)})
        self._may_be_missing = feature.missing

    def __missing__(self, value: Value) -> int:
        return MISSING if self._may_be_missing and means_missing(str(value)) else UNKNOWN


class Encoder:
    """Encodes features in the spec's order; `rows` and `table` give the same bits for the same values.

    Numbers, integers and booleans go through float64 to float32 and are NaN when missing. A category is its place
    among the declared ones plus 2; 0 is missing, 1 is any other value. Where a value may be missing, texts that stand
    for none (`NA`, `n/a`, …) are missing too, unless they are declared. Beyond the range of float32 lies ±infinity,
    which the endpoints on both sides refuse.

    >>> feature = Feature(name="origin", type="category", categories=("EWR", "JFK"))
    >>> Encoder((feature,)).rows([("JFK",), (None,), ("SFO",)]).tolist()
    [[3.0], [0.0], [1.0]]
    """

    def __init__(self, features: Sequence[Feature]) -> None:
        self.features = tuple(features)
        self.names = tuple(feature.name for feature in self.features)
        self.width = len(self.features)
        places = enumerate(self.features)
        self._codes = {place: CategoryCodes(feature) for place, feature in places if feature.type == "category"}

    def rows(self, records: Sequence[Sequence[Value]]) -> Rows:
        """float32[n, width] of raw values in canonical form (float, int, bool, str; None is missing)."""
        if not records:
            return np.empty((0, self.width), np.float32)
        plain: list[Sequence[Value]] = []
        for record in records:
            row = list(record)
            for place, codes in self._codes.items():
                row[place] = codes[row[place]]
            plain.append(row)
        with np.errstate(over="ignore"):
            return np.array(plain, np.float64).astype(np.float32)

    def table(self, table: pa.Table) -> Rows:
        """float32[n, width] of the table's columns of the features' names, whatever else it holds."""
        rows = np.empty((table.num_rows, self.width), np.float32)
        with np.errstate(over="ignore"):
            for place, feature in enumerate(self.features):
                column = table.column(feature.name)
                rows[:, place] = _codes(column, feature) if feature.type == "category" else _numbers(column)
        return rows


def _numbers(column: pa.ChunkedArray) -> NDArray[np.float64]:
    """float64[n], NaN where null."""
    numbers: NDArray[np.float64] = pc.cast(column, pa.float64(), safe=False).to_numpy()
    return numbers


def _codes(column: pa.ChunkedArray, feature: Feature) -> NDArray[np.int64]:
    """int64[n] category codes."""
    text = pc.cast(column, pa.string())
    text = blanked(text, feature.categories) if feature.missing else text
    places = pc.index_in(text, value_set=pa.array(feature.categories, pa.string()))
    declared = pc.fill_null(pc.add(pc.cast(places, pa.int64()), FIRST_CATEGORY), UNKNOWN)
    codes: NDArray[np.int64] = pc.if_else(pc.is_null(text), MISSING, declared).to_numpy()
    return codes
