"""The decide endpoint's JSON: typed decoding of what is usual, a second look at the rest, and the reply."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from windvane.cluster.decision_log.grounds import Counterfactual, NoneFound, Reason
from windvane.cluster.decision_log.record import Value
from windvane.configs.schema import ModelSpec
from windvane.serve_apps.protocol.casts import LARGEST_INTEGER
from windvane.serve_apps.protocol.features import Features
from windvane.serve_apps.protocol.instances import (
    CONTEXT_MEMBERS,
    LONGEST_CONTEXT_TEXT,
    LONGEST_ID,
    LONGEST_PURPOSE,
    LONGEST_SUBJECT,
    MANY,
    TOMORROW,
    Instances,
    Problems,
    invalid,
    moment_of,
)
from windvane.serve_apps.protocol.problem import Details, ProblemPlace, details, places
from windvane.serve_apps.protocol.question import Answer, Question
from windvane.serve_apps.protocol.strict_json import parse

Scalar = (
    Annotated[int, Meta(ge=-LARGEST_INTEGER, le=LARGEST_INTEGER)]
    | float
    | bool
    | Annotated[str, Meta(max_length=LONGEST_CONTEXT_TEXT)]
    | None
)
Context = Annotated[dict[Annotated[str, Meta(max_length=LONGEST_ID)], Scalar], Meta(max_length=CONTEXT_MEMBERS)]
NOTHING: Mapping[int, Problems] = {}


class Asked(msgspec.Struct, frozen=True, gc=False):
    """One request as read: the questions that can be decided, in their order, and what is to be said of the others."""

    questions: list[Question]
    many: bool  # whether they came as `instances`
    warnings: Mapping[int, Problems] = NOTHING  # by place among the questions
    refused: Mapping[int, Problems] = NOTHING  # by place among the instances

    def __len__(self) -> int:
        return len(self.questions) + len(self.refused)


class ActionReply(msgspec.Struct, frozen=True):
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


class DecisionReply(msgspec.Struct, frozen=True, omit_defaults=True):
    """One decision as the caller sees it."""

    decision_id: str
    model: str
    version: int
    arm: str
    prediction: float
    decision: ActionReply
    explanation: Explanation | None = None
    warnings: tuple[ProblemPlace, ...] = ()


class RefusedInstance(msgspec.Struct, frozen=True):
    """One instance that is not decided, in a reply to many."""

    problem: Details


class Replies(msgspec.Struct, frozen=True, omit_defaults=True):
    """The reply to `instances`, in their order."""

    decisions: list[DecisionReply | RefusedInstance]
    refused: int = 0


class Decide:
    """Decodes requests for one model and encodes its replies."""

    def __init__(self, spec: ModelSpec) -> None:
        self._model = spec.name
        self._features = Features(spec.features)
        self._instances = Instances(spec, self._features)
        self._has_time = spec.data.time is not None
        self._max_instances = spec.serving.max_instances
        self._usual, self._usual_many = _decoders(self._features.usual)
        self._allowed, self._allowed_many = _decoders(self._features.allowed)
        self._encoder = msgspec.json.Encoder()

    def decode(self, body: bytes, now: float) -> Asked:
        """Read the questions; raises Malformed or TooLarge, or Invalid where none of it can be decided.

        What is written as declared is read by typed decoders, first as if all were usual; the rest value by value.
        """
        many, usual = False, True
        try:
            found = [self._usual.decode(body)]
        except (ValueError, RecursionError):
            try:
                found, many, usual = self._typed(body)
            except (ValueError, RecursionError):
                return self._untyped(body, now)
        if not 1 <= len(found) <= self._max_instances:
            return self._untyped(body, now)
        questions = []
        members = 1 if many else 0
        for instance in found:
            question, sent = self._question(instance)
            if question.event_time is not None and not 0 <= question.event_time <= now + TOMORROW:
                return self._untyped(body, now)
            questions.append(question)
            members += sent
        if b"\\" in body or body.count(b":") != members:
            parse(body)  # text was escaped, or a key stands twice, which the strict reader refuses
        return Asked(questions, many, NOTHING if usual else self._warnings(questions, many))

    def encode(self, asked: Asked, answers: Sequence[Answer]) -> bytes:
        """The reply's body: one decision, or `decisions` in the order of the instances, a problem where one is bad."""
        warnings, refused = asked.warnings, asked.refused
        if not asked.many:
            return self._encoder.encode(self._reply(answers[0], warnings.get(0, ())))
        decided: list[DecisionReply | RefusedInstance] = [
            self._reply(answer, warnings.get(place, ())) for place, answer in enumerate(answers)
        ]
        if not refused:
            return self._encoder.encode(Replies(decided))
        replies = iter(decided)
        merged = [
            RefusedInstance(self._details(place, refused[place])) if place in refused else next(replies)
            for place in range(len(asked))
        ]
        return self._encoder.encode(Replies(merged, len(refused)))

    def _typed(self, body: bytes) -> tuple[list[Any], bool, bool]:
        """The instances, whether they are many, and whether all are usual; raises as decoders do."""
        for decoder, many, usual in (
            (self._usual_many, True, True),
            (self._allowed, False, False),
            (self._allowed_many, True, False),
        ):
            try:
                found = decoder.decode(body)
            except (ValueError, RecursionError) as error:
                refusal = error
            else:
                return (getattr(found, MANY) if many else [found]), many, usual
        raise refusal

    def _untyped(self, body: bytes, now: float) -> Asked:
        read, many = self._instances.read(body, now)
        questions = {place: each for place, each in enumerate(read) if isinstance(each, Question)}
        refused = {place: each for place, each in enumerate(read) if not isinstance(each, Question)}
        return Asked(
            list(questions.values()), many, self._warnings(list(questions.values()), many, list(questions)), refused
        )

    def _warnings(
        self, questions: Sequence[Question], many: bool, instances: Sequence[int] | None = None
    ) -> Mapping[int, Problems]:
        """Warnings by place among the questions; `instances` are their places among what was sent."""
        found: dict[int, Problems] = {}
        for place, question in enumerate(questions):
            instance = place if instances is None else instances[place]
            at = f"/{MANY}/{instance}/features" if many else "/features"
            if warnings := tuple(self._features.warnings(question.row, at)):
                found[place] = warnings
        return found

    def _details(self, place: int, problems: Problems) -> Details:
        return details(invalid(problems), f"/v2/models/{self._model}/decide#/{MANY}/{place}")

    def _reply(self, answer: Answer, warnings: Problems) -> DecisionReply:
        return DecisionReply(
            answer.decision_id,
            self._model,
            answer.version,
            answer.arm,
            answer.prediction,
            ActionReply(answer.action, answer.reasons),
            None if answer.explanation is None else _explanation(answer.explanation[0], answer),
            places(warnings) if warnings else (),
        )

    def _question(self, instance: Any) -> tuple[Question, int]:
        """The question, and how many colons its JSON has when no key is repeated and no text is escaped."""
        row, sent = self._features.values(instance.features)
        context: dict[str, Value] = instance.context or {}
        request_id = instance.id or None
        texts = instance.subject
        members = 2 + sent
        event_time = None
        for place in self._features.texts:
            texts += row[place] or ""
        if context:
            event_time = moment_of(context) if self._has_time else None
            members += len(context)
            texts += "".join([value for value in context.values() if type(value) is str])
            texts += "".join(context)
        if request_id is not None:
            texts += request_id
        purpose = ""
        if instance.purpose is not UNSET:
            purpose = instance.purpose or ""
            texts += purpose
            members += 1
        members += (instance.context is not UNSET) + (instance.explain is not UNSET) + (instance.id is not UNSET)
        members += texts.count(":")
        explain = instance.explain is True
        return Question(instance.subject, row, event_time, context, explain, request_id, purpose), members


