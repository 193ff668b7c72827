"""Decodes a model's feature values: typed for the right ones, a sentence for each wrong one."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import UNSET, Meta, UnsetType

from windvane.cluster.decision_log.record import Value
from windvane.cluster.errors import Problem
from windvane.configs import complaint
from windvane.configs.schema import Feature
from windvane.configs.tables.missing import means_missing
from windvane.serve_apps.protocol.casts import LARGEST_INTEGER, text, truth, whole
from windvane.serve_apps.protocol.strict_json import Tree, pointer, printable

LARGEST_NUMBER = 3.4028234663852886e38  # float32, the type of the model's rows
LONGEST_TEXT = 256  # characters of a category
HINTS = 3  # unknown names of one object that get a "did you mean"; each costs a search
UNUSUAL, UNKNOWN_CATEGORY = "unusual", "unknown_category"  # what a value can be warned of


class ValueFault(NamedTuple):
    """Fault of a value: a word to count it by, and a sentence that does not repeat the value."""

    reason: str
    sentence: str


class Features:
    """One model's features; `usual` and `allowed` decode objects of them, `read` casts or complains of any other.

    Both take a value as its type is written: `usual` one of which nothing is to be said, `allowed` also one to warn of.
    `read` takes whatever means exactly one value that `min` and `max` allow: 2.0 or true for an integer, 1 for true,
    7 for the category "7", a category that was never declared. A feature that may be missing can be null, NaN or left
    out. `warnings` says what of a row is not usual.
    """

    def __init__(self, features: Sequence[Feature]) -> None:
        self.features = tuple(features)
        self.names = tuple(feature.name for feature in features)
        self.texts = tuple(place for place, feature in enumerate(features) if feature.type == "category")
        self._some_may_be_missing = any(feature.missing for feature in features)
        self._known = frozenset(self.names)
        self._usual = tuple(
            frozenset(feature.categories) if feature.type == "category" else usual_range(feature)
            for feature in features
        )
        self.usual = self._struct(usual_range, known=True)
        self.allowed = self._struct(allowed_range, known=False)

    def _struct(self, within: Callable[[Feature], tuple[float, float]], known: bool) -> type[msgspec.Struct]:
        """A decoder's type: numbers lie `within`, categories are `known` ones or any."""
        attributes = {f"f{place}": feature for place, feature in enumerate(self.features)}
        return msgspec.defstruct(
            "Features",
            [_field(attribute, feature, *within(feature), known) for attribute, feature in attributes.items()],
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

    def read(self, members: Mapping[str, Tree], at: str, hints: bool = True) -> tuple[tuple[Value, ...], list[Problem]]:
        """The row, and everything wrong with an object of features at the JSON pointer `at`: then the row is none."""
        row: list[Value] = []
        found: list[Problem] = []
        for feature in self.features:
            name = feature.name
            taken = read(feature, members.get(name))
            if isinstance(taken, ValueFault):
                if name not in members:
                    taken = ValueFault("missing", f"is missing; it is a required {feature.type}")
                found.append(Problem(pointer(at, name), taken.sentence, taken.reason, name))
            else:
                row.append(taken)
        unknown = [name for name in members if name not in self._known]
        for place, name in enumerate(unknown):
            hint = nearest(name, self.names) if hints and place < HINTS else ""
            found.append(Problem(pointer(at, name), f"is no feature of this model{hint}", "unknown_field"))
        return tuple(row), found

    def warnings(self, row: Sequence[Value], at: str) -> Iterator[Problem]:
        """Warnings about a row of this model whose object of features stands at `at`."""
        for feature, usual, value in zip(self.features, self._usual, row, strict=True):
            if value is None or (value in usual if isinstance(usual, frozenset) else usual[0] <= value <= usual[1]):  # type: ignore[operator]  # a range is of numbers
                continue
            warning = warn(feature, value)
            if warning is not None:
                yield Problem(pointer(at, feature.name), warning.sentence, warning.reason, feature.name)


def read(feature: Feature, value: Tree) -> Value | ValueFault:
    """The value as its type has it, None where it is missing, or what is wrong with it.

    >>> read(Feature(name="age", type="integer", min=0), 3.0)
    3
    >>> read(Feature(name="age", type="integer", min=0), 3.5).sentence
    'must be a whole number, not a fraction'
    """
    if value is None:
        required = ValueFault("missing", f"must not be null; it is a required {feature.type}")
        return None if feature.missing else required
    match feature.type:
        case "boolean":
            taken = truth(value)
            return ValueFault("type", f"must be true or false, 1 or 0, not {shown(value)}") if taken is None else taken
        case "category":
            word = ("true" if value else "false") if isinstance(value, bool) else text(value)
            complaint = complain_text(word, LONGEST_TEXT)
            return word if complaint is None else ValueFault("type", complaint)
        case "integer":
            number = whole(value)
            if number is None:
                return ValueFault("type", f"must be a whole number, not {shown(value)}")
            return within(feature, number) or number
        case "number":
            if not isinstance(value, int | float):
                return ValueFault("type", f"must be a number, not {shown(value)}")
            return within(feature, value) or float(value)


def within(feature: Feature, value: float) -> ValueFault | None:
    """Complain about the size of a number or an integer; None where it is good."""
    if feature.type == "integer" and abs(value) > LARGEST_INTEGER:
        return ValueFault("range", "must lie within ±2^53")
    if abs(value) > LARGEST_NUMBER:
        return ValueFault("range", "must lie within ±3.4e38, the range of float32")
    if feature.min is not None and value < feature.min:
        return ValueFault("range", f"must be at least {figure(feature.min, feature)}")
    if feature.max is not None and value > feature.max:
        return ValueFault("range", f"must be at most {figure(feature.max, feature)}")
    return None


def warn(feature: Feature, value: Value) -> ValueFault | None:
    """Warn of a value that was taken and is not usual; None where it is.

    >>> warn(Feature(name="age", type="integer", unit="years", usual=(18, 80)), 17).sentence
    'is below 18 years, the least that is usual'
    """
    if value is None:
        return None
    if feature.type == "category":
        known = value in feature.categories or (feature.missing and means_missing(str(value)))  # as the encoder has it
        return None if known else ValueFault(UNKNOWN_CATEGORY, "is none of the declared categories; counts as unknown")
    if feature.usual is None or isinstance(value, str):
        return None
    low, high = feature.usual
    if value < low:
        return ValueFault(UNUSUAL, f"is below {figure(low, feature)}, the least that is usual")
    return ValueFault(UNUSUAL, f"is above {figure(high, feature)}, the most that is usual") if value > high else None


def figure(bound: float, feature: Feature) -> str:
    """A declared bound with its unit.

    >>> figure(1200.0, Feature(name="distance", type="number", unit="km"))
    '1200 km'
    """
    return f"{bound:.12g}{' ' if feature.unit else ''}{feature.unit}"


def complain_text(value: Tree, longest: int, shortest: int = 0) -> str | None:
    """Complain about a text that is not of `shortest` to `longest` characters; None where it is."""
    if not isinstance(value, str):
        return f"must be text, not {shown(value)}"
    if not shortest <= len(value) <= longest:
        return f"must have {shortest} to {longest} characters, not {len(value)}"
    return None if printable(value) else "holds half of a surrogate pair, which is not Unicode text"


def shown(value: Tree) -> str:
    """Name the kind of a value for a sentence: never the value, which may be about a person.

    >>> shown({"a": 1}), shown(True), shown(2.5), shown(7), shown("Ann")
    ('an object', 'true', 'a fraction', 'a number', 'text')
    """
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, float) and math.isinf(value):
        return "a number beyond float64"
    if isinstance(value, float) and not value.is_integer():
        return "a fraction"
    kinds: dict[type, str] = {dict: "an object", list: "an array", str: "text"}
    return kinds.get(type(value), "a number")


