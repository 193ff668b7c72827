"""What people are told: the features that weighed most in a score, in the declared words."""

from collections.abc import Sequence

from cluster.decision_log.grounds import Reason
from cluster.decision_log.record import Value
from configs.feature import VALUE, Feature
from configs.schema import ModelSpec


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
        self._features = [spec.feature(name) for name in names]
        places = {feature.name: place for place, feature in enumerate(spec.features)}
        self._places = [places[name] for name in names]
        self._most = spec.explanation.reasons
        self._towards = 1.0 if spec.decision.adverse_is_high else -1.0

    def adverse(self, record: Sequence[Value], explanation: Sequence[float]) -> tuple[Reason, ...]:
        """The principal reasons for an adverse action: what pushed the score towards it, weightiest first.

        `record` is a row in the declaration's order, `explanation` float[1 + F] in log-odds with the base value first.
        At most `explanation.reasons` of the declaration, and no text twice; none when nothing pushed that way.
        """
        towards = self._towards
        pushes = [(-towards * weight, place) for place, weight in enumerate(explanation[1:]) if towards * weight > 0.0]
        return self._told(pushes, record, explanation, self._most)

    def top(self, record: Sequence[Value], explanation: Sequence[float], most: int) -> tuple[Reason, ...]:
        """The `most` features that weighed most, whichever way they pushed."""
        weights = [(-abs(weight), place) for place, weight in enumerate(explanation[1:]) if weight]
        return self._told(weights, record, explanation, most)

    def _told(
        self, ranked: list[tuple[float, int]], record: Sequence[Value], explanation: Sequence[float], most: int
    ) -> tuple[Reason, ...]:
        ranked.sort()  # equals by their place: the same numbers give the same reasons
        told: dict[str, Reason] = {}
        for _, place in ranked:
            feature, value, weight = self._features[place], record[self._places[place]], explanation[1 + place]
            text = word(feature, value, weight)
            told.setdefault(text, Reason(feature.name, value, weight, text))
            if len(told) == most:
                break
        return tuple(told.values())


def word(feature: Feature, value: Value, weight: float) -> str:
    """The declared words for a feature that moved the score by `weight`; plain ones where none are declared.

    >>> word(Feature(name="net_worth", type="number", unit="$1000"), -12.25, 0.3), word(
    ...     Feature(name="net_worth", type="number", missing=True), None, 0.3)
    ('net worth: -12.25 $1000', 'net worth was not given')
    """
    if value is None:
        return feature.reason.missing or f"{feature.name.replace('_', ' ')} was not given"
    declared = feature.reason.raises if weight > 0.0 else feature.reason.lowers
    if declared and VALUE not in declared:
        return declared
    spelled = f"{spell(value)} {feature.unit}" if feature.unit else spell(value)
    return declared.replace(VALUE, spelled) if declared else f"{feature.name.replace('_', ' ')}: {spelled}"


def spell(value: Value) -> str:
    """A value as people write it, in four digits or all before the point.

    >>> spell(0.80000001), spell(41250.4), spell(12.0), spell(True), spell("NYC"), spell(-0.0)
    ('0.8', '41,250', '12', 'yes', 'NYC', '0')
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return f"{value:,.0f}" if abs(value) >= 1000.0 else f"{value + 0.0:.4g}"
    return str(value)
