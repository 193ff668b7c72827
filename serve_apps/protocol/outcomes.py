"""The outcomes endpoint's JSON: what happened after decisions, one or many, late, repeatable."""

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated

import msgspec
from msgspec import Meta

from windvane.cluster.decision_log.record import Outcome
from windvane.cluster.errors import Problem, TooLarge
from windvane.configs.schema import ModelSpec
from windvane.serve_apps.protocol.casts import truth
from windvane.serve_apps.protocol.features import HINTS, complain_text, nearest, shown
from windvane.serve_apps.protocol.instances import LONGEST_ID, TOMORROW, Problems, invalid
from windvane.serve_apps.protocol.problem import ProblemPlace, places
from windvane.serve_apps.protocol.strict_json import Tree, parse, pointer

MOST_KPIS = 64
FIELDS = ("decision_id", "label", "kpis")
MANY = "outcomes"
ID_PATTERN = r"^[0-9a-f]{8}-[0-9a-f]{4}-[57][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\Z"  # see `decision_id`

Kpis = Annotated[dict[Annotated[str, Meta(min_length=1, max_length=LONGEST_ID)], float], Meta(max_length=MOST_KPIS)]


class One(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Outcome of one decision."""

    decision_id: Annotated[str, Meta(pattern=ID_PATTERN)]
    label: bool | None = None
    kpis: Kpis | None = None


class Many(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Outcomes of many decisions."""

    outcomes: list[One]


class Accepted(msgspec.Struct, frozen=True, omit_defaults=True):
    """The reply: how many are on the log, and what is wrong with each of the others.

    Whether there is such a decision nobody knows yet: it may stand in another replica's log. The monitor joins them.
    """

    accepted: int
    refused: int = 0
    errors: tuple[ProblemPlace, ...] = ()


@dataclass(frozen=True, slots=True)
class Reported:
    """The records to log, and what is wrong with the others, by their places among what was sent."""

    outcomes: list[Outcome]
    refused: Mapping[int, Problems]

    def __len__(self) -> int:
        return len(self.outcomes) + len(self.refused)


class Outcomes:
    """Decodes reports of what happened for one model; the newest report of a decision counts."""

    def __init__(self, spec: ModelSpec) -> None:
        self._most = spec.serving.max_instances
        self._one = msgspec.json.Decoder(One)
        self._many = msgspec.json.Decoder(Many)

    def decode(self, body: bytes, now: float, caller: str) -> Reported:
        """Read what `caller` reported at `now` (Unix seconds); raises Malformed or TooLarge, Invalid where all is."""
        try:
            found = [self._one.decode(body)]
            members = 1
        except (ValueError, RecursionError):
            try:
                found = self._many.decode(body).outcomes
                members = 1 + len(found)
            except (ValueError, RecursionError):
                return self._untyped(body, now, caller)
        if not 1 <= len(found) <= self._most or any(one.label is None and not one.kpis for one in found):
            return self._untyped(body, now, caller)
        if any(_is_ahead(one.decision_id, now) for one in found):
            return self._untyped(body, now, caller)
        members += sum((one.label is not None) + len(one.kpis or ()) + (one.kpis is not None) for one in found)
        if b"\\" in body or body.count(b":") != members:
            parse(body)  # perhaps a key stands twice, which the strict reader refuses
        return Reported([Outcome(one.decision_id, now, one.label, one.kpis or {}, caller) for one in found], {})

    def encode(self, reported: Reported) -> bytes:
        """The reply's body, once the records are on the log."""
        wrong = tuple(problem for problems in reported.refused.values() for problem in problems)
        return msgspec.json.encode(Accepted(len(reported.outcomes), len(reported.refused), places(wrong)))

    def _untyped(self, body: bytes, now: float, caller: str) -> Reported:
        tree = parse(body, nan_is_null=True)
        if not isinstance(tree, dict):
            sentence = f"must be an object with `decision_id`, or with `outcomes`, not {shown(tree)}"
            raise invalid([Problem("", sentence, "type")])
        sent, wrong = tree.get(MANY), list(_beside(tree))
        if sent is None:
            read = [_outcome({name: each for name, each in tree.items() if name != MANY}, "", now, caller)]
            wrong = []
        elif not isinstance(sent, list) or not sent:
            wrong.append(Problem(f"/{MANY}", "must be an array with at least one outcome", "type", MANY))
            raise invalid(wrong)
        elif len(sent) > self._most:
            raise TooLarge(f"{len(sent)} outcomes; send at most {self._most} at once")
        else:
            read = [_outcome(each, f"/{MANY}/{place}", now, caller) for place, each in enumerate(sent)]
        refused = {place: each for place, each in enumerate(read) if not isinstance(each, Outcome)}
        if wrong or len(refused) == len(read):
            raise invalid([*wrong, *(problem for problems in refused.values() for problem in problems)])
        return Reported([each for each in read if isinstance(each, Outcome)], refused)


def _outcome(tree: Tree, at: str, now: float, caller: str) -> Outcome | Problems:
    """One outcome, cast where that loses nothing, or everything wrong with it."""
    if not isinstance(tree, dict):
        return (Problem(at, f"must be an object with `decision_id`, not {shown(tree)}", "type"),)
    wrong = list(_unknown(tree, at))
    decision_id = _given_out(tree.get("decision_id"), now)
    if decision_id is None:
        reason = "missing" if tree.get("decision_id") is None else "unknown_id"
        sentence = "must be the `decision_id` of a reply; no decision was ever given such an id"
        wrong.append(Problem(pointer(at, "decision_id"), sentence, reason, "decision_id"))
    label = None if tree.get("label") is None else truth(tree["label"])
    if label is None and tree.get("label") is not None:
        sentence = f"must be true or false, 1 or 0, or null, not {shown(tree['label'])}"
        wrong.append(Problem(pointer(at, "label"), sentence, "type", "label"))
    kpis = {} if tree.get("kpis") is None else tree["kpis"]
    if not isinstance(kpis, dict):
        sentence = f"must be an object of names and numbers, not {shown(kpis)}"
        wrong.append(Problem(pointer(at, "kpis"), sentence, "type", "kpis"))
    elif len(kpis) > MOST_KPIS:
        wrong.append(
            Problem(pointer(at, "kpis"), f"must have at most {MOST_KPIS} members, not {len(kpis)}", "size", "kpis")
        )
    elif not (kpis := {name: value for name, value in kpis.items() if value is not None}) and tree.get("label") is None:
        wrong.append(Problem(at, "must have a `label` or `kpis`", "missing", "label"))
    else:
        wrong += _kpi_problems(kpis, pointer(at, "kpis"))
    if wrong or decision_id is None:
        return tuple(wrong)
    return Outcome(decision_id, now, label, {name: float(value) for name, value in kpis.items()}, caller)


def _beside(tree: Mapping[str, Tree]) -> Iterator[Problem]:
    """Problems of members beside `outcomes`, unknown or not null."""
    for name, value in tree.items():
        if name != MANY and (value is not None or name not in FIELDS):
            sentence = "must not stand beside `outcomes`; give it in each of them"
            yield Problem(pointer("", name), sentence, "unknown_field")


def _unknown(tree: Mapping[str, Tree], at: str) -> Iterator[Problem]:
    for place, name in enumerate(name for name in tree if name not in FIELDS):
        hint = nearest(name, FIELDS) if place < HINTS else ""
        yield Problem(pointer(at, name), f"is no field of an outcome{hint}", "unknown_field")


def _kpi_problems(kpis: Mapping[str, Tree], at: str) -> Iterator[Problem]:
    for name, value in kpis.items():
        complaint, reason = complain_text(name, LONGEST_ID, 1), "type"
        if not isinstance(value, int | float):
            complaint = f"must be a number, not {shown(value)}"
        elif abs(value) > sys.float_info.max:
            complaint, reason = "must lie within float64", "range"
        if complaint is not None:
            yield Problem(pointer(at, name), complaint, reason, "kpis")


def _given_out(value: Tree, now: float) -> str | None:
    """The id as replies write it; None when no decision up to now can have it. Case is the caller's."""
    name = value.lower() if isinstance(value, str) else ""
    return name if re.match(ID_PATTERN, name) and not _is_ahead(name, now) else None


def _is_ahead(decision_id: str, now: float) -> bool:
    """Whether an id that tells its time tells one that is still to come.

    >>> _is_ahead("013d2564-dd00-7000-8000-000000000000", now=1362132000.0)
    False
    >>> _is_ahead("013d2564-dd00-7000-8000-000000000000", now=1362000000.0)
    True
    """
    return decision_id[14] == "7" and int(decision_id[:8] + decision_id[9:13], 16) > (now + TOMORROW) * 1000.0
