"""A first declaration from a data file: everything inferred is shown, everything doubtful is marked `check`."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import yaml

from configs.complaint import nearest
from configs.document import parse
from configs.guess import Guess, guess, words
from configs.sample import Sample, read_sample, refuse
from configs.schema import (
    COLUMN,
    NAME,
    ExplanationPolicy,
    Feature,
    ModelSpec,
    Monitor,
    Objectives,
    Plan,
    Retrain,
    Serving,
    Training,
)

_TRUE, _FALSE = frozenset({"true", "t", "yes", "1"}), frozenset({"false", "f", "no", "0"})  # as training reads labels
_POSITIVE = frozenset(
    (
        "y",
        "positive",
        "pos",
        "default",
        "churned",
        "fraud",
        "bad",
        "late",
        "cancelled",
        "sick",
        "event",
        "success",
        "won",
    )
)
_DEFAULTS = {
    "explanation": ExplanationPolicy,
    "slo": Objectives,
    "training": Training,
    "serving": Serving,
    "monitor": Monitor,
    "retrain": Retrain,
    "rollout": Plan,
}


def draft(name: str, file: Path, target: str) -> str:
    """The YAML of a first declaration; raises BadDeclaration with a sentence when none can be made."""
    if re.fullmatch(NAME, name) is None:
        raise refuse(file, f"{name!r} cannot name a model; use lower-case letters, digits and -, such as card-fraud")
    sample = read_sample(file)
    positive, base_rate = _target(file, sample.rows, target)
    guesses = [one for one in _guesses(sample, target) if one.name != target]
    time = _best([one for one in guesses if one.moment], sample.rows)
    subject = _best([one for one in guesses if one.subject], sample.rows)
    roles = {one.name for one in (time, subject) if one}
    features = [one for one in guesses if one.feature and one.name not in roles]
    if not features:
        raise refuse(file, f"has no column besides {target!r} that could be a feature")
    left_out = [one for one in guesses if not one.feature and one.name not in roles]
    source = str(file.absolute())
    parts = [
        _head(name, file, sample, subject),
        _target_part(target, positive, base_rate),
        _features_part(features, left_out, sample.whole),
        _data_part(source, time, subject, guesses),
        _decision_part(base_rate),
        _defaults_part(),
    ]
    text = "\n".join(line for part in parts for line in [*part, ""]).rstrip() + "\n"
    ModelSpec.model_validate(parse(text).value)  # what is handed out must stand by itself
    return text


def _guesses(sample: Sample, target: str) -> Iterator[Guess]:
    names = sample.rows.column_names
    label = _as_text(sample.rows.column(target))
    for name in dict.fromkeys(names):
        again = [other for other in names if other.casefold() == name.casefold()]
        if len(again) > 1 or not name:
            what = "stands in the header more than once; rename" if name else "has no name in the header; give it one"
            yield Guess(name, None, what)
            continue
        one = guess(name, sample.rows.column(name), sample.whole)
        if one.feature and name != target and _tells(sample.rows.column(name), label):
            one = Guess(name, None, f"tells {target!r} outright: with it there is nothing to predict")
        yield one


def _target(file: Path, rows: pa.Table, target: str) -> tuple[str | None, float]:
    """The value that counts as true (None where true and false are plain) and its share."""
    names = rows.column_names
    if names.count(target) != 1:
        near = nearest(target, names)
        hint = f" (did you mean `{near}`?)" if near else ""
        if len(names) == 1 and re.search(r"[;|\t]", names[0]):
            hint = "; separate columns with commas"
        what = "more than one column" if target in names else "no column"
        raise refuse(file, f"has {what} {target!r}; it has: {_listed(names)}{hint}")
    if re.fullmatch(COLUMN, target) is None:
        raise refuse(file, f"names the target {target!r}; rename it to letters, digits, spaces and _ . ( ) % # & + -")
    text = _as_text(rows.column(target)).drop_null()
    counts = {pair["values"]: pair["counts"] for pair in pc.value_counts(text).to_pylist()}
    if len(counts) != 2:
        raise refuse(
            file,
            f"has {len(counts)} different values in {target!r} ({_listed(sorted(counts))}); "
            "a target has two: yes and no, true and false, 1 and 0",
        )
    true = [value for value in counts if value.lower() in _TRUE]
    plain = len(true) == 1 and any(value.lower() in _FALSE for value in counts)
    known = true if plain else [value for value in counts if value.lower() in _POSITIVE]
    positive = known[0] if len(known) == 1 else min(counts, key=lambda value: (counts[value], value))
    return None if plain else positive, counts[positive] / len(text)


def _as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Values as training compares them: whole numbers without a point, true and false in lower case."""
    kind = column.type
    if pa.types.is_floating(kind) and pc.all(pc.equal(pc.floor(column), column)).as_py() is not False:
        column = pc.cast(column, pa.int64(), safe=False)
    if pa.types.is_nested(kind) or pa.types.is_binary(kind):
        return pa.chunked_array([pa.nulls(len(column), pa.string())])
    return pc.cast(column, pa.string())


def _tells(column: pa.ChunkedArray, label: pa.ChunkedArray) -> bool:
    """Whether a two-valued column is the target under another name."""
    if pc.count_distinct(column).as_py() != 2:
        return False
    pairs = pa.table({"value": _as_text(column), "label": label}).drop_null().group_by(["value", "label"]).aggregate([])
    return bool(pairs.num_rows == 2 and pc.count_distinct(pairs.column("value")).as_py() == 2)


def _best(candidates: list[Guess], rows: pa.Table) -> Guess | None:
    """The candidate with the most different values, the first of equals."""
    return max(candidates, key=lambda one: pc.count_distinct(rows.column(one.name)).as_py(), default=None)


