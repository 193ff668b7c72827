"""Explains scores: exact TreeSHAP, behind a port; by quadrature where the booster allows it."""

import logging
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from windvane.cluster.encoding import Rows
from windvane.serve_apps.versions.booster.forest import Unsupported, read_forest

logger = logging.getLogger(__name__)


class Explainer(Protocol):
    """Explains encoded rows; may be called from any thread, by several callers at a time."""

    def contributions(self, rows: Rows) -> NDArray[np.float64]:
        """float64[n, 1 + F]: the base value, then what each feature adds; a row sums to the score's log-odds."""


class QuadratureExplainer:
    """The same numbers as `pred_contribs` at about a hundredth of its cost (docs/explanations.md)."""

    def __init__(self, booster: Path) -> None:
        """Raises Unsupported with the reason when the booster cannot be explained so."""
        forest = read_forest(booster.read_bytes())
        if forest.groups != 1:
            raise Unsupported(f"it gives {forest.groups} numbers a row")
        # Numba takes half a second to import: only where it is used.
        from windvane.serve_apps.versions.treeshap.quadrature import Quadrature

        self._quadrature = Quadrature(forest)

    def contributions(self, rows: Rows) -> NDArray[np.float64]:
        """Holds no lock and lets go of the interpreter while it works."""
        return self._quadrature.contributions(rows)[:, 0, :]


class BoosterExplainer:
    """`pred_contribs` of the registered booster: exact, and 2 to 3 ms a row."""

    def __init__(self, booster: Path) -> None:
        import xgboost  # costs memory and time; replicas that do not need it never pay for it

        self._matrix = xgboost.DMatrix
        self._booster = xgboost.Booster({"nthread": 1})
        self._booster.load_model(booster)

    def contributions(self, rows: Rows) -> NDArray[np.float64]:
        """The booster puts the base value last; here it comes first."""
        matrix = self._matrix(rows, feature_names=self._booster.feature_names, nthread=1)
        found: NDArray[np.float32] = self._booster.predict(matrix, pred_contribs=True)
        return np.roll(found.astype(np.float64), 1, axis=1)


def load_explainer(booster: Path, rows: Rows, scores: NDArray[np.float64]) -> Explainer:
    """The fastest explainer that proves itself on scored rows: contributions must add up to the scores' log-odds.

    What is chosen, and why, is logged. Blocking, for about a second of which the interpreter is never held long.
    """
    try:
        explainer = QuadratureExplainer(booster)
        difference = float(np.abs(_unexplained(explainer, rows, scores)).max())
        if difference > 1.0:
            raise Unsupported(f"its contributions miss the score by {difference:.1f} times what rounding allows")
    except Unsupported as reason:
        logger.warning("Explanations of %s take pred_contribs, 2 to 3 ms a row: %s", booster, reason)
        return BoosterExplainer(booster)
    logger.info("Explanations of %s are exact TreeSHAP by quadrature", booster)
    return explainer


def _unexplained(explainer: Explainer, rows: Rows, scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Gap of the contributions to each score's log-odds, in multiples of what its rounding to float32 allows."""
    certain = np.clip(scores, 1e-6, 1.0 - 1e-6)
    log_odds = np.log(certain / (1.0 - certain))
    margins = np.clip(explainer.contributions(rows).sum(axis=1), np.log(1e-6), -np.log(1e-6))
    allowed = 1e-3 + 1e-6 / (certain * (1.0 - certain))
    missed: NDArray[np.float64] = (margins - log_odds) / allowed
    return missed
