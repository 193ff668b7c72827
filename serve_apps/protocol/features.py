"""What a model's feature values must look like: a typed decoder for the right ones, a sentence for each wrong one."""

import math
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from cluster.decision_log.record import Value
from cluster.errors import Problem
from configs.schema import Feature
from serve_apps.protocol.strict_json import Tree, pointer, printable

LARGEST_NUMBER = 3.4028234663852886e38  # float32, the type of the model's rows
LARGEST_INTEGER = 2**53  # beyond it neighbours look alike to float64
LONGEST_TEXT = 256  # characters of a category
HINTS = 3  # unknown names of one object that get a "did you mean"; each costs a search


class Features:
    """One model's features; `struct` decodes an object of them, `values` gives the row, `problems` says what is wrong.

    A number is a JSON number (2 is 2.0), an integer has no decimal point (2.0 is refused), a boolean is true or false
    (1 is refused), a category is text and may be one that was never declared. A feature that may be missing can be
    null or left out.
    """

    def __init__(self, features: Sequence[Feature]) -> None:
        self.features = tuple(features)
        self.names = tuple(feature.name for feature in features)
        self.texts = tuple(place for place, feature in enumerate(features) if feature.type == "category")
        self._some_may_be_missing = any(feature.missing for feature in features)
        self._known = frozenset(self.names)
        attributes = {f"f{place}": feature for place, feature in enumerate(features)}
        self.struct = msgspec.defstruct(
            "Features",
            [_field(attribute, feature) for attribute, feature in attributes.items()],
            rename={attribute: feature.name for attribute, feature in attributes.items()},
            forbid_unknown_fields=True,
            kw_only=True,
            frozen=True,
            gc=False,
        )

    def values(self, decoded: msgspec.Struct) -> tuple[tuple[Value, ...], int]:
        """The row in the declared order (None is missing), and how many of its members were sent."""
        row = msgspec.structs.astuple(decoded)
        absent = row.count(UNSET) if self._some_may_be_missing else 0
        if absent:
            row = tuple([None if value is UNSET else value for value in row])
        return row, len(row) - absent

    def problems(self, members: Mapping[str, Tree], at: str, hints: bool = True) -> Iterator[Problem]:
        """Everything wrong with an object of features that stands at the JSON pointer `at`."""
        for feature in self.features:
            if feature.name not in members:
                if not feature.missing:
                    yield Problem(pointer(at, feature.name), f"is missing; it is a required {feature.type}")
            elif (complaint := complain(feature, members[feature.name])) is not None:
                yield Problem(pointer(at, feature.name), complaint)
        unknown = [name for name in members if name not in self._known]
        for place, name in enumerate(unknown):
            hint = nearest(name, self.names) if hints and place < HINTS else ""
            yield Problem(pointer(at, name), f"is no feature of this model{hint}")


def complain(feature: Feature, value: Tree) -> str | None:
    """What is wrong with a value, or None.

    >>> complain(Feature(name="age", type="integer", min=0), 3.0)
    'must be an integer written without a decimal point, not 3.0'
    """
    if value is None:
        return None if feature.missing else f"must not be null; it is a required {feature.type}"
    match feature.type:
        case "boolean":
            return None if isinstance(value, bool) else f"must be true or false, not {shown(value)}"
        case "category":
            return complain_text(value, LONGEST_TEXT)
        case "integer":
            if isinstance(value, bool) or not isinstance(value, int):
                return f"must be an integer written without a decimal point, not {shown(value)}"
            if abs(value) > LARGEST_INTEGER:
                return "must lie within ±2^53"
        case "number":
            if isinstance(value, bool) or not isinstance(value, int | float):
                return f"must be a number, not {shown(value)}"
            if abs(value) > LARGEST_NUMBER:
                return "must lie within ±3.4e38, the range of float32"
    unit = f" {feature.unit}" if feature.unit else ""
    if feature.min is not None and value < feature.min:
        return f"must be at least {feature.min:g}{unit}, not {shown(value)}"
    if feature.max is not None and value > feature.max:
        return f"must be at most {feature.max:g}{unit}, not {shown(value)}"
    return None


def complain_text(value: Tree, longest: int, shortest: int = 0) -> str | None:
    """What is wrong with a text of `shortest` to `longest` characters, or None."""
    if not isinstance(value, str):
        return f"must be text, not {shown(value)}"
    if not shortest <= len(value) <= longest:
        return f"must have {shortest} to {longest} characters, not {len(value)}"
    return None if printable(value) else "holds half of a surrogate pair, which is not Unicode text"


def shown(value: Tree) -> str:
    """A value, short enough for a sentence.

    >>> shown({"a": 1}), shown(True), shown("x" * 50)
    ('an object', 'true', '"xxxxxxxxxxxxxxxxxxxx…"')
    """
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "an array"
    if isinstance(value, float) and math.isinf(value):
        return "a number beyond float64"
    text = ascii(value) if isinstance(value, str) else str(value)
    if isinstance(value, str):
        text = text[1:-1]
        return f'"{text[:20]}…"' if len(text) > 20 else f'"{text}"'
    return text if len(text) <= 24 else f"{text[:20]}…"


def nearest(name: str, names: Sequence[str]) -> str:
    """The nearest valid name as the end of a sentence, or nothing.

    >>> nearest("tmep", ("temp", "wind"))
    '; did you mean temp?'
    """
    matches = get_close_matches(name[:64], names, 1)
    return f"; did you mean {matches[0]}?" if matches else ""


def _field(attribute: str, feature: Feature) -> tuple[str, Any] | tuple[str, Any, Any]:
    kind: Any
    match feature.type:
        case "boolean":
            kind = bool
        case "category":
            kind = Annotated[str, Meta(max_length=LONGEST_TEXT)]
        case "integer":
            low = -LARGEST_INTEGER if feature.min is None else max(-LARGEST_INTEGER, math.ceil(feature.min))
            high = LARGEST_INTEGER if feature.max is None else min(LARGEST_INTEGER, math.floor(feature.max))
            kind = Annotated[int, Meta(ge=low, le=high)]
        case "number":
            low_number = -LARGEST_NUMBER if feature.min is None else max(-LARGEST_NUMBER, feature.min)
            high_number = LARGEST_NUMBER if feature.max is None else min(LARGEST_NUMBER, feature.max)
            kind = Annotated[float, Meta(ge=low_number, le=high_number)]
    if feature.missing:
        return attribute, kind | None | UnsetType, UNSET
    return attribute, kind
