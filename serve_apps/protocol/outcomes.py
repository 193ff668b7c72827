"""The outcomes door's JSON: what happened after decisions, one or many, late, repeatable."""

import sys
from collections.abc import Iterator
from itertools import islice
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from cluster.decision_log.record import Outcome
from cluster.errors import Invalid, Problem, TooLarge
from configs.schema import ModelSpec
from serve_apps.protocol.decide import LONGEST_ID, PROBLEMS_LISTED
from serve_apps.protocol.features import HINTS, complain_text, nearest, shown
from serve_apps.protocol.strict_json import Tree, parse, pointer

MOST_KPIS = 64
FIELDS = ("decision_id", "label", "kpis")
UUID_PATTERN = r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z"


class One(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What happened after one decision."""

    decision_id: Annotated[str, Meta(pattern=UUID_PATTERN)]
    label: bool | None = None
    kpis: Annotated[
        dict[Annotated[str, Meta(min_length=1, max_length=LONGEST_ID)], float], Meta(max_length=MOST_KPIS)
    ] = {}


class Many(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What happened after many decisions."""

    outcomes: list[One]


class Outcomes:
    """Decodes reports of what happened for one model; the newest report of a decision counts."""

    def __init__(self, spec: ModelSpec) -> None:
        self._most = spec.serving.max_instances
        self._one = msgspec.json.Decoder(One)
        self._many = msgspec.json.Decoder(Many)

    def decode(self, body: bytes, now: float, caller: str) -> list[Outcome]:
        """The records to log, reported at `now` (Unix seconds) by `caller`; raises Malformed, Invalid or TooLarge."""
        try:
            found = [self._one.decode(body)]
            members = 1
        except (ValueError, RecursionError) as refused_as_one:
            try:
                found = self._many.decode(body).outcomes
                members = 1 + len(found)
            except (ValueError, RecursionError):
                raise self._refusal(body, str(refused_as_one)) from refused_as_one
        if not 1 <= len(found) <= self._most:
            raise self._refusal(body, f"{len(found)} outcomes")
        if any(one.label is None and not one.kpis for one in found):
            raise self._refusal(body, "neither label nor kpis")
        members += sum((one.label is not None) + len(one.kpis) + bool(one.kpis) for one in found)
        if b"\\" in body or body.count(b":") != members:
            parse(body)  # perhaps a key stands twice, which the strict reader refuses
        return [Outcome(one.decision_id, now, one.label, one.kpis, caller) for one in found]

    def _refusal(self, body: bytes, reason: str) -> Exception:
        tree = parse(body)
        if isinstance(tree, dict) and isinstance(tree.get("outcomes"), list) and len(tree["outcomes"]) > self._most:
            return TooLarge(f"{len(tree['outcomes'])} outcomes; send at most {self._most} at once")
        problems = tuple(islice(_problems(tree), PROBLEMS_LISTED)) or (Problem("", reason),)
        return Invalid(f"{len(problems)} {'field is' if len(problems) == 1 else 'fields are'} wrong", problems)


def _problems(tree: Tree) -> Iterator[Problem]:
    if not isinstance(tree, dict):
        yield Problem("", f"must be an object with `decision_id`, or with `outcomes`, not {shown(tree)}")
    elif "outcomes" not in tree:
        yield from _one_problems(tree, "")
    else:
        for name in tree:
            if name != "outcomes":
                yield Problem(pointer("", name), "must not stand beside `outcomes`; give it in each of them")
        if not isinstance(tree["outcomes"], list) or not tree["outcomes"]:
            yield Problem("/outcomes", "must be an array with at least one outcome")
        else:
            for place, one in enumerate(tree["outcomes"]):
                yield from _one_problems(one, f"/outcomes/{place}")


def _one_problems(tree: Tree, at: str) -> Iterator[Problem]:
    if not isinstance(tree, dict):
        yield Problem(at, f"must be an object with `decision_id`, not {shown(tree)}")
        return
    unknown = [name for name in tree if name not in FIELDS]
    for place, name in enumerate(unknown):
        hint = nearest(name, FIELDS) if place < HINTS else ""
        yield Problem(pointer(at, name), f"is no field of an outcome{hint}")
    if not _is_uuid(tree.get("decision_id")):
        yield Problem(pointer(at, "decision_id"), "must be the `decision_id` of a reply")
    label, kpis = tree.get("label"), tree.get("kpis", {})
    if label is not None and not isinstance(label, bool):
        yield Problem(pointer(at, "label"), f"must be true, false or null, not {shown(label)}")
    if not isinstance(kpis, dict):
        yield Problem(pointer(at, "kpis"), f"must be an object of names and numbers, not {shown(kpis)}")
    elif len(kpis) > MOST_KPIS:
        yield Problem(pointer(at, "kpis"), f"must have at most {MOST_KPIS} members, not {len(kpis)}")
    elif label is None and not kpis:
        yield Problem(at, "must have a `label` or `kpis`")
    else:
        yield from _kpi_problems(kpis, pointer(at, "kpis"))


def _kpi_problems(kpis: dict[str, Tree], at: str) -> Iterator[Problem]:
    for name, value in kpis.items():
        complaint = complain_text(name, LONGEST_ID, 1)
        if isinstance(value, bool) or not isinstance(value, int | float):
            complaint = f"must be a number, not {shown(value)}"
        elif abs(value) > sys.float_info.max:
            complaint = "must lie within float64"
        if complaint is not None:
            yield Problem(pointer(at, name), complaint)


def _is_uuid(value: Tree) -> bool:
    try:
        return isinstance(value, str) and str(UUID(value)) == value
    except ValueError:
        return False
