"""Finds the scores that lead to the actions somebody hopes for: thresholds, read backwards."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from windvane.configs.schema import DecisionRule

Floats = NDArray[np.float64]

_CERTAIN = 1e-12  # scores nearer to 0 or 1 are as far away as this one


@dataclass(frozen=True, slots=True)
class TargetScores:
    """The scores from `low` to below `high`, which lead to one of `actions`."""

    actions: frozenset[str]
    low: float
    high: float

    def missed(self, scores: Floats) -> Floats:
        """float64[n]: the log-odds by which scores miss the target; 0 exactly where they reach it.

        >>> TargetScores(frozenset({"keep"}), 0.0, 0.5).missed(np.array([0.2, 0.5, 0.75])).round(3).tolist()
        [0.0, 0.0, 1.099]
        """
        margins, low, high = (_log_odds(np.asarray(part, np.float64)) for part in (scores, self.low, self.high))
        away: Floats = np.maximum(np.maximum(low - margins, margins - high), np.finfo(np.float64).tiny)
        return np.where((scores >= self.low) & (scores < self.high), 0.0, away)


def target_scores_of(decision: DecisionRule, aim: str | None = None) -> TargetScores:
    """The actions that are not adverse, or `aim` alone; KeyError where that is no action.

    >>> from windvane.configs.schema import Action
    >>> low, high = Action(name="keep", at_least=0.0), Action(name="refuse", at_least=0.5, adverse=True)
    >>> target_scores_of(DecisionRule(actions=(low, high)))
    TargetScores(actions=frozenset({'keep'}), low=0.0, high=0.5)
    """
    ordered = sorted(decision.actions, key=lambda action: action.at_least)
    ends = [action.at_least for action in ordered[1:]] + [np.inf]
    hoped = [
        (action, end)
        for action, end in zip(ordered, ends, strict=True)
        if (not action.adverse if aim is None else action.name == aim)
    ]
    if not hoped:
        raise KeyError(aim)
    return TargetScores(frozenset(action.name for action, _ in hoped), hoped[0][0].at_least, hoped[-1][1])


def _log_odds(scores: Floats) -> Floats:
    sure = np.clip(scores, _CERTAIN, 1.0 - _CERTAIN)
    found: Floats = np.log(sure / (1.0 - sure))
    return found