def nearest(name: str, names: Sequence[str]) -> str:
    """The nearest valid name, whatever the case of both, as the end of a sentence, or nothing.

    >>> nearest("tmep", ("temp", "wind")), nearest("WIND", ("temp", "wind"))
    ('; did you mean temp?', '; did you mean wind?')
    """
    match = complaint.nearest(name[:64], names)
    return f"; did you mean {match}?" if match else ""


def usual_range(feature: Feature) -> tuple[float, float]:
    """The least and the most that a number or an integer is without being refused or warned of.

    >>> usual_range(Feature(name="age", type="number", min=0, usual=(-1, 80)))
    (0.0, 80.0)
    """
    low, high = allowed_range(feature)
    return low if feature.usual is None else max(low, feature.usual[0]), (
        high if feature.usual is None else min(high, feature.usual[1])
    )


def allowed_range(feature: Feature) -> tuple[float, float]:
    """The least and the most that a number or an integer is without being refused."""
    most = float(LARGEST_INTEGER) if feature.type == "integer" else LARGEST_NUMBER
    low = -most if feature.min is None else max(-most, feature.min)
    return low, most if feature.max is None else min(most, feature.max)


def _field(
    attribute: str, feature: Feature, low: float, high: float, known: bool
) -> tuple[str, Any] | tuple[str, Any, Any]:
    kind: Any
    match feature.type:
        case "boolean":
            kind = bool
        case "category":
            kind = Annotated[str, Meta(max_length=LONGEST_TEXT)]
            if known:
                kind = Literal[feature.categories]  # the declared ones
        case "integer":
            kind = Annotated[int, Meta(ge=math.ceil(low), le=math.floor(high))]
        case "number":
            kind = Annotated[float, Meta(ge=low, le=high)]
    if feature.missing:
        return attribute, kind | None | UnsetType, UNSET
    return attribute, kind
