"""The version a candidate has to face, and what it says to the rows that both are judged on."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xgboost
from numpy.typing import NDArray

from cluster.bundle import Bundle
from cluster.encoding import Encoder
from cluster.registry import Registry
from training.data import Examples

TRAINED_UNTIL = "trained_until"  # metric of a version: event time of the newest row it knows, Unix seconds
MIN_UNSEEN_ROWS = 500


@dataclass(frozen=True, slots=True)
class Champion:
    """A champion opened for comparison."""

    number: int
    bundle: Bundle
    trained_until: float | None

    def lacks(self, examples: Examples) -> tuple[str, ...]:
        """The features it needs that these rows no longer have."""
        return tuple(
            feature.name for feature in self.bundle.spec.features if feature.name not in examples.table.column_names
        )

    def score(self, examples: Examples) -> NDArray[np.float64]:
        """float[n] chances, by its own encoding of the same rows."""
        booster = xgboost.Booster()
        booster.load_model(self.bundle.booster_path)
        scores: NDArray[np.float32] = booster.inplace_predict(Encoder(self.bundle.spec.features).table(examples.table))
        return scores.astype(np.float64)

    def unseen(self, held: Examples) -> Examples:
        """The held-out rows it has not learnt from, when they are enough to judge by; else all of them."""
        if self.trained_until is None:
            return held
        newer = held.since(np.nextafter(self.trained_until, np.inf))
        enough = len(newer) >= MIN_UNSEEN_ROWS and newer.labels.any() and not newer.labels.all()
        return newer if enough else held


def open_champion(registry: Registry, model: str, cache: Path) -> Champion | None:
    """The champion, or None when the model has none yet."""
    number = registry.champion(model)
    if number is None:
        return None
    bundle = Bundle.open(registry.fetch(model, number, cache))
    return Champion(number, bundle, registry.version(model, number).metrics.get(TRAINED_UNTIL))
