"""Explains rows of one booster: its tables, and the compiled walk over them."""

import numpy as np
from numpy.typing import NDArray

from windvane.serve_apps.versions.booster.forest import Forest
from windvane.serve_apps.versions.treeshap.kernel import contribute
from windvane.serve_apps.versions.treeshap.tables import build


class Quadrature:
    """Path-dependent TreeSHAP values as `pred_contribs` defines them; ready when made, and safe in any thread."""

    def __init__(self, forest: Forest) -> None:
        self.features = forest.features
        self.groups = forest.groups
        self._tables, self.base = build(forest)
        self.contributions(np.zeros((1, forest.features), np.float32))  # compiles, or loads what was compiled

    def contributions(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """float64[n, groups, 1 + F] of float32[n, F] (NaN is missing): the base value, then what each feature adds.

        Raises ValueError for rows of another width.
        """
        if rows.ndim != 2 or rows.shape[1] != self.features:
            raise ValueError(f"Rows of shape {rows.shape} do not have the booster's {self.features} features")
        found = np.empty((len(rows), self.groups, 1 + self.features))
        found[:, :, 0] = self.base
        sums = np.zeros((len(rows), self.groups * self.features))
        tables = self._tables
        contribute(
            np.require(rows, np.float32, ["C", "W"]),
            tables.trees,
            tables.splits,
            tables.repeats,
            tables.leaves,
            tables.nodes,
            tables.categories,
            tables.slots,
            sums,
        )
        found[:, :, 1:] = sums.reshape(len(rows), self.groups, self.features)
        return found
