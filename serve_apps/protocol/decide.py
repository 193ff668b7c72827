"""The decide door's JSON: typed decoding of what is right, every problem of what is wrong, and the reply."""

import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from cluster.decision_log.grounds import Counterfactual, NoneFound, Reason
from cluster.decision_log.record import Value
from cluster.errors import Invalid, Problem, TooLarge
from configs.schema import ModelSpec
from serve_apps.protocol.features import HINTS, LARGEST_INTEGER, Features, complain_text, nearest, shown
from serve_apps.protocol.strict_json import Tree, parse, pointer
from serve_apps.question import Answer, Question

LONGEST_SUBJECT = 512
LONGEST_ID = 128
LONGEST_CONTEXT_TEXT = 1024
CONTEXT_MEMBERS = 64
PROBLEMS_LISTED = 10_000
HINTED = 20  # instances that get a "did you mean"; each costs a search
TOMORROW = 86_400.0  # how far an event time may lie ahead of the clock, in seconds
LONGEST_PURPOSE = 64
FIELDS = ("subject", "features", "context", "explain", "id", "purpose")

Scalar = (
    Annotated[int, Meta(ge=-LARGEST_INTEGER, le=LARGEST_INTEGER)]
    | float
    | bool
    | Annotated[str, Meta(max_length=LONGEST_CONTEXT_TEXT)]
    | None
)
Context = Annotated[dict[Annotated[str, Meta(max_length=LONGEST_ID)], Scalar], Meta(max_length=CONTEXT_MEMBERS)]


class Ruling(msgspec.Struct, frozen=True):
    """The action taken and why."""

    action: str
    reasons: tuple[str, ...]


class Explanation(msgspec.Struct, frozen=True, omit_defaults=True):
    """The score's parts: `base_value` and the weights of all features add up to its log-odds.

    `reasons` and `counterfactual` are what an adverse action owes.
    """

    base_value: float
    top_features: tuple[Reason, ...]
    reasons: tuple[Reason, ...] | None = None
    counterfactual: Counterfactual | NoneFound | None = None


class Reply(msgspec.Struct, frozen=True, omit_defaults=True):
    """One decision as the caller sees it."""

    decision_id: str
    model: str
    version: int
    arm: str
    prediction: float
    decision: Ruling
    explanation: Explanation | None = None


