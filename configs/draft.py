"""A first declaration from a source of rows, and what a person should look at in it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import ValidationError

from windvane.configs.complaint import nearest
from windvane.configs.document import parse
from windvane.configs.drafting.column import Column, names_twice, read_columns
from windvane.configs.drafting.guess import Guess, doubted, guess
from windvane.configs.drafting.leaks import suspicion
from windvane.configs.drafting.names import words, words_of
from windvane.configs.drafting.page import Drafted, page
from windvane.configs.drafting.page import spell_value as spell_value
from windvane.configs.drafting.sample import Sample, read_sample, refuse
from windvane.configs.schema import COLUMN, NAME, ModelSpec, Source
from windvane.configs.tables.missing import blanked
from windvane.configs.tables.truth import is_truth

_POSITIVE = words_of("y positive pos default defaulted churned fraud bad late cancelled sick event success won dead")
_ORIGIN = words_of("race ethnicity ethnic origin religion nationality black hispanic hispan caste")
_FEW = 50


@dataclass(frozen=True, slots=True)
class Draft:
    """The YAML, and one sentence for everything in it that a person should look at."""

    text: str
    doubts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Target:
    name: str
    positive: str | None  # None where true and false are plain
    labels: pa.Array  # bool, null where a row has none

    @property
    def base_rate(self) -> float:
        return float(pc.mean(pc.cast(self.labels, pa.int8())).as_py())


def draft(name: str, source: str | Path, target: str, query: str | None = None) -> Draft:
    """A first declaration; raises BadDeclaration with a sentence when none can be made."""
    where = _source(str(source), query)
    if re.fullmatch(NAME, name) is None:
        raise refuse(
            str(source), f"{name!r} cannot name a model; use lower-case letters, digits and -, such as card-fraud"
        )
    sample = read_sample(where)
    if target in sample.apart:
        raise refuse(where.source, f"cannot be read: {target!r} {sample.apart[target]}")
    goal = _target(where.source, sample.rows, target)
    columns, decimal, contradicting = read_columns(_others(sample.rows, target))
    guesses = list(_guesses(columns, sample.rows.column_names))
    time = _best([one for one in guesses if one.moment is not None], columns)
    subject = _best([one for one in guesses if one.subject and one is not time], columns)
    roles = {one.name for one in (time, subject) if one}
    order = _order(time, sample.rows.num_rows)
    judged = [
        one if one.name in roles else _judged(one, columns[place], goal, order, time)
        for place, one in enumerate(guesses)
    ]
    rest = [one for one in judged if one.name not in roles]
    audited = _with_proxies([one for one in rest if one.audit is not None], [one.name for one in rest if one.proxy])
    drafted = Drafted(
        name=name,
        source=where.source,
        query=query,
        seen=_seen(sample, where.source),
        target=target,
        positive=goal.positive,
        base_rate=goal.base_rate,
        features=tuple(one for one in rest if one.feature is not None),
        audited=tuple(audited),
        left_out=(
            *(one for one in rest if one.feature is None and one.audit is None),
            *(Guess(column, None, why) for column, why in sample.apart.items()),
        ),
        time=time,
        subject=subject,
        other_times=tuple(one.name for one in guesses if one.moment is not None and one is not time),
        other_subjects=tuple(one.name for one in guesses if one.subject and one is not subject),
        decimal=decimal,
    )
    if not drafted.features:
        what = "; ".join(f"{one.name} {one.why}" for one in drafted.left_out[:5])
        raise refuse(
            where.source, f"has no column besides {target!r} that could be a feature" + f" ({what})" * bool(what)
        )
    text = page(drafted)
    ModelSpec.model_validate(parse(text).value)  # what is handed out must stand by itself
    return Draft(text, tuple(_doubts(drafted, sample, goal, contradicting)))


def _source(source: str, query: str | None) -> Source:
    """The source with an absolute path, so that the declaration can lie anywhere."""
    elsewhere = source.startswith("python:") or "://" in source
    address = source if elsewhere else str(Path(source).expanduser().absolute())
    try:
        return Source(source=address, query=query)
    except ValidationError as error:
        faults = "; ".join(fault["msg"].removeprefix("Value error, ") for fault in error.errors())
        raise refuse(source, faults) from error


def _seen(sample: Sample, source: str) -> str:
    count = f"{sample.rows.num_rows:,} rows" if sample.whole else f"the first {sample.rows.num_rows:,} rows"
    return f"{count} of {'a query' if '://' in source else Path(source).name or source}"


def _others(rows: pa.Table, target: str) -> pa.Table:
    return rows.select([place for place, name in enumerate(rows.column_names) if name != target])


def _guesses(columns: list[Column], names: list[str]) -> Iterator[Guess]:
    twice = names_twice(names)
    for column in columns:
        if column.name.casefold() in twice or not column.name:
            what = (
                "stands in the header more than once; rename"
                if column.name
                else "has no name in the header; give it one"
            )
            yield Guess(column.name, None, what)
        else:
            yield guess(column)


def _judged(one: Guess, column: Column, goal: _Target, order: NDArray[np.float64], time: Guess | None) -> Guess:
    """The guess after a look at what the column tells of the label, and at how it moves with time."""
    if one.feature is None:
        return one
    named = time.name if time is not None else None
    for found in suspicion(column.values, goal.labels, order, goal.name, named):
        if found.leave_out:
            return Guess(one.name, None, found.what)
        one = doubted(one, found.what)
    return one


def _order(time: Guess | None, rows: int) -> NDArray[np.float64]:
    """Moment of each row, or its place in the file."""
    if time is None or time.moment is None:
        return np.arange(rows, dtype=np.float64)
    order: NDArray[np.float64] = (
        pc.cast(time.moment.values, pa.int64()).to_numpy(zero_copy_only=False).astype(np.float64)
    )
    return order


def _target(source: str, rows: pa.Table, target: str) -> _Target:
    """The value that counts as true and the label of every row; raises BadDeclaration when it does not take two."""
    names = rows.column_names
    if names.count(target) != 1:
        near = None if target in names else nearest(target, names)
        hint = f" (did you mean `{near}`?)" if near else ""
        if len(names) == 1:
            hint = "; columns are parted by commas, semicolons, tabs or bars"
        what = "more than one column" if target in names else "no column"
        raise refuse(source, f"has {what} {target!r}; it has: {_listed(names)}{hint}")
    if re.fullmatch(COLUMN, target) is None:
        raise refuse(source, f"names the target {target!r}; rename it to letters, digits, spaces and _ . ( ) % # & + -")
    text = blanked(_as_text(rows.column(target))).combine_chunks()
    text = text if isinstance(text, pa.Array) else pa.array(text, pa.string())
    counts = {pair["values"]: pair["counts"] for pair in pc.value_counts(text.drop_null()).to_pylist()}
    truth = {value: is_truth(value) for value in counts}
    if len(set(truth.values())) == 2 and None not in truth.values():
        true = pa.array([value for value in counts if truth[value]])
        labels = pc.if_else(pc.is_valid(text), pc.is_in(text, value_set=true), pa.scalar(None, pa.bool_()))
        return _Target(target, None, labels)
    if len(counts) != 2:
        raise refuse(
            source,
            f"has {_values(len(counts))} in {target!r}{_few(sorted(counts))}; "
            "a target has two: yes and no, true and false, 1 and 0",
        )
    known = [value for value in counts if value.strip().casefold() in _POSITIVE]
    positive = known[0] if len(known) == 1 else min(counts, key=lambda value: (counts[value], value))
    return _Target(target, positive, pc.equal(text, positive))


def _as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Values as training compares them: whole numbers without a point, true and false in lower case."""
    kind = column.type
    if pa.types.is_floating(kind):
        column = pc.if_else(pc.is_nan(column), pa.scalar(None, kind), column)
        if pc.all(pc.equal(pc.floor(column), column)).as_py() is not False:
            column = pc.cast(column, pa.int64(), safe=False)
    if pa.types.is_nested(kind) or pa.types.is_binary(kind):
        return pa.chunked_array([pa.nulls(len(column), pa.string())])
    return pc.cast(column, pa.string())


