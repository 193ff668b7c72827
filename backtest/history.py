"""A labelled history: what was asked when, what came true, and when that became known."""

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from cluster.errors import Invalid
from configs.schema import ModelSpec
from training.coerce import coerce
from training.examples import Examples, encode
from training.sources import read


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


def read_history(spec: ModelSpec, source: str | None = None, label_delay: timedelta = timedelta(0)) -> History:
    """The declared rows (or those of another `source`), whose labels were known at `data.known`, or after a delay."""
    if spec.data.time is None:
        raise Invalid(
            f"Model {spec.name} declares no `data.time`: a backtest needs the time of every row to replay them in order"
        )
    where = spec.data if source is None else spec.data.model_copy(update={"source": source, "query": None})
    spec = spec.model_copy(update={"data": where.model_copy(update={"until": None}), "audit": ()})
    table = coerce(read(spec), spec)
    examples = encode(table, spec)
    known = examples.times + label_delay.total_seconds()
    if spec.data.known is not None:
        moments = examples.table.column(spec.data.known).cast(pa.int64())
        told = pc.fill_null(moments, 2**62).to_numpy() / 1e6
        known = np.maximum(np.asarray(told, np.float64), examples.times)
    return History(examples.rows, examples.labels, examples.times, known, None, examples.categories)
