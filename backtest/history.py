"""A labelled history: what was asked when, what came true, and when that became known."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from windvane.training.rows.examples import Examples


@dataclass(frozen=True, slots=True)
class History:
    """Labelled rows in the order of their event times; `chance` is the true probability where the world is made up."""

    rows: NDArray[np.float32]  # [n, F] encoded
    labels: NDArray[np.bool_]  # [n]
    times: NDArray[np.float64]  # [n] Unix seconds, rising
    known: NDArray[np.float64]  # [n] Unix seconds at which the label became known
    chance: NDArray[np.float64] | None = None  # [n]
    categories: frozenset[int] = frozenset()  # the columns of `rows` that hold codes

    def __len__(self) -> int:
        return len(self.labels)

    def learnable(self, until: float, now: float) -> Examples:
        """The rows before `until` whose label is known at `now`, as training takes them."""
        stop = int(np.searchsorted(self.times, until, side="left"))
        kept = self.known[:stop] <= now
        rows, labels, times = self.rows[:stop], self.labels[:stop], self.times[:stop]
        if not kept.all():
            rows, labels, times = rows[kept], labels[kept], times[kept]
        return Examples(pa.table({"row": pa.nulls(len(labels))}), rows, labels, times, self.categories)

    def label_delay(self, until: float) -> float:
        """Seconds by which 95 % of each class's labels were known, of those that were known by `until`."""
        told = self.known <= until
        delays, labels = (self.known - self.times)[told], self.labels[told]
        classes = [delays[labels == value] for value in (False, True)]
        return max((float(np.quantile(of, 0.95)) for of in classes if len(of)), default=0.0)
