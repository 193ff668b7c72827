"""The Open Inference Protocol without its bytes: turns requests into questions and answers into tensors."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from secrets import token_hex
from typing import Any

import msgspec
import numpy as np

from windvane.cluster.decision_log.grounds import Grounds
from windvane.cluster.decision_log.record import Value
from windvane.cluster.decision_log.vault.personal import UNNAMED
from windvane.cluster.encoding import Rows
from windvane.cluster.errors import Invalid, Problem
from windvane.configs.schema import ModelSpec
from windvane.serve_apps.protocol.casts import text, truth
from windvane.serve_apps.protocol.columns import MOST_WARNINGS, Columns
from windvane.serve_apps.protocol.features import complain_text, nearest, shown
from windvane.serve_apps.protocol.instances import LONGEST_PURPOSE, LONGEST_SUBJECT, context_problems, moment_of
from windvane.serve_apps.protocol.limits import refusal
from windvane.serve_apps.protocol.problem import ProblemPlace, places
from windvane.serve_apps.protocol.question import Answer, Question
from windvane.serve_apps.protocol.strict_json import parse
from windvane.serve_apps.protocol.tensors import BOOL, BYTES, Tensor

SUBJECT, CONTEXT, EXPLAIN, PURPOSE = "subject", "context", "explain", "purpose"
WARNINGS = "warnings"
PREDICTION, ACTION, DECISION_ID, EXPLANATION, VERSION = "prediction", "action", "decision_id", "explanation", "version"
GROUNDS = "grounds"
OUTPUTS = (PREDICTION, ACTION, DECISION_ID, EXPLANATION, VERSION, GROUNDS)
USUAL = (PREDICTION, ACTION, DECISION_ID)  # what a request that names no outputs gets


@dataclass(frozen=True, slots=True)
class InferRequest:
    """One request as any endpoint read it; no `outputs` means the usual ones, and parameters of others are let pass."""

    id: str | None
    inputs: tuple[Tensor, ...]
    outputs: tuple[str, ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)


class AskedRows(msgspec.Struct, frozen=True, gc=False):
    """One question a row, float32[n, F] as the Encoder makes of the rows, and what is not usual about them."""

    questions: list[Question]
    encoded: Rows
    warnings: Mapping[int, Sequence[Problem]]  # by row

    def parameters(self) -> dict[str, str]:
        """Of the reply: its `warnings`, as JSON since gRPC's parameters are scalars, when there are any."""
        if not self.warnings:
            return {}
        told = [problem for problems in self.warnings.values() for problem in problems]
        listed = places(told[:MOST_WARNINGS])
        if len(told) > MOST_WARNINGS:
            listed = (*listed, ProblemPlace("", f"and {len(told) - MOST_WARNINGS} more"))
        return {WARNINGS: msgspec.json.encode(listed).decode()}


