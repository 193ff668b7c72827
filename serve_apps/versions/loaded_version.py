"""One version in this process's memory: scores rows, explains them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from windvane.cluster.bundle import Bundle
from windvane.cluster.decision_log.record import Value
from windvane.cluster.encoding import Encoder, Rows
from windvane.cluster.errors import Invalid, Unavailable
from windvane.cluster.faults.log_redaction import brief
from windvane.configs.schema import Feature, ModelSpec
from windvane.serve_apps.versions.explain import Explainer, load_explainer
from windvane.serve_apps.versions.predictor import Scores, load_predictor
from windvane.serve_apps.versions.reasons.adverse_action import AdverseAction, adverse_action_of


class LoadedVersion:
    """A version ready to answer rows that stand in the served spec's order, whatever order it was trained in."""

    def __init__(self, number: int, bundle: Bundle, served: Sequence[Feature]) -> None:
        self.number = number
        self.bundle = bundle
        self.encoder = Encoder(bundle.spec.features)
        self._places = _places(number, self.encoder.features, served)
        declared = {feature.name: feature.categories for feature in served}
        self._alike = all(feature.categories == declared[feature.name] for feature in self.encoder.features)
        try:
            self._predictor = load_predictor(bundle)
        except Exception as error:
            raise Unavailable(f"Version {number} cannot score: {brief(error)}") from error
        self._explainer: Explainer | None = None
        self._adverse_action: AdverseAction | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The features behind an explanation, in its order."""
        return self.encoder.names

    def score(self, records: Sequence[Sequence[Value]], block: Rows | None = None) -> tuple[Rows, Scores]:
        """Encoded rows float32[n, F] and float64[n], the probability that the target is true, of served records.

        `block` float32[n, F]: the same records as the served spec's `Encoder` encodes them, when they are at hand.
        Raises Unavailable when the version gives none, whatever the reason.
        """
        try:
            rows = self._encode(records) if block is None or not self._alike else self._ordered(block)
            scores = self._predictor.probabilities(rows)
            listed = scores.tolist()
        except Exception as error:
            raise Unavailable(f"Version {self.number} cannot score: {brief(error)}") from error
        total = sum(listed)  # NaN when one of them is
        if listed and not (min(listed) >= 0.0 and max(listed) <= 1.0 and total == total):
            raise Unavailable(f"Version {self.number} gave a score that is no probability")
        return rows, scores

    def _encode(self, records: Sequence[Sequence[Value]]) -> Rows:
        if self._places is not None:
            places = self._places
            records = [[record[place] for place in places] for record in records]
        return self.encoder.rows(records)

    def _ordered(self, block: Rows) -> Rows:
        return block if self._places is None else np.ascontiguousarray(block[:, self._places])

    def explain(self, rows: Rows) -> NDArray[np.float64]:
        """float64[n, 1 + F] contributions in log-odds, base value first.

        Blocking; raises Unavailable when the version gives none.
        """
        if self._explainer is None:
            raise Unavailable(f"Version {self.number} cannot explain: nothing was prepared for it")
        try:
            return self._explainer.contributions(rows)
        except Exception as error:
            raise Unavailable(f"Version {self.number} cannot explain: {brief(error)}") from error

    @property
    def adverse_action(self) -> AdverseAction:
        """Explains its decisions to people; raises Unavailable when it was not prepared."""
        if self._adverse_action is None:
            raise Unavailable(f"Version {self.number} cannot explain: nothing was prepared for it")
        return self._adverse_action

    def prepare(self, rows: Rows, scores: Scores, spec: ModelSpec) -> None:
        """Load what explains, and let it explain rows whose scores are known; `spec` is the served declaration.

        Raises Unavailable when nothing explains as it is declared.
        """
        try:
            self._explainer = load_explainer(self.bundle.booster_path, rows, scores)
            self._adverse_action = adverse_action_of(spec, self.bundle, self.encoder, self._predictor.probabilities)
        except Exception as error:
            raise Unavailable(f"Version {self.number} cannot explain: {brief(error)}") from error


def load_version(number: int, folder: Path, spec: ModelSpec) -> LoadedVersion:
    """Open and prove the bundle in `folder`, score and explain once, so that the first request pays nothing.

    Raises Invalid when the bundle does not fit what is served, Unavailable when it does not score or explain.
    """
    version = LoadedVersion(number, Bundle.open(folder), spec.features)
    version.prepare(*version.score([[_example(feature) for feature in spec.features]]), spec)
    return version


def _places(number: int, wanted: Sequence[Feature], served: Sequence[Feature]) -> list[int] | None:
    """Places of the version's features in a served record; None when the order is the same."""
    places = {feature.name: place for place, feature in enumerate(served)}
    for feature in wanted:
        place = places.get(feature.name)
        found = "is no longer declared" if place is None else f"is now of type {served[place].type}"
        if place is None or served[place].type != feature.type:
            raise Invalid(f"Version {number} needs {feature.type} {feature.name!r}, which {found}: retrain the model")
    order = [places[feature.name] for feature in wanted]
    return None if order == list(range(len(served))) else order


def _example(feature: Feature) -> Value:
    match feature.type:
        case "boolean":
            return False
        case "category":
            return feature.categories[0]
        case "integer":
            return 0
    return 0.0
