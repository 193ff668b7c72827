"""From a score to an action: the highest threshold that is reached wins."""

from bisect import bisect_right
from collections.abc import Sequence

from windvane.configs.schema import DecisionRule


class Thresholds:
    """The declared actions, ready to rule on a score.

    >>> from windvane.configs.schema import Action
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
