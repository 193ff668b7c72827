"""Turns raw feature values into model rows: the one definition that training and serving both use."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from cluster.decision_log.record import Value
from configs.schema import Feature

MISSING = 0  # the category code of no value
UNKNOWN = 1  # the category code of a value that is not declared
FIRST_CATEGORY = 2

Rows = NDArray[np.float32]


class Encoder:
    """Encodes features in the spec's order; `rows` and `table` give the same bits for the same values.

    Numbers, integers and booleans go through float64 to float32 and are NaN when missing. A category is its place
    among the declared ones plus 2; 0 is missing, 1 is any other value. Beyond the range of float32 lies ±infinity,
    which the doors on both sides refuse.

    >>> feature = Feature(name="origin", type="category", categories=("EWR", "JFK"))
    >>> Encoder((feature,)).rows([("JFK",), (None,), ("SFO",)]).tolist()
    [[3.0], [0.0], [1.0]]
    """

    def __init__(self, features: Sequence[Feature]) -> None:
        self.features = tuple(features)
        self.names = tuple(feature.name for feature in self.features)
        self.width = len(self.features)
        self._codes: dict[int, dict[Value, int]] = {}  # by place in the row
        for place, feature in enumerate(self.features):
            if feature.type == "category":
                codes = zip(
                    feature.categories, range(FIRST_CATEGORY, FIRST_CATEGORY + len(feature.categories)), strict=True
                )
                self._codes[place] = {None: MISSING, **dict(codes)}

    def rows(self, records: Sequence[Sequence[Value]]) -> Rows:
        """float32[n, width] of raw values in canonical form (float, int, bool, str; None is missing)."""
        if not records:
            return np.empty((0, self.width), np.float32)
        plain: list[Sequence[Value]] = []
        for record in records:
            row = list(record)
            for place, codes in self._codes.items():
                row[place] = codes.get(row[place], UNKNOWN)
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
    places = pc.index_in(text, value_set=pa.array(feature.categories, pa.string()))
    declared = pc.fill_null(pc.add(pc.cast(places, pa.int64()), FIRST_CATEGORY), UNKNOWN)
    codes: NDArray[np.int64] = pc.if_else(pc.is_null(text), MISSING, declared).to_numpy()
    return codes