def _head(name: str, file: Path, sample: Sample, subject: Guess | None) -> list[str]:
    seen = f"{sample.rows.num_rows:,} rows" if sample.whole else f"the first {sample.rows.num_rows:,} rows"
    unit = (
        next((word for word in words(subject.name) if word not in ("id", "uuid", "no")), "case") if subject else "case"
    )
    return [
        f"# Drafted from {seen} of {_comment(file.name)}.",
        f"# Read what is marked `check`, then run: windvane validate {name}",
        f"name: {name}",
        "owner: you@example.org # check: who answers for this model",
        "description: '' # check: the question it answers, in one sentence",
        f"unit: {_scalar(unit)} # check: what one decision is about",
    ]


def _target_part(target: str, positive: str | None, base_rate: float) -> list[str]:
    lines = ["target:", f"  name: {_scalar(target)} # true in {base_rate:.1%} of rows"]
    if positive is not None:
        lines.append(f"  positive: {_scalar(positive)} # check: the value that counts as true")
    return lines


def _features_part(features: list[Guess], left_out: list[Guess], whole: bool) -> list[str]:
    why = (
        "Ranges are those seen, a tenth wider on both sides, in round figures (shares: 0 to 1); outside is refused."
        if whole
        else "No ranges: only the beginning of the file was read. Add min and max where you know them."
    )
    lines = [f"# {why}", "features:"]
    for one in features:
        assert one.feature is not None
        lines.append(f"  - {_feature(one.feature)}" + (f" # check: {_comment(one.check)}" if one.check else ""))
    if left_out:
        lines += ["# Left out:", *(f"#   {_comment(one.name) or '(no name)'}: {_comment(one.why)}" for one in left_out)]
    return lines


def _feature(feature: Feature) -> str:
    said = {"name": _scalar(feature.name), "type": feature.type}
    for bound in ("min", "max"):
        value = getattr(feature, bound)
        if value is not None:
            said[bound] = _figure(value)
    if feature.categories:
        said["categories"] = f"[{', '.join(map(_scalar, feature.categories))}]"
    said |= {flag: "true" for flag in ("missing", "personal") if getattr(feature, flag)}
    return "{" + ", ".join(f"{field}: {value}" for field, value in said.items()) + "}"


def _data_part(source: str, time: Guess | None, subject: Guess | None, guesses: list[Guess]) -> list[str]:
    lines = ["data:", f"  source: {_scalar(source)}"]
    if time:
        others = [one.name for one in guesses if one.moment and one is not time]
        also = f"; {_comment(', '.join(others))} would do too" if others else ""
        lines.append(f"  time: {_scalar(time.name)} # check: when the decision would have been asked for{also}")
    else:
        lines.append("  # time: COLUMN # none seems to be the event time; rows are taken as oldest first")
    if subject:
        others = [one.name for one in guesses if one.subject and one is not subject]
        also = f"; {_comment(', '.join(others))} would do too" if others else ""
        lines.append(f"  subject: {_scalar(subject.name)} # check: who or what the decision is about{also}")
    else:
        lines.append("  # subject: COLUMN # none seems to name who or what a decision is about")
    return lines


def _decision_part(base_rate: float) -> list[str]:
    threshold = min(max(round(base_rate, 2), 0.01), 0.99)
    cost = round((1 - threshold) / threshold, 2)
    return [
        f"# check: acts above the base rate, {base_rate:.1%}. An action in vain costs 1, a case missed {cost:g}:",
        "# at these costs this threshold is the cheapest, so change them together.",
        "decision:",
        "  actions:",
        f"    - {{name: none, at_least: 0.0, cost_if_true: {cost:g}, cost_if_false: 0}}",
        f"    - {{name: act, at_least: {threshold:g}, cost_if_true: 0, cost_if_false: 1}}",
    ]


def _defaults_part() -> list[str]:
    """Every other field with its default, as comments."""
    lines = ["# Everything below is the default: uncomment what you change."]
    for section, model in _DEFAULTS.items():
        lines.append(f"# {section}:")
        for field, value in model().model_dump(mode="json").items():
            lines.append(f"#   {field}: {spell_value(value)}".rstrip())
    return lines


def spell_value(value: Any) -> str:
    """A default in one line of YAML.

    >>> spell_value([{"weight": 0.1, "min_duration": "5m"}, "all"]), spell_value(True), spell_value(None)
    ('[{weight: 0.1, min_duration: 5m}, all]', 'true', 'null')
    """
    if isinstance(value, dict):
        return "{" + ", ".join(f"{field}: {spell_value(inner)}" for field, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(spell_value, value)) + "]"
    return _scalar(value) if isinstance(value, str) else json.dumps(value)


def _scalar(text: str) -> str:
    """Text as YAML 1.1 and 1.2 read it back, plain where it can be, on one line and inside brackets.

    >>> _scalar("New York"), _scalar("no"), _scalar("01"), _scalar('a: "b"'), _scalar("größe")
    ('New York', '"no"', '"01"', '"a: \\\\"b\\\\""', 'größe')
    """
    plain = re.fullmatch(r"[^\W_][\w ./@+-]*", text) and not text.endswith(" ")
    if plain and yaml.safe_load(text) == parse(f"text: {text}").value["text"] == text:
        return text
    return json.dumps(text, ensure_ascii=not text.isprintable())


def _figure(value: float) -> str:
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)


def _comment(text: str) -> str:
    """Text that cannot leave its comment."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def _listed(names: list[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:12])
    return shown + (f" and {len(names) - 12} more" if len(names) > 12 else "")
