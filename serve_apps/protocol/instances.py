"""Instances of a decide request that the typed decoder leaves: lossless casts, and every problem of the others."""

import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice

from windvane.cluster.decision_log.record import Value
from windvane.cluster.errors import Invalid, Problem, TooLarge
from windvane.configs.schema import ModelSpec
from windvane.serve_apps.protocol.casts import LARGEST_INTEGER, text, truth
from windvane.serve_apps.protocol.features import HINTS, Features, complain_text, nearest, shown
from windvane.serve_apps.protocol.question import Question
from windvane.serve_apps.protocol.strict_json import Tree, parse, pointer

LONGEST_SUBJECT = 512
LONGEST_ID = 128
LONGEST_CONTEXT_TEXT = 1024
CONTEXT_MEMBERS = 64
PROBLEMS_LISTED = 10_000
HINTED = 20  # instances that get a "did you mean"; each costs a search
TOMORROW = 86_400.0  # how far an event time may lie ahead of the clock, in seconds
LONGEST_PURPOSE = 64
FIELDS = ("subject", "features", "context", "explain", "id", "purpose")
MANY = "instances"

Problems = tuple[Problem, ...]


class Instances:
    """Reads one model's instances from parsed JSON; null and NaN stand for what is not there."""

    def __init__(self, spec: ModelSpec, features: Features) -> None:
        self._features = features
        self._has_time = spec.data.time is not None
        self._most = spec.serving.max_instances

    def read(self, body: bytes, now: float) -> tuple[list[Question | Problems], bool]:
        """Read each instance's question, or its fault, and whether they came as `instances`.

        Raises Malformed, TooLarge, or Invalid where nothing can be read of any: with every problem of all of them.
        """
        tree = parse(body, nan_is_null=True)
        if not isinstance(tree, dict):
            sentence = f"must be an object with `subject` and `features`, or with `instances`, not {shown(tree)}"
            raise invalid([Problem("", sentence, "type")])
        if tree.get(MANY) is None:
            found = self._instance({name: each for name, each in tree.items() if name != MANY}, "", now, hints=True)
            if not isinstance(found, Question):
                raise invalid(found)
            return [found], False
        sent = tree[MANY]
        if isinstance(sent, list) and len(sent) > self._most:
            raise TooLarge(f"{len(sent)} instances; send at most {self._most} at once")
        wrong = list(_beside(tree))
        if not isinstance(sent, list) or not sent:
            wrong.append(Problem(f"/{MANY}", "must be an array with at least one instance", "type", MANY))
            raise invalid(wrong)
        read = [self._instance(each, f"/{MANY}/{place}", now, place < HINTED) for place, each in enumerate(sent)]
        if wrong or not any(isinstance(each, Question) for each in read):
            raise invalid([*wrong, *(problem for each in read if not isinstance(each, Question) for problem in each)])
        return list(read), True

    def _instance(self, tree: Tree, at: str, now: float, hints: bool) -> Question | Problems:
        if not isinstance(tree, dict):
            return (Problem(at, f"must be an object with `subject` and `features`, not {shown(tree)}", "type"),)
        wrong = list(_unknown(tree, at, hints))
        subject, request_id, purpose = text(tree.get("subject")), text(tree.get("id")), tree.get("purpose")
        explain = False if tree.get("explain") is None else truth(tree["explain"])
        missing = "is missing; it names what the decision is about"
        complaints = {
            "subject": missing if subject is None else complain_text(subject, LONGEST_SUBJECT, 1),
            "explain": "must be true or false" if explain is None else None,
            "id": None if request_id is None else complain_text(request_id, LONGEST_ID, 1),
            "purpose": None if purpose is None else complain_text(purpose, LONGEST_PURPOSE, 1),
        }
        for name, complaint in complaints.items():
            if complaint is not None:
                reason = "missing" if complaint == missing else "type"
                wrong.append(Problem(pointer(at, name), complaint, reason, name))
        row: tuple[Value, ...] = ()
        features = tree.get("features")
        if isinstance(features, dict):
            row, found = self._features.read(features, pointer(at, "features"), hints)
            wrong += found
        elif features is None:
            sentence = "is missing; it maps feature names to values"
            wrong.append(Problem(pointer(at, "features"), sentence, "missing", "features"))
        else:
            sentence = f"must be an object of feature names and values, not {shown(features)}"
            wrong.append(Problem(pointer(at, "features"), sentence, "type", "features"))
        context = {} if tree.get("context") is None else tree["context"]
        wrong += context_problems(context, pointer(at, "context"), now if self._has_time else None)
        if wrong:
            return tuple(islice(wrong, PROBLEMS_LISTED))
        event_time = moment_of(context) if self._has_time else None
        return Question(subject, row, event_time, context, explain is True, request_id, purpose or "")


