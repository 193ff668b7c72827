"""Scores rows, behind a port: by our own walk over the trees where it proves itself, else by ONNX Runtime."""

import logging
from pathlib import Path
from typing import Protocol

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from windvane.cluster.bundle import ONNX_INPUT, Bundle
from windvane.cluster.encoding import Rows
from windvane.serve_apps.versions.booster.forest import Forest, Unsupported, read_forest

logger = logging.getLogger(__name__)

Scores = NDArray[np.float64]

TOLERANCE = 1e-6  # of a probability: what ONNX Runtime's sums in float32 may lose over some hundred trees
TRIALS = 1024


class Predictor(Protocol):
    """Scores encoded rows; may be called from any thread, by several callers at a time."""

    def probabilities(self, rows: Rows) -> Scores:
        """float64[n], the probability that the target is true, of float32[n, F]."""


class OnnxPredictor:
    """The registered ONNX model as ONNX Runtime runs it, on one thread."""

    def __init__(self, model: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        self._outputs = [self._session.get_outputs()[-1].name]  # probabilities; the label stands before them

    def probabilities(self, rows: Rows) -> Scores:
        """Sums in float32, as the file's operator does."""
        found: NDArray[np.float32] = self._session.run(self._outputs, {ONNX_INPUT: rows})[0]
        return found[:, 1].astype(np.float64)


class ForestPredictor:
    """The same scores at about a seventh of the cost, of a booster that gives the probability of one class."""

    def __init__(self, forest: Forest) -> None:
        """Raises Unsupported with the reason when the booster cannot be walked."""
        if forest.objective != "binary:logistic":
            raise Unsupported(f"how {forest.objective!r} turns margins into probabilities is not known")
        from windvane.serve_apps.versions.treewalk.walk import Walk  # numba: half a second, only where it is used

        self._walk = Walk(forest)

    def probabilities(self, rows: Rows) -> Scores:
        """Holds no lock and lets go of the interpreter while it walks."""
        return self._walk.probabilities(rows)


def load_predictor(bundle: Bundle) -> Predictor:
    """The walk if it scores rows that try every kind of split as ONNX Runtime does, which is not kept then; else that.

    What is chosen, and why, is logged. Blocking.
    """
    judge = OnnxPredictor(bundle.onnx_path)
    try:
        forest = read_forest(bundle.booster_path.read_bytes())
        if forest.features != len(bundle.spec.features):
            raise Unsupported(f"it takes {forest.features} features, and {len(bundle.spec.features)} are declared")
        walk = ForestPredictor(forest)
        rows = trial_rows(forest)
        difference = float(np.abs(walk.probabilities(rows) - judge.probabilities(rows)).max())
        if not difference <= TOLERANCE:
            raise Unsupported(f"its trees and the ONNX model differ by {difference:.1e} on the same row")
    except Unsupported as reason:
        logger.warning("Scores of %s take ONNX Runtime, about 10 us a row: %s", bundle.folder, reason)
        return judge
    logger.info("Scores of %s are walked; on %d rows ONNX Runtime's are %.0e away", bundle.folder, TRIALS, difference)
    return walk


def trial_rows(forest: Forest) -> Rows:
    """float32[TRIALS, F] rows of what splits compare with, the numbers next to it, extremes and missing ones."""
    random = np.random.default_rng(0)
    rows = np.empty((TRIALS, forest.features), np.float32)
    extremes = np.array([0.0, -0.0, np.inf, -np.inf], np.float32)
    splits = np.flatnonzero((forest.left >= 0) & (forest.category_start < 0))
    splits = splits[np.argsort(forest.feature[splits], kind="stable")]
    bounds = np.searchsorted(forest.feature[splits], np.arange(1, forest.features))
    for feature, own in enumerate(np.split(splits, bounds)):
        limits = forest.threshold[own]
        near = np.concatenate([limits, *(np.nextafter(limits, np.float32(end)) for end in (-np.inf, np.inf))])
        column = random.choice(near if near.size else extremes, TRIALS)
        rows[:, feature] = np.where(random.random(TRIALS) < 0.05, random.choice(extremes, TRIALS), column)
    rows[random.random(rows.shape) < 0.1] = np.nan
    return rows
