"""Answers and records as the decider makes them, for steps that are timed by themselves."""

from collections.abc import Sequence

from windvane.cluster.decision_log.record import ALLOW, Decision
from windvane.serve_apps.pipeline import decision_id
from windvane.serve_apps.pipeline.policy_check import PolicyContext
from windvane.serve_apps.protocol.question import Answer, Question


def answers(scores: Sequence[float]) -> list[Answer]:
    """Answers with these scores."""
    return [Answer("0" * 36, 1, "champion", score, "keep", ("score >= 0",)) for score in scores]


def decisions(
    given: list[Answer], asked: list[Question], explanation: tuple[float, ...] | None, basis: PolicyContext
) -> list[Decision]:
    """Records of these answers, as the decider makes them."""
    names = decision_id.series(1e9, len(asked))
    return [_decision(*each, explanation, basis) for each in zip(names, given, asked, strict=True)]


def _decision(
    name: str, answer: Answer, question: Question, explanation: tuple[float, ...] | None, basis: PolicyContext
) -> Decision:
    return Decision(
        *(name, 1e9, 1e9, 1, "champion", 1, question.subject, 7, question.row),
        *(answer.prediction, answer.action, answer.reasons, {}, None, explanation, None),
        *(basis.caller.name, basis.roles, basis.scope, basis.purpose, basis.consent, answer.action, ALLOW),
        *((*basis.verdict.policies, "act"), basis.verdict.version, basis.mandate),
    )