def _explanation(base_value: float, answer: Answer) -> Explanation:
    grounds = answer.grounds
    if grounds is None:
        return Explanation(base_value, answer.top)
    return Explanation(base_value, answer.top, grounds.reasons, grounds.counterfactual)


def _decoders(features: type[msgspec.Struct]) -> tuple["msgspec.json.Decoder[Any]", "msgspec.json.Decoder[Any]"]:
    """Of one instance, and of many, with features of this type."""
    instance: list[tuple[str, Any] | tuple[str, Any, Any]] = [
        ("subject", Annotated[str, Meta(min_length=1, max_length=LONGEST_SUBJECT)]),
        ("features", features),
        ("context", Context | None | UnsetType, UNSET),
        ("explain", bool | None | UnsetType, UNSET),
        ("id", Annotated[str, Meta(min_length=1, max_length=LONGEST_ID)] | None | UnsetType, UNSET),
        ("purpose", Annotated[str, Meta(min_length=1, max_length=LONGEST_PURPOSE)] | None | UnsetType, UNSET),
    ]
    one = msgspec.defstruct("Instance", instance, forbid_unknown_fields=True, kw_only=True, frozen=True)
    many = msgspec.defstruct("Instances", [(MANY, list[one])], forbid_unknown_fields=True, frozen=True)  # type: ignore[valid-type]
    return msgspec.json.Decoder(one), msgspec.json.Decoder(many)
