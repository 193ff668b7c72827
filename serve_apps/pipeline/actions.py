"""Turns a score into an action: the declared one, unless policy puts a person before it or denies it."""

from collections.abc import Sequence

from windvane.cluster.policies.policy import PolicyDecision
from windvane.configs.schema import DecisionRule
from windvane.serve_apps.pipeline.pending import ActionTaken, Row
from windvane.serve_apps.pipeline.policy_check import PolicyCheck
from windvane.serve_apps.versions.thresholds import Thresholds

REFER = "refer"  # what is answered instead of an action that only a person may take
NOTHING = ""  # is done where policy denies it


class Actions:
    """The declared actions under the policy in force."""

    def __init__(self, decision: DecisionRule, policy_check: PolicyCheck) -> None:
        self._thresholds = Thresholds(decision)
        self._policy_check = policy_check

    def rule(self, rows: Sequence[Row], scores: Sequence[float]) -> list[ActionTaken]:
        """Choose the action about each row."""
        act, taken = self._policy_check.act, []
        for row, score, (action, reasons) in zip(rows, scores, self._thresholds.rule(scores), strict=True):
            verdict = act(row.pending.bases[row.place], action, score)
            taken.append(
                ActionTaken(action, action, reasons, verdict)
                if verdict.allowed
                else _not_done(action, reasons, verdict)
            )
        return taken


def _not_done(action: str, reasons: tuple[str, ...], verdict: PolicyDecision) -> ActionTaken:
    return ActionTaken(action, REFER if verdict.refer else NOTHING, (*reasons, verdict.reason), verdict)
