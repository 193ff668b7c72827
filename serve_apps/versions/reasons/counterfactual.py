"""Finds the smallest change of mutable features that leads to another action.

The smallest is the one of least cost, the sum over the features changed of how far each moves in its own spread: the
scaled L1 distance of S. Wachter, B. Mittelstadt, C. Russell, *Counterfactual explanations without opening the black
box*, Harvard Journal of Law & Technology 31 (2), 2018, with a robust standard deviation for the median absolute one.
"""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from windvane.cluster.decision_log.grounds import Counterfactual, FeatureChange, NoneFound
from windvane.cluster.decision_log.record import Value
from windvane.cluster.encoding import Encoder, Rows
from windvane.configs.schema import ModelSpec
from windvane.monitoring.counts.profile import Profile
from windvane.serve_apps.versions.booster.forest import Forest
from windvane.serve_apps.versions.reasons.candidates import Alternatives, Choices
from windvane.serve_apps.versions.reasons.search import Search
from windvane.serve_apps.versions.reasons.target import target_scores_of
from windvane.serve_apps.versions.reasons.wording import spell
from windvane.serve_apps.versions.thresholds import Thresholds

Score: TypeAlias = Callable[[Rows], NDArray[np.float64]]


class Counterfactuals:
    """Searches for one version, in the declaration's order of features; safe in any thread."""

    def __init__(
        self, spec: ModelSpec, encoder: Encoder, forest: Forest, score: Score, profile: Profile | None
    ) -> None:
        """`encoder` and `score` are the version's own; `profile` tells each feature's spread.

        Raises KeyError for a feature that is no longer declared.
        """
        self._spec, self._encoder, self._score = spec, encoder, score
        self._target = target_scores_of(spec.decision, spec.explanation.aim)
        self._thresholds = Thresholds(spec.decision)
        places = {feature.name: place for place, feature in enumerate(spec.features)}
        self._places = [places[name] for name in encoder.names]
        spreads = {} if profile is None else {feature.name: feature.spread for feature in profile.features}
        self._choices: list[tuple[int, Choices]] = []
        for place, known in enumerate(encoder.features):
            feature = spec.feature(known.name)
            asked = (forest.left >= 0) & (forest.feature == place)
            if feature.mutable is not False and asked.any():
                declared = None if feature.min is None or feature.max is None else (feature.max - feature.min) / 4.0
                spread = spreads.get(feature.name) or declared or 1.0
                limits = np.unique(forest.threshold[asked & (forest.category_start < 0)])
                choices = Choices(feature, place, known, limits[np.isfinite(limits)], spread)
                self._choices.append((places[feature.name], choices))

    def find(self, record: Sequence[Value]) -> Counterfactual | NoneFound:
        """The least change of `record`, a row in the declaration's order, that leads to a wanted action.

        The same record always gets the same answer. Scores at most `explanation.search_rows` rows, and the answer.
        Raises Reached where its action is wanted already.
        """
        policy = self._spec.explanation
        open_to_change = [(place, choices.instead_of(record[place])) for place, choices in self._choices]
        open_to_change = [(place, found) for place, found in open_to_change if found.values]
        alternatives = [found for _, found in open_to_change]
        row = self._encode(record)
        search = Search(row, alternatives, self._score, self._target.missed, policy.search_rows)
        chosen = search.run(policy.most_changes)
        if chosen is not None:
            changed = list(record)
            picks = _picks(open_to_change, chosen)
            for place, value in picks:
                changed[place] = value
            prediction = float(self._score(self._encode(changed))[0])
            [(action, _)] = self._thresholds.rule([prediction])
            if action in self._target.actions:
                names = [feature.name for feature in self._spec.features]
                changes = tuple(FeatureChange(names[place], record[place], value) for place, value in picks)
                text, cost = would_have(changes, action, self._spec), search.cost(chosen)
                return Counterfactual(text, changes, prediction, action, cost, search.proven, search.rows)
        searched = tuple(self._spec.features[place].name for place, _ in open_to_change)
        return NoneFound(none_within(searched), searched, search.proven, search.rows)

    def _encode(self, record: Sequence[Value]) -> Rows:
        """float32[1, F] in the version's order."""
        return self._encoder.rows([[record[place] for place in self._places]])


def would_have(changes: Sequence[FeatureChange], action: str, spec: ModelSpec) -> str:
    """A counterfactual as one sentence for people.

    >>> spec = ModelSpec.model_validate({
    ...     "name": "loan", "owner": "x", "unit": "loan", "target": {"name": "refused"}, "data": {"source": "x.csv"},
    ...     "features": [{"name": "debt_ratio", "type": "number", "unit": "%"}],
    ...     "decision": {"actions": [{"name": "lend", "at_least": 0.0}]}})
    >>> would_have([FeatureChange("debt_ratio", 41.5, 33.0)], "lend", spec)
    'If debt ratio had been 33 % rather than 41.5 %, the action would have been lend.'
    """
    parts = []
    for change in changes:
        unit = spec.feature(change.feature).unit
        after, before = (f"{_exact(value)} {unit}".rstrip() for value in (change.after, change.before))
        parts.append(f"{change.feature.replace('_', ' ')} had been {after} rather than {before}")
    return f"If {' and '.join(parts)}, the action would have been {action}."


def none_within(searched: Sequence[str]) -> str:
    """Sentence for where nothing is found.

    >>> none_within(["debt_ratio"])
    'None found within the searched changes, which were those of debt ratio.'
    """
    names = ", ".join(name.replace("_", " ") for name in searched)
    return f"None found within the searched changes, which were those of {names or 'nothing'}."


def _exact(value: Value) -> str:
    """As `spell`, but 41.9996 and 42 stay different numbers."""
    return f"{value:,.9g}" if isinstance(value, int | float) and not isinstance(value, bool) else spell(value)


def _picks(open_to_change: Sequence[tuple[int, Alternatives]], chosen: Sequence[int]) -> list[tuple[int, Value]]:
    """Changes as place and new value."""
    pairs = zip(open_to_change, chosen, strict=True)
    return [(place, found.values[pick]) for (place, found), pick in pairs if pick >= 0]
