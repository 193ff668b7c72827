"""Makes records of the decision log from decisions, and from what was not allowed."""

from collections.abc import Sequence

from windvane.cluster.decision_log.grounds import Grounds
from windvane.cluster.decision_log.record import ALLOW, DENIED, DENY, REFER, Decision
from windvane.serve_apps.pipeline import decision_id
from windvane.serve_apps.pipeline.explaining import Explanations
from windvane.serve_apps.pipeline.pending import ActionTaken, Scored
from windvane.serve_apps.pipeline.policy_check import PolicyContext
from windvane.serve_apps.pipeline.ports import Log
from windvane.serve_apps.protocol.question import Answer, Question

NO_VERSION = 0  # answers what no model is asked


class DecisionRecorder:
    """Appends; whoever calls commits, in the same step of the event loop.

    What is denied gets an id of its own even where the caller gave one: sent again, it may be allowed, and is decided.
    """

    def __init__(self, model: str, log: Log) -> None:
        self._model = model
        self._log = log

    def decided(self, scored: Scored, explanations: Explanations, at: float) -> list[Answer]:
        """Append every decision of the group, and return what to answer once they are committed."""
        arm, version, revision = scored.arm, scored.loaded.number, scored.in_force.split.revision
        names, records = scored.loaded.names, []
        ids = decision_id.series(at, len(scored.rows))
        scores: list[float] = scored.scores.tolist()
        answers = []
        for row, name, score, taken, explained in zip(
            scored.rows, ids, scores, scored.taken, explanations, strict=True
        ):
            question, basis = row.question, row.pending.bases[row.place]
            weights, top, grounds = explained
            if question.request_id is not None:
                name = decision_id.fixed(self._model, basis.caller.name, question.request_id)
            records.append(
                _record(name, at, version, arm, revision, question, row.bucket, score, taken, basis, weights, grounds)
            )
            told = weights if question.explain or grounds is not None else None
            answers.append(Answer(name, version, arm, score, taken.action, taken.reasons, names, told, top, grounds))
        for record in records:  # once all are made: half a group would go on record with the next
            self._log.append(record)
        return answers

    def blocked(self, scored: Scored, at: float) -> list[str]:
        """Append decisions whose action is blocked, and return their ids: what was scored, and is not answered."""
        version, revision = scored.loaded.number, scored.in_force.split.revision
        ids = decision_id.series(at, len(scored.rows))
        scores: list[float] = scored.scores.tolist()
        for row, name, score, taken in zip(scored.rows, ids, scores, scored.taken, strict=True):
            basis = row.pending.bases[row.place]
            self._log.append(
                _record(name, at, version, DENIED, revision, row.question, row.bucket, score, taken, basis, None, None)
            )
        return ids

    def refused(
        self,
        questions: Sequence[Question],
        bases: Sequence[PolicyContext],
        buckets: Sequence[int],
        revision: int,
        at: float,
    ) -> list[str]:
        """Append questions that no model is asked, and return their ids."""
        ids = decision_id.series(at, len(questions))
        for name, question, bucket, basis in zip(ids, questions, buckets, bases, strict=True):
            self._log.append(
                _record(name, at, NO_VERSION, DENIED, revision, question, bucket, None, None, basis, None, None)
            )
        return ids


def _record(
    name: str,
    at: float,
    version: int,
    arm: str,
    revision: int,
    question: Question,
    bucket: int,
    score: float | None,
    taken: ActionTaken | None,
    basis: PolicyContext,
    explanation: tuple[float, ...] | None,
    grounds: Grounds | None,
) -> Decision:
    before, after = basis.verdict, None if taken is None else taken.verdict
    return Decision(
        decision_id=name,
        at=at,
        event_time=at if question.event_time is None else question.event_time,
        version=version,
        arm=arm,
        revision=revision,
        subject=question.subject,
        unit_hash=bucket,
        features=question.row,
        prediction=score,
        action="" if taken is None else taken.action,
        reasons=(before.reason,) if taken is None else taken.reasons,
        context=question.context,
        request_id=question.request_id,
        explanation=explanation,
        grounds=grounds,
        caller=basis.caller.name,
        roles=basis.roles,
        scope=basis.scope,
        purpose=basis.purpose,
        consent=basis.consent,
        proposed="" if taken is None else taken.proposed,
        verdict=DENY if arm == DENIED else REFER if after is not None and after.refer else ALLOW,
        policies=before.policies if after is None else before.policies + after.policies,
        policy_version=before.version,
        mandate=basis.mandate,
    )
