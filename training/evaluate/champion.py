"""The version a candidate has to face, and what it says to rows that both are judged on without having seen them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from windvane.cluster.bundle import Bundle
from windvane.cluster.encoding import Encoder
from windvane.cluster.registry import Registry
from windvane.training.evaluate.incomparable import incomparable
from windvane.training.fit.xgboost_import import xgboost
from windvane.training.rows.examples import Examples


@dataclass(frozen=True, slots=True)
class StoredChampion:
    """A champion opened for comparison.

    Its judged booster answers for it: the served one knows some of the rows by heart, and on the others it is ahead of
    a candidate whose own newest rows are held out. Two judged boosters lag behind their served ones alike.
    """

    number: int
    bundle: Bundle

    @property
    def judged_until(self) -> float | None:
        """Its judged booster knows only rows before this event time; None where it has no judged booster."""
        return self.bundle.manifest.judged_until if self.bundle.judged_path else None

    def unable(self, held: Examples) -> str | None:
        """Reason why it cannot be compared on these rows; None when it can."""
        if absent := self._absent(held):
            return f"champion {self.number} needs {', '.join(map(repr, absent))}, no longer declared: not compared"
        return incomparable(self.number, self.unseen(held))

    def unseen(self, held: Examples) -> Examples:
        """The rows that it, or its judged booster, can answer without knowing them."""
        blind_from = self.judged_until if self.bundle.judged_path else _after(self.bundle.manifest.trained_until)
        return held if blind_from is None else held.since(blind_from)

    def score(self, unseen: Examples) -> NDArray[np.float64]:
        """float[n] chances, by its own encoding of the same rows and by its judged booster where it has one."""
        path = self.bundle.booster_path if self.bundle.judged_path is None else self.bundle.judged_path
        return _predict(path, Encoder(self.bundle.spec.features).table(unseen.table))

    def served(self, examples: Examples) -> NDArray[np.float64] | None:
        """float[n] chances that it serves, by its own encoding; None where it lacks a column."""
        if self._absent(examples):
            return None
        return _predict(self.bundle.booster_path, Encoder(self.bundle.spec.features).table(examples.table))

    def _absent(self, examples: Examples) -> list[str]:
        there = examples.table.column_names
        return [feature.name for feature in self.bundle.spec.features if feature.name not in there]


def open_champion(registry: Registry, model: str, cache: Path) -> StoredChampion | None:
    """The champion, or None when the model has none yet."""
    number = registry.champion(model)
    return None if number is None else StoredChampion(number, Bundle.open(registry.fetch(model, number, cache)))


def _after(moment: float | None) -> float | None:
    return None if moment is None else float(np.nextafter(moment, np.inf))


def _predict(path: Path, rows: NDArray[np.float32]) -> NDArray[np.float64]:
    booster = xgboost.Booster()
    booster.load_model(path)
    scores: NDArray[np.float64] = booster.inplace_predict(rows).astype(np.float64)
    return scores
