"""Explains one version's decisions in words: what weighed most, and what an adverse action owes."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from windvane.cluster.bundle import Bundle
from windvane.cluster.decision_log.grounds import Counterfactual, Grounds, NoneFound, Reason
from windvane.cluster.decision_log.record import Value
from windvane.cluster.encoding import Encoder
from windvane.configs.schema import ModelSpec
from windvane.monitoring.counts.profile import Profile
from windvane.serve_apps.protocol.question import Question
from windvane.serve_apps.versions.booster.forest import read_forest
from windvane.serve_apps.versions.reasons.counterfactual import Counterfactuals, Score, none_within
from windvane.serve_apps.versions.reasons.search import Reached
from windvane.serve_apps.versions.reasons.wording import Reasons, weightiest

TOP_FEATURES = 10  # told of a score


class Explained(NamedTuple):
    """One decision's contributions, those that weighed most where somebody is told, and what it owes."""

    weights: tuple[float, ...] | None  # base value first; None where nobody asked and nothing is owed
    top: tuple[Reason, ...]
    grounds: Grounds | None


UNEXPLAINED = Explained(None, (), None)


class AdverseAction:
    """Explains one version's actions under the served declaration; safe in any thread."""

    def __init__(self, spec: ModelSpec, names: Sequence[str], counterfactuals: Counterfactuals | None) -> None:
        """`names` are the version's features in the order of its explanations."""
        self._adverse = frozenset(spec.decision.adverse)
        self._reasons = Reasons(spec, names)
        self._counterfactuals = counterfactuals

    def explained(
        self, questions: Sequence[Question], actions: Sequence[str], contributions: NDArray[np.float64]
    ) -> list[Explained]:
        """Explain actions for the record and the callers; an adverse one owes its grounds whoever asked.

        `contributions` are float64[n, 1 + F] as the version gives them.
        """
        ranked = weightiest(contributions, TOP_FEATURES)
        told = []
        for question, action, row, places in zip(questions, actions, contributions.tolist(), ranked, strict=True):
            weights, owed = tuple(row), action in self._adverse
            top = self._reasons.top(question.row, weights, places) if owed or question.explain else ()
            told.append(Explained(weights, top, self.grounds(question.row, weights) if owed else None))
        return told

    def grounds(self, record: Sequence[Value], weights: Sequence[float]) -> Grounds:
        """Grounds owed with an adverse action; milliseconds where a counterfactual is declared (docs/reasons.md)."""
        return Grounds(self._reasons.adverse(record, weights), self._counterfactual(record))

    def told(self, record: Sequence[Value], weights: Sequence[float]) -> tuple[Reason, ...]:
        """Every feature that weighed something, weightiest first, whichever way."""
        (places,) = weightiest(np.array([weights]), len(weights))
        return self._reasons.top(record, weights, places)

    def owes(self, action: str) -> bool:
        """Whether it goes against its subject."""
        return action in self._adverse

    def _counterfactual(self, record: Sequence[Value]) -> Counterfactual | NoneFound | None:
        if self._counterfactuals is None:
            return None
        try:
            return self._counterfactuals.find(record)
        except Reached:  # by itself the row is rounded to the threshold's other side: no change is needed, none found
            return NoneFound(none_within(()), (), 0, 1)


def adverse_action_of(spec: ModelSpec, bundle: Bundle, encoder: Encoder, score: Score) -> AdverseAction:
    """`encoder` and `score` are the version's own; raises Unsupported where its booster cannot be searched."""
    if not spec.explanation.counterfactual:
        return AdverseAction(spec, encoder.names, None)
    forest = read_forest(bundle.booster_path.read_bytes())
    profile = Profile.from_json(bundle.profile_path.read_bytes())
    return AdverseAction(spec, encoder.names, Counterfactuals(spec, encoder, forest, score, profile))
