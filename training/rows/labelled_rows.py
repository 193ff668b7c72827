"""The labelled rows a version learns from: declared base data and what the decision log has seen since, by time."""

from dataclasses import replace
from datetime import datetime
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import ValidationError

from windvane.cluster.errors import Invalid
from windvane.configs.schema import ModelSpec, Source
from windvane.training.rows.coerce import MOMENT, coerce
from windvane.training.rows.examples import Examples, encode
from windvane.training.rows.sources import read
from windvane.training.rows.subjects import Subjects, allowed


class LabelledLog(Protocol):
    """The part of the decision log that training needs: decisions whose outcome is known."""

    def training_rows(self, since: float | None, until: float | None) -> pa.Table:
        """Feature columns, label, `event_time` and subject of decisions in [since, until) Unix seconds."""


def gather(
    spec: ModelSpec, until: datetime | None = None, log: LabelledLog | None = None, subjects: Subjects | None = None
) -> Examples:
    """Base rows before `data.until` and logged decisions with their outcomes, all before `until`.

    Of base rows those of erased subjects are left out; the log leaves them out itself.
    The log answers for what was served: it holds the values that serving sent, which is what a version will meet. What
    versions are audited by stands in base rows alone. Decisions from before a feature was declared have no value of it:
    they are left out, and that is told, unless it may be missing.
    """
    base = _of(_before(coerce(read(spec), spec), spec, spec.data.until), spec, subjects)
    tables = [base]
    moments = left_out = None
    if log is not None:
        logged = log.training_rows(None, until.timestamp() if until else None).sort_by("event_time")
        logged, left_out = _whole(logged, spec)
        if logged.num_rows:
            moments = logged.column("event_time").to_numpy()
            tables.append(coerce(_renamed(logged, spec), _as_logged(spec)))
    whole = pa.concat_tables(tables, promote_options="default")
    examples = encode(_before(whole, spec, until), spec, None if spec.data.time else moments)
    return replace(examples, left_out=left_out)


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


def _before(table: pa.Table, spec: ModelSpec, until: datetime | None) -> pa.Table:
    if until is None or not spec.data.time:
        return table
    moment = pa.scalar(until, MOMENT)
    table = table.filter(pc.less(table.column(spec.data.time), moment))
    if spec.data.known is None or spec.data.known not in table.column_names:
        return table
    known = pc.less_equal(table.column(spec.data.known), moment)
    return table.filter(pc.fill_null(known, True))  # null of logged rows, whose outcome has come


def _of(table: pa.Table, spec: ModelSpec, subjects: Subjects | None) -> pa.Table:
    return table if subjects is None or spec.data.subject is None else allowed(table, spec.data.subject, subjects)


def _whole(logged: pa.Table, spec: ModelSpec) -> tuple[pa.Table, str | None]:
    """The rows that have every feature which may not be missing, and how many have not, in a sentence."""
    rows, lacking = logged.num_rows, []
    for feature in spec.features:
        if feature.missing or feature.name not in logged.column_names:
            continue
        there = pc.is_valid(logged.column(feature.name))
        if not pc.all(there, min_count=0).as_py():  # of no rows at all, none lacks anything
            lacking.append(feature.name)
            logged = logged.filter(there)
    if not lacking:
        return logged, None
    return logged, (
        f"{rows - logged.num_rows:,} of {rows:,} decisions on the log have no {', '.join(lacking)}, "
        "which may not be missing, and are left out; with `missing: true` they are learnt from"
    )


def _renamed(logged: pa.Table, spec: ModelSpec) -> pa.Table:
    """The log's own names for label, time and subject become the model's."""
    names = {"label": spec.target.name, "event_time": spec.data.time or "event_time"}
    names["subject"] = spec.data.subject or "subject"
    return logged.rename_columns([names.get(name, name) for name in logged.column_names])


def _as_logged(spec: ModelSpec) -> ModelSpec:
    """Outcomes are logged as true or false, whatever the base data calls them, and protected attributes not at all."""
    target = spec.target.model_copy(update={"positive": None})
    data = spec.data.model_copy(update={"known": None})  # what is on the log is known
    return spec.model_copy(update={"target": target, "data": data, "audit": ()})
