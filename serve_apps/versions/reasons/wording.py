"""Words reasons for people: the features that weighed most in a score, in the declared words."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from windvane.cluster.decision_log.grounds import Reason
from windvane.cluster.decision_log.record import Value
from windvane.configs.feature import VALUE, Feature
from windvane.configs.schema import ModelSpec

_FOUR_DIGITS = 1000.0  # numbers below are told in four digits


@dataclass(frozen=True, slots=True)
class Words:
    """Sentence about one feature, declared or plain, taken apart where a value goes.

    >>> worth, term = Feature(name="net_worth", type="number", unit="$1000"), Feature(name="term", type="number")
    >>> Words.of(worth).tell(-12.25, 0.3), Words.of(term).tell(None, 0.3)
    ('net worth: -12.25 $1000', 'term was not given')
    """

    raises: tuple[str, ...]
    lowers: tuple[str, ...]
    missing: str
    raises_format: str | None  # with one place for a number; None where it has none or several
    lowers_format: str | None

    @staticmethod
    def of(feature: Feature) -> "Words":
        """The feature's own; its unit stands behind every value."""
        name, said = feature.name.replace("_", " "), feature.reason
        plain, unit = f"{name}: {VALUE}", f" {feature.unit}" if feature.unit else ""
        split = ((words or plain).split(VALUE) for words in (said.raises, said.lowers))
        raises, lowers = ((first, *(unit + part for part in later)) for first, *later in split)
        return Words(raises, lowers, said.missing or f"{name} was not given", _format(raises), _format(lowers))

    def tell(self, value: Value, weight: float) -> str:
        """The words for a value that moved the score by `weight`."""
        if value is None:
            return self.missing
        if (type(value) is float or type(value) is int) and -_FOUR_DIGITS < value < _FOUR_DIGITS:
            quick = self.raises_format if weight > 0.0 else self.lowers_format
            if quick is not None:  # nearly always: half the time of what follows
                return quick % (value + 0.0)
        return spell(value).join(self.raises if weight > 0.0 else self.lowers)


def _format(parts: tuple[str, ...]) -> str | None:
    return "%.4g".join(part.replace("%", "%%") for part in parts) if len(parts) == 2 else None


class Reasons:
    """Tells the reasons of one version's scores; `names` are its features in the order of its explanations.

    >>> debt = {"name": "debt", "type": "number", "unit": "%", "reason": {"raises": "Debts take {value} of the income"}}
    >>> alone = {"name": "alone", "type": "boolean", "reason": {"raises": "Nobody stands surety"}}
    >>> actions = [{"name": "lend", "at_least": 0.0}, {"name": "refuse", "at_least": 0.5, "adverse": True}]
    >>> spec = ModelSpec.model_validate({
    ...     "name": "loan", "owner": "x", "unit": "loan", "target": {"name": "refused"}, "data": {"source": "x.csv"},
    ...     "features": [debt, alone], "decision": {"actions": actions}})
    >>> [reason.text for reason in Reasons(spec, ("debt", "alone")).adverse((41.5, True), (-2.0, 0.7, -0.1))]
    ['Debts take 41.5 % of the income']
    """

    def __init__(self, spec: ModelSpec, names: Sequence[str]) -> None:
        places = {feature.name: place for place, feature in enumerate(spec.features)}
        self._features = [(name, places[name], Words.of(spec.feature(name)).tell) for name in names]
        self._most = spec.explanation.reasons
        self._towards = 1.0 if spec.decision.adverse_is_high else -1.0

    def adverse(self, record: Sequence[Value], explanation: Sequence[float]) -> tuple[Reason, ...]:
        """The principal reasons for an adverse action: what pushed the score towards it, weightiest first.

        `record` is a row in the declaration's order, `explanation` float[1 + F] in log-odds with the base value first.
        At most `explanation.reasons` of the declaration, and no text twice; none when nothing pushed that way.
        """
        towards = self._towards
        pushes = [(-towards * weight, place) for place, weight in enumerate(explanation[1:]) if towards * weight > 0.0]
        told: dict[str, Reason] = {}
        for _, place in sorted(pushes):  # equals by their place: the same numbers give the same reasons
            name, own, tell = self._features[place]
            reason = Reason(name, record[own], explanation[1 + place], tell(record[own], explanation[1 + place]))
            told.setdefault(reason.text, reason)
            if len(told) == self._most:
                break
        return tuple(told.values())

    def top(
        self, record: Sequence[Value], explanation: Sequence[float], weightiest: Sequence[int]
    ) -> tuple[Reason, ...]:
        """Those of the `weightiest` features that weighed something, whichever way they pushed, each in its words."""
        features, told = self._features, []
        for place in weightiest:
            weight = explanation[place + 1]
            if weight:
                name, own, tell = features[place]
                value = record[own]
                told.append(Reason(name, value, weight, tell(value, weight)))
        return tuple(told)


def weightiest(explanations: NDArray[np.float64], most: int) -> list[list[int]]:
    """For each of float64[n, 1 + F] the places of the `most` features that weighed most, equals in their order.

    >>> weightiest(np.array([[9.0, 0.5, -2.0, 0.5]]), 2)
    [[1, 0]]
    """
    order: list[list[int]] = np.argsort(-np.abs(explanations[:, 1:]), axis=1, kind="stable")[:, :most].tolist()
    return order


def spell(value: Value) -> str:
    """A value as people write it, in four digits or all before the point.

    >>> spell(0.80000001), spell(41250.4), spell(12.0), spell(True), spell("NYC"), spell(-0.0)
    ('0.8', '41,250', '12', 'yes', 'NYC', '0')
    """
    if type(value) is float or type(value) is int:  # first, since nearly every value is one; True is of another type
        return f"{value + 0.0:.4g}" if -_FOUR_DIGITS < value < _FOUR_DIGITS else f"{value:,.0f}"
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
