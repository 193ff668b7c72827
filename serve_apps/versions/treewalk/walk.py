"""Margins of one booster's rows: its packed nodes, and the compiled walk over them."""

import numpy as np
from numpy.typing import NDArray

from windvane.serve_apps.versions.booster.forest import Forest, Unsupported
from windvane.serve_apps.versions.treewalk.kernel import walk
from windvane.serve_apps.versions.treewalk.nodes import pack


class Walk:
    """Gives what `Booster.predict(output_margin=True)` gives, summed in float64; ready when made and thread-safe."""

    def __init__(self, forest: Forest) -> None:
        """Raises Unsupported with the reason when the forest gives several numbers a row, or is too large."""
        if forest.groups != 1:
            raise Unsupported(f"it gives {forest.groups} numbers a row")
        nodes = pack(forest)
        self.features = forest.features
        thresholds = nodes.packed.view(np.float32)
        halves = nodes.packed.view(np.uint16)
        base = float(forest.base[0])
        self._given = (thresholds, halves, nodes.groups, nodes.questions, nodes.categories, nodes.columns, base)
        self.margins(np.zeros((1, forest.features), np.float32))  # compiles, or loads what was compiled

    def margins(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """float64[n] of float32[n, F] (NaN is missing); raises ValueError for rows of another width.

        The same row gets the same margin whatever rows come with it.
        """
        return self._walked(rows, logistic=False)

    def probabilities(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """The same for a booster whose margins are log-odds: float64[n] within [0, 1]."""
        return self._walked(rows, logistic=True)

    def _walked(self, rows: NDArray[np.float32], logistic: bool) -> NDArray[np.float64]:
        if rows.ndim != 2 or rows.shape[1] != self.features:
            raise ValueError(f"Rows of shape {rows.shape} do not have the booster's {self.features} features")
        if not rows.flags.carray or rows.dtype != np.float32:  # others would have the kernel compiled once more
            rows = np.require(rows, np.float32, ["C", "A", "W"])
        found = np.empty(len(rows))
        walk(rows, *self._given, logistic, found)
        return found
