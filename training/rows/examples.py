"""Labelled rows in the order of time, with the numbers that a model reads beside them."""

import hashlib
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from windvane.cluster.encoding import Encoder
from windvane.cluster.errors import Invalid
from windvane.configs.schema import ModelSpec
from windvane.training.rows.row_order import drawn_places, drift_along


@dataclass(frozen=True, slots=True)
class Examples:
    """Labelled rows in time order; `table` holds the same rows before encoding."""

    table: pa.Table
    rows: NDArray[np.float32]  # [n, F]
    labels: NDArray[np.bool_]  # [n]
    times: NDArray[np.float64]  # [n] Unix seconds; of a file without time, a drawn number in [0, 1)
    categories: frozenset[int] = frozenset()  # the columns of `rows` that hold codes
    doubt: str | None = None  # what speaks against rows held out at random
    left_out: str | None = None  # logged rows that lack a feature which may not be missing, in a sentence

    def __len__(self) -> int:
        return len(self.labels)

    def since(self, moment: float) -> "Examples":
        """The rows at `moment` or later."""
        return self._slice(int(np.searchsorted(self.times, moment, side="left")), len(self))

    def before(self, moment: float) -> "Examples":
        """The rows earlier than `moment`."""
        return self._slice(0, int(np.searchsorted(self.times, moment, side="left")))

    def window(self, window: timedelta | None) -> "Examples":
        """The newest rows that fit the window; None is all of them."""
        if window is None or not len(self):
            return self
        return self.since(float(self.times[-1]) - window.total_seconds())

    def thinned(self, since: float, step: int) -> "Examples":
        """The rows from `since` on, and every `step`-th of the older ones."""
        newer = self.times >= since
        return self.take(newer | (np.arange(len(self)) % step == 0))

    def digest(self) -> str:
        """sha256 of exactly what a version can learn from these rows."""
        digest = hashlib.sha256(str(self.rows.shape).encode())
        for part in (self.rows, self.labels, self.times):
            digest.update(np.ascontiguousarray(part).tobytes())
        return digest.hexdigest()

    def take(self, chosen: NDArray[np.bool_]) -> "Examples":
        """The rows where bool[n] `chosen` holds."""
        table = self.table.filter(pa.array(chosen))
        return replace(self, table=table, rows=self.rows[chosen], labels=self.labels[chosen], times=self.times[chosen])

    def _slice(self, start: int, stop: int) -> "Examples":
        part = slice(start, stop)
        table = self.table.slice(start, stop - start)
        return replace(self, table=table, rows=self.rows[part], labels=self.labels[part], times=self.times[part])


def encode(table: pa.Table, spec: ModelSpec, logged: NDArray[np.float64] | None = None) -> Examples:
    """The coerced table sorted by event time, with its model rows beside it.

    Without `data.time` the rows of the file are put in a drawn order; behind them come those of the log, the table's
    last, by `logged`: float[m] Unix seconds.
    """
    if table.num_rows == 0:
        raise Invalid(f"Model {spec.name} has no labelled rows to learn from: check data.source and data.until")
    labels = table.column(spec.target.name).to_numpy()
    if labels.all() or not labels.any():
        only = bool(labels[0])
        raise Invalid(f"Model {spec.name}: {spec.target.name!r} is {only} in all {len(labels)} rows; nothing to learn")
    doubt = None
    if spec.data.time:
        micros = table.column(spec.data.time).cast(pa.int64()).to_numpy()
        order, times = np.argsort(micros, kind="stable"), micros / 1e6
    else:
        logged = np.empty(0) if logged is None else logged
        base = labels[: len(labels) - len(logged)]
        times = np.concatenate([drawn_places(base, spec.training.seed), logged])
        order = np.argsort(times, kind="stable")
        doubt = drift_along(base) if len(base) else None
    table = table.take(pa.array(order)).combine_chunks()
    codes = frozenset(place for place, feature in enumerate(spec.features) if feature.type == "category")
    return Examples(table, Encoder(spec.features).table(table), labels[order], times[order], codes, doubt)


def label_delay(spec: ModelSpec, examples: Examples) -> float | None:
    """Seconds by which 95 % of each class's labels were known, the slower class deciding; None without `data.known`."""
    if spec.data.known is None or spec.data.known not in examples.table.column_names:
        return None
    known = examples.table.column(spec.data.known)
    told = pc.is_valid(known).to_numpy(zero_copy_only=False)
    delays = pc.fill_null(known.cast(pa.int64()), 0).to_numpy() / 1e6 - examples.times
    classes = [delays[told & (examples.labels == outcome)] for outcome in (False, True)]
    return max((max(0.0, float(np.quantile(of, 0.95))) for of in classes if len(of)), default=None)


def joined(older: Examples, newer: Examples) -> Examples:
    """Both, one after the other."""
    return replace(
        older,
        table=pa.concat_tables([older.table, newer.table]),
        rows=np.concatenate([older.rows, newer.rows]),
        labels=np.concatenate([older.labels, newer.labels]),
        times=np.concatenate([older.times, newer.times]),
    )
