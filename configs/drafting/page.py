"""Writes a drafted declaration as YAML: everything inferred is shown, everything doubtful is marked `check`."""

import json
import re
from dataclasses import dataclass
from typing import Any

import yaml

from windvane.configs.document import Unreadable, parse
from windvane.configs.drafting.guess import Guess
from windvane.configs.drafting.names import words
from windvane.configs.schema import (
    Attribute,
    ExplanationPolicy,
    Feature,
    Monitor,
    Objectives,
    Plan,
    Retrain,
    Serving,
    Training,
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


@dataclass(frozen=True, slots=True)
class Drafted:
    """Findings of a draft, ready to be written."""

    name: str
    source: str
    query: str | None
    seen: str  # how many rows of what
    target: str
    positive: str | None
    base_rate: float
    features: tuple[Guess, ...]
    audited: tuple[Guess, ...]
    left_out: tuple[Guess, ...]
    time: Guess | None
    subject: Guess | None
    other_times: tuple[str, ...]
    other_subjects: tuple[str, ...]
    decimal: str


def page(drafted: Drafted) -> str:
    """The whole file."""
    parts = [
        _head(drafted),
        _target(drafted),
        _features(drafted),
        _audit(drafted),
        _data(drafted),
        _decision(drafted.base_rate),
        _defaults(),
    ]
    return "\n".join(line for part in parts if part for line in [*part, ""]).rstrip() + "\n"


def _head(drafted: Drafted) -> list[str]:
    named = words(drafted.subject.name) if drafted.subject else []
    unit = next((word for word in named if word not in ("id", "uuid", "no")), "case")
    return [
        f"# Drafted from {_comment(drafted.seen)}.",
        f"# Read what is marked `check`, then run: windvane validate {drafted.name}",
        f"name: {drafted.name}",
        "owner: you@example.org # check: who answers for this model",
        "description: '' # check: the question it answers, in one sentence",
        f"unit: {scalar(unit)} # check: what one decision is about",
    ]


def _target(drafted: Drafted) -> list[str]:
    lines = ["target:", f"  name: {scalar(drafted.target)} # true in {drafted.base_rate:.1%} of rows"]
    if drafted.positive is not None:
        lines.append(f"  positive: {scalar(drafted.positive)} # check: the value that counts as true")
    return lines


def _features(drafted: Drafted) -> list[str]:
    lines = [
        "# `usual` is the range seen, a tenth wider on both sides, in round figures (shares: 0 to 1): outside of it",
        "# requests are answered with a warning. Where you know a limit, add min or max: beyond it they are refused.",
        "features:",
    ]
    for one in drafted.features:
        assert one.feature is not None
        lines.append(f"  - {_feature(one.feature)}{_check(one.check)}")
    if drafted.left_out:
        lines.append("# Left out:")
        lines += [f"#   {_comment(one.name) or '(no name)'}: {_comment(one.why)}" for one in drafted.left_out]
    return lines


def _audit(drafted: Drafted) -> list[str]:
    if not drafted.audited:
        return []
    lines = ["# Versions are compared over these groups, and none decides by them.", "audit:"]
    for one in drafted.audited:
        assert one.audit is not None
        lines.append(f"  - {_attribute(one.audit)}{_check(one.check)}")
    return lines


def _feature(feature: Feature) -> str:
    said = {"name": scalar(feature.name), "type": feature.type}
    if feature.unit:
        said["unit"] = scalar(feature.unit)
    if feature.usual is not None:
        said["usual"] = f"[{', '.join(map(figure, feature.usual))}]"
    if feature.categories:
        said["categories"] = f"[{', '.join(map(scalar, feature.categories))}]"
    said |= {flag: "true" for flag in ("missing", "personal") if getattr(feature, flag)}
    return "{" + ", ".join(f"{field}: {value}" for field, value in said.items()) + "}"


def _attribute(attribute: Attribute) -> str:
    said = {"name": scalar(attribute.name), "type": attribute.type}
    if attribute.categories:
        said["categories"] = f"[{', '.join(map(scalar, attribute.categories))}]"
    if attribute.missing:
        said["missing"] = "true"
    if attribute.proxies:
        said["proxies"] = f"[{', '.join(map(scalar, attribute.proxies))}]"
    return "{" + ", ".join(f"{field}: {value}" for field, value in said.items()) + "}"


def _data(drafted: Drafted) -> list[str]:
    lines = ["data:", f"  source: {scalar(drafted.source)}"]
    if drafted.query is not None:
        lines.append(f"  query: {scalar(drafted.query)}")
    if drafted.time is not None and drafted.time.moment is not None:
        also = _also(drafted.other_times)
        lines.append(f"  time: {scalar(drafted.time.name)} # check: when the decision would have been asked for{also}")
        lines += _day_first(drafted.time.moment.ambiguous, drafted.time.moment.day_first)
    else:
        lines.append("  # time: COLUMN # none seems to be the event time; rows are taken as oldest first")
    if drafted.subject is not None:
        also = _also(drafted.other_subjects)
        lines.append(f"  subject: {scalar(drafted.subject.name)} # check: who or what the decision is about{also}")
    else:
        lines.append("  # subject: COLUMN # none seems to name who or what a decision is about")
    if drafted.decimal != ".":
        lines.append(f'  decimal: "{drafted.decimal}"')
    return lines


def _day_first(ambiguous: bool, day_first: bool | None) -> list[str]:
    if ambiguous:
        return ["  # day_first: true # check: write it, or false: these rows do not tell days and months apart"]
    return [] if day_first is None else [f"  day_first: {str(day_first).lower()} # as 13 and more stand only there"]


def _decision(base_rate: float) -> list[str]:
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


def _defaults() -> list[str]:
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
    return scalar(value) if isinstance(value, str) else json.dumps(value)


def scalar(text: str) -> str:
    """Text as YAML 1.1 and 1.2 read it back, plain where it can be, on one line and inside brackets.

    >>> scalar("New York"), scalar("no"), scalar("01"), scalar('a: "b"'), scalar("größe"), scalar("1e5")
    ('New York', '"no"', '"01"', '"a: \\\\"b\\\\""', 'größe', '"1e5"')
    """
    if re.fullmatch(r"[^\W_][\w ./@+-]*", text) and not text.endswith(" ") and _reads_back(text):
        return text
    return json.dumps(text, ensure_ascii=not text.isprintable())


def _reads_back(text: str) -> bool:
    try:
        return bool(yaml.safe_load(text) == parse(f"text: {text}").value["text"] == text)
    except (Unreadable, yaml.YAMLError, ValueError):
        return False  # `9007199254740993` is no number that could be kept, `2024-13-01` no day


def figure(value: float) -> str:
    """A number as YAML 1.1 and 1.2 read it back: an exponent needs a point before it and a sign.

    >>> figure(7e-05), figure(2e17), figure(0.5), figure(120.0)
    ('7.0e-05', '2.0e+17', '0.5', '120')
    """
    if value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    mantissa, exponent, power = repr(value).partition("e")
    return mantissa + (f"{'' if '.' in mantissa else '.0'}e{power}" if exponent else "")


def _check(what: str) -> str:
    return f" # check: {_comment(what)}" if what else ""


def _also(others: tuple[str, ...]) -> str:
    return f"; {_comment(', '.join(others))} would do too" if others else ""


def _comment(text: str) -> str:
    """Text that cannot leave its comment."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