class Inference:
    """One model's side of the protocol."""

    def __init__(self, spec: ModelSpec, fresh: Callable[[], str] = lambda: UNNAMED + token_hex(16)) -> None:
        """`fresh` names what nobody named yet."""
        self._columns = Columns(spec.features, spec.serving.max_instances)
        self._places = {feature.name: 1 + place for place, feature in enumerate(spec.features)}
        self._has_time = spec.data.time is not None
        self._usual = (*USUAL, *([GROUNDS] if spec.decision.adverse else []))  # who is owed them, is told
        self._fresh = fresh

    def ask(self, request: InferRequest, now: float) -> AskedRows:
        """One question a row; raises Invalid or TooLarge. Rows without a subject are each a unit of their own."""
        explain = self.explains(request)
        context = self._context(request.parameters, now)
        event_time = moment_of(context) if self._has_time else None
        read = self._columns.read(request.inputs, besides=SUBJECT)
        subjects = self._subjects(request, len(read.rows))
        purpose = _purpose(request.parameters)
        questions = [
            Question(subject, row, event_time, context, explain, None, purpose)
            for subject, row in zip(subjects, read.rows, strict=True)
        ]
        return AskedRows(questions, read.encoded, read.warnings)

    def explains(self, request: InferRequest) -> bool:
        """Whether the request wants contributions; raises Invalid when it asks for what there is not."""
        for place, name in enumerate(request.outputs):
            if name not in OUTPUTS:
                raise Invalid(
                    f"There is no output {name[:64]!a}; there is {', '.join(OUTPUTS)}{nearest(name, OUTPUTS)}"
                )
            if name in request.outputs[:place]:
                raise Invalid(f"Output {name!a} is asked for twice")
        sent = request.parameters.get(EXPLAIN)
        explain = False if sent is None else truth(sent)
        if explain is None:
            raise refusal(EXPLAIN, "type", f"Parameter {EXPLAIN!a} must be true or false, not {shown(sent)}")
        return explain or EXPLANATION in request.outputs

    def wanted(self, request: InferRequest) -> tuple[str, ...]:
        """The names of the outputs to answer with, in their order."""
        return request.outputs or (*self._usual, *([EXPLANATION] if self.explains(request) else []))

    def outputs(self, answers: Sequence[Answer], requested: Sequence[str]) -> tuple[Tensor, ...]:
        """The tensors of these names, one row an answer; `requested` as `wanted` gave it."""
        return tuple(self._output(answers, name) for name in requested)

    def _output(self, answers: Sequence[Answer], name: str) -> Tensor:
        count = len(answers)
        match name:
            case "prediction":
                scores = np.array([answer.prediction for answer in answers], np.float64)
                return Tensor(name, "FP64", (count,), scores)
            case "action":
                return Tensor(name, BYTES, (count,), [answer.action for answer in answers])
            case "decision_id":
                return Tensor(name, BYTES, (count,), [answer.decision_id for answer in answers])
            case "version":
                return Tensor(name, "INT64", (count,), np.array([answer.version for answer in answers], np.int64))
            case "grounds":
                return Tensor(name, BYTES, (count,), [_written(answer.grounds) for answer in answers])
        weights = np.zeros((count, 1 + len(self._places)))  # a feature that the version does not know adds nothing
        for row, answer in enumerate(answers):
            explanation = answer.explanation or ()
            weights[row, [0, *(self._places[each] for each in answer.features)]] = explanation
        return Tensor(name, "FP64", weights.shape, weights.reshape(-1))

    def _context(self, parameters: Mapping[str, Any], now: float) -> dict[str, Value]:
        """From an object, its JSON text, or parameters such as `context.channel`, since gRPC has scalars only."""
        found = parameters.get(CONTEXT)
        if isinstance(found, str):
            found = parse(found.encode(), nan_is_null=True)
        found = {} if found is None else found
        if not isinstance(found, Mapping):
            sentence = f"Parameter {CONTEXT!a} must be an object of names and values, not {shown(found)}"
            raise refusal(CONTEXT, "type", sentence)
        context = dict(found)
        prefix = f"{CONTEXT}."
        for name, value in parameters.items():
            if name.startswith(prefix):
                if name.removeprefix(prefix) in context:
                    raise Invalid(f"Parameter {name[:64]!a} also stands in {CONTEXT!a}: send it once")
                context[name.removeprefix(prefix)] = value
        if context:
            for problem in context_problems(context, CONTEXT, now if self._has_time else None):
                raise refusal(CONTEXT, problem.reason, f"Parameter {problem.pointer[:128]!a} {problem.detail}")
        return context

    def _subjects(self, request: InferRequest, count: int) -> list[str]:
        """One a row: the parameter's, the input's, or fresh ones."""
        sent = [tensor for tensor in request.inputs if tensor.name == SUBJECT]
        if request.parameters.get(SUBJECT) is not None:
            if sent:
                raise refusal(SUBJECT, "size", f"{SUBJECT!a} is an input and a parameter: send one of them")
            subject = text(request.parameters[SUBJECT])
            complaint = complain_text(subject, LONGEST_SUBJECT, 1)
            if complaint is not None:
                raise refusal(SUBJECT, "type", f"Parameter {SUBJECT!a} {complaint}")
            return [str(subject)] * count
        if not sent:
            unit = self._fresh()
            return [f"{unit}.{place}" for place in range(count)]
        if len(sent) > 1 or sent[0].datatype == BOOL or sent[0].shape not in ((count,), (count, 1)):
            sentence = f"Input {SUBJECT!a} must be one {BYTES} tensor of shape [{count}], a text for each row"
            raise refusal(SUBJECT, "type", sentence)
        values = sent[0].values
        subjects: list[str] = []
        for row, value in enumerate(values.tolist() if isinstance(values, np.ndarray) else values):
            subject = text(value)  # a whole number is one too
            complaint = complain_text(subject, LONGEST_SUBJECT, 1)
            if complaint is not None:
                raise refusal(SUBJECT, "type", f"Input {SUBJECT!a} of row {row} {complaint}")
            subjects.append(subject)
        return subjects


def _written(grounds: Grounds | None) -> str:
    return "" if grounds is None else msgspec.json.encode(grounds).decode()


def _purpose(parameters: Mapping[str, Any]) -> str:
    """Purpose of all rows; empty when the request does not say."""
    if parameters.get(PURPOSE) is None:
        return ""
    complaint = complain_text(parameters[PURPOSE], LONGEST_PURPOSE, 1)
    if complaint is not None:
        raise refusal(PURPOSE, "type", f"Parameter {PURPOSE!a} {complaint}")
    return str(parameters[PURPOSE])


def version_of(answers: Sequence[Answer]) -> str:
    """The version that gave all answers, or nothing when they come from several.

    >>> version_of([])
    ''
    """
    versions = {answer.version for answer in answers}
    return str(versions.pop()) if len(versions) == 1 else ""