def invalid(problems: list[Problem] | Problems) -> Invalid:
    """The error that names every place; only the first ones are listed where there are very many."""
    listed = tuple(islice(problems, PROBLEMS_LISTED))
    if len(problems) > PROBLEMS_LISTED:
        listed = (*listed, Problem("", "and more; only the first problems are listed"))
    return Invalid(f"{len(problems)} {'field is' if len(problems) == 1 else 'fields are'} wrong", listed)


def context_problems(tree: Tree, at: str, now: float | None) -> Iterator[Problem]:
    """Everything wrong with a context; its `event_time` is read when the model has a clock, `now` in Unix seconds."""
    if not isinstance(tree, dict):
        yield Problem(at, f"must be an object of names and values, not {shown(tree)}", "type", "context")
        return
    if len(tree) > CONTEXT_MEMBERS:
        yield Problem(at, f"must have at most {CONTEXT_MEMBERS} members, not {len(tree)}", "size", "context")
    for name, value in tree.items():
        complaint = complain_text(name, LONGEST_ID)
        if isinstance(value, dict | list):
            complaint = f"must be text, a number, true, false or null, not {shown(value)}"
        elif isinstance(value, str):
            complaint = complain_text(value, LONGEST_CONTEXT_TEXT)
        elif isinstance(value, float) and math.isinf(value):
            complaint = "must lie within float64"
        elif isinstance(value, int) and abs(value) > LARGEST_INTEGER:
            complaint = "must lie within ±2^53; send larger numbers as text"
        if complaint is not None:
            yield Problem(pointer(at, name), complaint, "type", "context")
        elif name == "event_time" and now is not None and value is not None:
            seconds = moment(value)
            if math.isnan(seconds):
                yield Problem(
                    pointer(at, name), f"must be ISO 8601 or Unix seconds, not {shown(value)}", "time", "event_time"
                )
            elif not 0 <= seconds <= now + TOMORROW:
                yield Problem(pointer(at, name), "must lie between 1970 and tomorrow", "time", "event_time")


def moment_of(context: Mapping[str, Value]) -> float | None:
    """Unix seconds of the `event_time` that a context gives, NaN when it is none; None when it gives none."""
    sent = context.get("event_time")
    return None if sent is None else moment(sent)


def moment(value: Value) -> float:
    """Unix seconds of an ISO 8601 text (UTC when it names no zone) or of a number; NaN for anything else.

    >>> moment("2013-03-01T10:00:00Z"), moment(1.5), moment(True)
    (1362132000.0, 1.5, nan)
    """
    if isinstance(value, str):
        try:
            parsed = datetime.fromisoformat(value)
            return (parsed if parsed.tzinfo is not None else parsed.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError):
            return math.nan
    return math.nan if isinstance(value, bool) or value is None else float(value)


def _beside(tree: Mapping[str, Tree]) -> Iterator[Problem]:
    """Problems of members beside `instances`, unknown or not null."""
    for name, value in tree.items():
        if name != MANY and (value is not None or name not in FIELDS):
            sentence = "must not stand beside `instances`; give it in each instance"
            yield Problem(pointer("", name), sentence, "unknown_field")


def _unknown(tree: Mapping[str, Tree], at: str, hints: bool) -> Iterator[Problem]:
    for place, name in enumerate(name for name in tree if name not in FIELDS):
        hint = nearest(name, FIELDS) if hints and place < HINTS else ""
        yield Problem(pointer(at, name), f"is no field of a request{hint}", "unknown_field")