def _best(candidates: list[Guess], columns: list[Column]) -> Guess | None:
    """The candidate with the most different values, the first of equals."""
    different = {
        column.name: pc.count_distinct(column.values).as_py()
        for column in columns
        if column.name in {one.name for one in candidates}
    }
    return max(candidates, key=lambda one: different[one.name], default=None)


def _with_proxies(audited: list[Guess], proxies: list[str]) -> list[Guess]:
    """Adds proxies (where somebody lives) to the group they may tell."""
    place = next((place for place, one in enumerate(audited) if _ORIGIN & set(words(one.name))), None)
    if place is None or not proxies:
        return audited
    one = audited[place]
    assert one.audit is not None
    audited[place] = replace(one, audit=one.audit.model_copy(update={"proxies": tuple(proxies)}))
    return audited


def _doubts(drafted: Drafted, sample: Sample, goal: _Target, contradicting: bool) -> Iterator[str]:
    yield from sample.notes
    if not sample.whole:
        yield f"only {drafted.seen} were looked at"
    if goal.labels.null_count:
        none = goal.labels.null_count
        yield f"{none:,} row{'s have' if none > 1 else ' has'} no {drafted.target!r} and will be left out"
    if goal.positive is not None:
        yield f"{drafted.target!r} counts as true where it is {goal.positive!r}"
    rarer = min(drafted.base_rate, 1 - drafted.base_rate) * (len(goal.labels) - goal.labels.null_count)
    if rarer < _FEW:
        yield f"only {rarer:.0f} row{'s' * (round(rarer) != 1)} of the rarer outcome: too few to learn much from"
    if contradicting:
        yield (
            "some columns have decimals behind a point, some behind a comma, and a file is read with one of them: "
            "those with a comma are taken for text; convert them to learn from them"
        )
    yield from (f"{one.name or '(no name)'} is left out: it {one.why}" for one in drafted.left_out)
    yield from (f"{one.name} {one.check}" for one in drafted.audited)
    yield from (f"{one.name} {one.check}" for one in drafted.features if one.check)
    if drafted.time is None:
        yield "no column seems to be the event time: rows are taken as oldest first"
    else:
        yield f"{drafted.time.name} is taken as the time at which a decision would have been asked for"
        if drafted.time.moment is not None and drafted.time.moment.ambiguous:
            yield f"{drafted.time.name} does not tell days and months apart: write day_first under data"
    if drafted.subject is not None:
        yield f"{drafted.subject.name} is taken as who or what a decision is about"
    if re.search(r"://[^/@:]*:[^@/]+@", drafted.source):
        yield "data.source holds a password, and so does the file now"


def _values(count: int) -> str:
    return {0: "no value", 1: "one value"}.get(count, f"{count:,} different values")


def _few(values: list[str]) -> str:
    """The values in brackets where there are so few that they are kinds, and nobody's own."""
    return f" ({_listed(values)})" if 0 < len(values) <= 5 else ""


def _listed(names: list[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:12])
    return shown + (f" and {len(names) - 12} more" if len(names) > 12 else "")
