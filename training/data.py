"""The labelled rows a version learns from: declared base data and what the decision log has seen since, by time."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import ValidationError

from cluster.encoding import Encoder
from cluster.errors import Invalid
from configs.schema import ModelSpec, Source
from training.coerce import MOMENT, coerce
from training.sources import read
from training.subjects import Subjects, allowed


class LabelledLog(Protocol):
    """What training needs of the decision log: decisions whose outcome is known."""

    def training_rows(self, since: float | None, until: float | None) -> pa.Table:
        """Feature columns, label, `event_time` and subject of decisions in [since, until) Unix seconds."""


@dataclass(frozen=True, slots=True)
class Examples:
    """Labelled rows in time order; `table` holds the same rows before encoding."""

    table: pa.Table
    rows: NDArray[np.float32]  # [n, F]
    labels: NDArray[np.bool_]  # [n]
    times: NDArray[np.float64]  # [n] Unix seconds; places in file order where the model has no time

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

    def digest(self) -> str:
        """sha256 of exactly what a version can learn from these rows."""
        digest = hashlib.sha256(str(self.rows.shape).encode())
        for part in (self.rows, self.labels, self.times):
            digest.update(np.ascontiguousarray(part).tobytes())
        return digest.hexdigest()

    def _slice(self, start: int, stop: int) -> "Examples":
        return Examples(
            self.table.slice(start, stop - start),
            self.rows[start:stop],
            self.labels[start:stop],
            self.times[start:stop],
        )


def gather(
    spec: ModelSpec, until: datetime | None = None, log: LabelledLog | None = None, subjects: Subjects | None = None
) -> Examples:
    """Base rows before `data.until` and logged decisions with their outcomes, all before `until`.

    Of base rows those of erased subjects are left out; the log leaves them out itself.
    The log answers for what was served: it holds the values that serving sent, which is what a version will meet. What
    versions are audited by stands in base rows alone.
    """
    base = _of(_before(coerce(read(spec), spec), spec, spec.data.until), spec, subjects)
    tables = [base]
    if log is not None:
        logged = log.training_rows(None, until.timestamp() if until else None)
        if logged.num_rows:
            tables.append(coerce(_renamed(logged.sort_by("event_time"), spec), _as_logged(spec)))
    return encode(_before(pa.concat_tables(tables, promote_options="default"), spec, until), spec)


def gather_from(
    spec: ModelSpec,
    address: str,
    query: str | None = None,
    until: datetime | None = None,
    subjects: Subjects | None = None,
) -> Examples:
    """Rows of another source alone, instead of the declared one and the log; nothing is audited on them."""
    spec = spec.model_copy(update={"audit": ()})
    try:
        source = Source.model_validate({**spec.data.model_dump(), "source": address, "query": query})
    except ValidationError as error:
        what = "; ".join(fault["msg"].removeprefix("Value error, ") for fault in error.errors())
        raise Invalid(f"--source {address}: {what}") from error
    return encode(_of(_before(coerce(read(spec, source), spec), spec, until), spec, subjects), spec)


def encode(table: pa.Table, spec: ModelSpec) -> Examples:
    """The coerced table sorted by event time (file order without one), with its model rows beside it."""
    if table.num_rows == 0:
        raise Invalid(f"Model {spec.name} has no labelled rows to learn from: check data.source and data.until")
    if spec.data.time:
        order = np.argsort(table.column(spec.data.time).cast(pa.int64()).to_numpy(), kind="stable")
        table = table.take(pa.array(order)).combine_chunks()
        times = table.column(spec.data.time).cast(pa.int64()).to_numpy() / 1e6
    else:
        times = np.arange(table.num_rows, dtype=np.float64)
    labels = table.column(spec.target.name).to_numpy()
    if labels.all() or not labels.any():
        only = bool(labels[0])
        raise Invalid(f"Model {spec.name}: {spec.target.name!r} is {only} in all {len(labels)} rows; nothing to learn")
    return Examples(table, Encoder(spec.features).table(table), labels, times)


def holdout_start(examples: Examples, spec: ModelSpec) -> float:
    """Where the newest slice begins that is kept back: `training.holdout`, or `holdout_share` of the rows."""
    holdout = spec.training.holdout
    if holdout is not None and spec.data.time:
        start = float(examples.times[-1]) - holdout.total_seconds()
    else:
        start = float(examples.times[int(len(examples) * (1.0 - spec.training.holdout_share))])
    kept, held = len(examples.before(start)), len(examples.since(start))
    if kept < held or held == 0:
        newest, oldest = _day(examples.times[-1]), _day(examples.times[0])
        raise Invalid(
            f"Model {spec.name}: holding out {held} of {kept + held} rows ({oldest} to {newest}) leaves fewer to learn "
            "from than to test on; shorten training.holdout or bring more rows"
        )
    return start


def _before(table: pa.Table, spec: ModelSpec, until: datetime | None) -> pa.Table:
    if until is None or not spec.data.time:
        return table
    return table.filter(pc.less(table.column(spec.data.time), pa.scalar(until, MOMENT)))


def _of(table: pa.Table, spec: ModelSpec, subjects: Subjects | None) -> pa.Table:
    return table if subjects is None or spec.data.subject is None else allowed(table, spec.data.subject, subjects)


def _renamed(logged: pa.Table, spec: ModelSpec) -> pa.Table:
    """The log's own names for label, time and subject become the model's."""
    names = {"label": spec.target.name, "event_time": spec.data.time or "event_time"}
    names["subject"] = spec.data.subject or "subject"
    return logged.rename_columns([names.get(name, name) for name in logged.column_names])


def _as_logged(spec: ModelSpec) -> ModelSpec:
    """Outcomes are logged as true or false, whatever the base data calls them, and protected attributes not at all."""
    return spec.model_copy(update={"target": spec.target.model_copy(update={"positive": None}), "audit": ()})


def _day(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d")