class Decide:
    """Decodes requests for one model and encodes its replies."""

    def __init__(self, spec: ModelSpec) -> None:
        self._model = spec.name
        self._features = Features(spec.features)
        self._has_time = spec.data.time is not None
        self._max_instances = spec.serving.max_instances
        instance: list[tuple[str, Any] | tuple[str, Any, Any]] = [
            ("subject", Annotated[str, Meta(min_length=1, max_length=LONGEST_SUBJECT)]),
            ("features", self._features.struct),
            ("context", Context | UnsetType, UNSET),
            ("explain", bool | UnsetType, UNSET),
            ("id", Annotated[str, Meta(min_length=1, max_length=LONGEST_ID)] | None | UnsetType, UNSET),
            ("purpose", Annotated[str, Meta(min_length=1, max_length=LONGEST_PURPOSE)] | UnsetType, UNSET),
        ]
        one = msgspec.defstruct("Instance", instance, forbid_unknown_fields=True, kw_only=True, frozen=True)
        many = msgspec.defstruct("Instances", [("instances", list[one])], forbid_unknown_fields=True, frozen=True)  # type: ignore[valid-type]
        self._one: msgspec.json.Decoder[Any] = msgspec.json.Decoder(one)
        self._many: msgspec.json.Decoder[Any] = msgspec.json.Decoder(many)
        self._encoder = msgspec.json.Encoder()

    def decode(self, body: bytes, now: float) -> tuple[list[Question], bool]:
        """The questions and whether they came as `instances`; raises Malformed, Invalid or TooLarge."""
        found, many = self._typed(body, now)
        questions = []
        members = 1 if many else 0
        for instance in found:
            question, sent = self._question(instance)
            if question.event_time is not None and not 0 <= question.event_time <= now + TOMORROW:
                raise self._refusal(body, now, "event_time")
            questions.append(question)
            members += sent
        if b"\\" in body or body.count(b":") != members:
            self._refuse_repeated_keys(body)
        return questions, many

    def encode(self, answers: Sequence[Answer], many: bool) -> bytes:
        """The reply's body: one decision, or all of them as `decisions` in the order of the instances."""
        if many:
            return self._encoder.encode({"decisions": [self._reply(answer) for answer in answers]})
        return self._encoder.encode(self._reply(answers[0]))

    def _typed(self, body: bytes, now: float) -> tuple[list[Any], bool]:
        try:
            return [self._one.decode(body)], False
        except (ValueError, RecursionError) as refused_as_one:
            try:
                found = self._many.decode(body).instances
            except (ValueError, RecursionError):
                raise self._refusal(body, now, str(refused_as_one)) from refused_as_one
        if not 1 <= len(found) <= self._max_instances:
            raise self._refusal(body, now, f"{len(found)} instances")
        return found, True

    def _reply(self, answer: Answer) -> Reply:
        return Reply(
            answer.decision_id,
            self._model,
            answer.version,
            answer.arm,
            answer.prediction,
            Ruling(answer.action, answer.reasons),
            None if answer.explanation is None else _explanation(answer.explanation[0], answer),
        )

    def _question(self, instance: Any) -> tuple[Question, int]:
        """The question, and how many colons its JSON has when no key is repeated and no text is escaped."""
        row, sent = self._features.values(instance.features)
        context: dict[str, Value] = {} if instance.context is UNSET else instance.context
        request_id = None if instance.id is UNSET else instance.id
        texts = instance.subject
        members = 2 + sent
        event_time = None
        for place in self._features.texts:
            texts += row[place] or ""
        if context:
            event_time = moment(context["event_time"]) if self._has_time and "event_time" in context else None
            members += len(context)
            texts += "".join([value for value in context.values() if type(value) is str])
            texts += "".join(context)
        if request_id is not None:
            texts += request_id
        purpose = ""
        if instance.purpose is not UNSET:
            purpose = instance.purpose
            texts += purpose
            members += 1
        members += (instance.context is not UNSET) + (instance.explain is not UNSET) + (instance.id is not UNSET)
        members += texts.count(":")
        explain = instance.explain is True
        return Question(instance.subject, row, event_time, context, explain, request_id, purpose), members

    def _refuse_repeated_keys(self, body: bytes) -> None:
        """More colons than members: text was escaped, or a key stands twice, which the strict reader refuses."""
        parse(body)

    def _refusal(self, body: bytes, now: float, reason: str) -> Exception:
        """The error that says everything that is wrong with a body; `reason` stands in when nothing is found."""
        tree = parse(body)
        if isinstance(tree, dict) and isinstance(tree.get("instances"), list):
            instances = tree["instances"]
            if len(instances) > self._max_instances:
                return TooLarge(f"{len(instances)} instances; send at most {self._max_instances} at once")
        problems = list(islice(self._problems(tree, now), PROBLEMS_LISTED + 1))
        if not problems:
            return Invalid(f"The request cannot be read: {reason}", (Problem("", reason),))
        if len(problems) > PROBLEMS_LISTED:
            problems[-1] = Problem("", "and more; only the first problems are listed")
        return Invalid(f"{len(problems)} {'field is' if len(problems) == 1 else 'fields are'} wrong", tuple(problems))

    def _problems(self, tree: Tree, now: float) -> Iterator[Problem]:
        if not isinstance(tree, dict):
            yield Problem(
                "", f"must be an object with `subject` and `features`, or with `instances`, not {shown(tree)}"
            )
        elif "instances" not in tree:
            yield from self._instance_problems(tree, "", now, hints=True)
        else:
            for name in tree:
                if name != "instances":
                    yield Problem(pointer("", name), "must not stand beside `instances`; give it in each instance")
            if not isinstance(tree["instances"], list) or not tree["instances"]:
                yield Problem("/instances", "must be an array with at least one instance")
            else:
                for place, instance in enumerate(tree["instances"]):
                    yield from self._instance_problems(instance, f"/instances/{place}", now, hints=place < HINTED)

    def _instance_problems(self, tree: Tree, at: str, now: float, hints: bool) -> Iterator[Problem]:
        if not isinstance(tree, dict):
            yield Problem(at, f"must be an object with `subject` and `features`, not {shown(tree)}")
            return
        unknown = [name for name in tree if name not in FIELDS]
        for place, name in enumerate(unknown):
            hint = nearest(name, FIELDS) if hints and place < HINTS else ""
            yield Problem(pointer(at, name), f"is no field of a request{hint}")
        complaints = {
            "subject": complain_text(tree["subject"], LONGEST_SUBJECT, 1)
            if "subject" in tree
            else "is missing; it names what the decision is about",
            "explain": None if isinstance(tree.get("explain", False), bool) else "must be true or false",
            "id": complain_text(tree["id"], LONGEST_ID, 1) if tree.get("id") is not None else None,
            "purpose": complain_text(tree["purpose"], LONGEST_PURPOSE, 1) if "purpose" in tree else None,
        }
        for name, complaint in complaints.items():
            if complaint is not None:
                yield Problem(pointer(at, name), complaint)
        features = tree.get("features")
        if isinstance(features, dict):
            yield from self._features.problems(features, pointer(at, "features"), hints)
        else:
            yield Problem(
                pointer(at, "features"),
                "is missing; it maps feature names to values"
                if "features" not in tree
                else f"must be an object of feature names and values, not {shown(features)}",
            )
        if "context" in tree:
            yield from context_problems(tree["context"], pointer(at, "context"), now if self._has_time else None)


def context_problems(tree: Tree, at: str, now: float | None) -> Iterator[Problem]:
    """Everything wrong with a context; its `event_time` is read when the model has a clock, `now` in Unix seconds."""
    if not isinstance(tree, dict):
        yield Problem(at, f"must be an object of names and values, not {shown(tree)}")
        return
    if len(tree) > CONTEXT_MEMBERS:
        yield Problem(at, f"must have at most {CONTEXT_MEMBERS} members, not {len(tree)}")
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
            yield Problem(pointer(at, name), complaint)
        elif name == "event_time" and now is not None:
            seconds = moment(value)
            if math.isnan(seconds):
                yield Problem(pointer(at, name), f"must be ISO 8601 or Unix seconds, not {shown(value)}")
            elif not 0 <= seconds <= now + TOMORROW:
                yield Problem(pointer(at, name), "must lie between 1970 and tomorrow")


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


def _explanation(base_value: float, answer: Answer) -> Explanation:
    grounds = answer.grounds
    if grounds is None:
        return Explanation(base_value, answer.top)
    return Explanation(base_value, answer.top, grounds.reasons, grounds.counterfactual)
