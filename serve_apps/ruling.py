"""From a score to an action: the highest threshold that is reached wins, and policy may put a person before it."""

from bisect import bisect_right
from collections.abc import Sequence

from cluster.policy import Verdict
from configs.schema import DecisionRule
from serve_apps.gate import Gate
from serve_apps.pending import Row, Ruled

REFER = "refer"  # what is answered instead of an action that only a person may take
NOTHING = ""  # is done where policy denies it


class Thresholds:
    """The declared actions, ready to rule on a score.

    >>> from configs.schema import Action
    >>> rule = DecisionRule(actions=(Action(name="keep", at_least=0.0), Action(name="warn", at_least=0.6)))
    >>> Thresholds(rule).rule([0.6, 0.59])
    [('warn', ('score >= 0.6',)), ('keep', ('score >= 0',))]
    """

    def __init__(self, decision: DecisionRule) -> None:
        actions = sorted(decision.actions, key=lambda action: action.at_least)
        self._starts = [action.at_least for action in actions]
        self._rulings = [(action.name, (f"score >= {action.at_least:g}",)) for action in actions]

    def rule(self, scores: Sequence[float]) -> list[tuple[str, tuple[str, ...]]]:
        """The action for each score in [0, 1], and the reasons for it."""
        starts, rulings = self._starts, self._rulings
        return [rulings[bisect_right(starts, score) - 1] for score in scores]


class Ruling:
    """The declared actions under the policy in force."""

    def __init__(self, decision: DecisionRule, gate: Gate) -> None:
        self._thresholds = Thresholds(decision)
        self._gate = gate

    def rule(self, rows: Sequence[Row], scores: Sequence[float]) -> list[Ruled]:
        """What is done about each row."""
        act, ruled = self._gate.act, []
        for row, score, (action, reasons) in zip(rows, scores, self._thresholds.rule(scores), strict=True):
            verdict = act(row.pending.bases[row.place], action, score)
            ruled.append(
                Ruled(action, action, reasons, verdict) if verdict.allowed else _not_done(action, reasons, verdict)
            )
        return ruled


def _not_done(action: str, reasons: tuple[str, ...], verdict: Verdict) -> Ruled:
    return Ruled(action, REFER if verdict.refer else NOTHING, (*reasons, verdict.reason), verdict)
