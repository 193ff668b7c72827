"""Cross-validation: every row is scored once by a model that has not seen it."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from windvane.training.rows.examples import Examples

FOLDS = 3


def folds(labels: NDArray[np.bool_], seed: int, count: int = FOLDS) -> NDArray[np.int64]:
    """int64[n]: the fold of each row, drawn at random, with its share of both outcomes."""
    rng = np.random.default_rng(seed)
    fold = np.empty(len(labels), np.int64)
    for outcome in (True, False):
        places = rng.permutation(np.flatnonzero(labels == outcome))
        fold[places] = np.arange(len(places)) % count
    return fold


def parts(examples: Examples, fold: NDArray[np.int64]) -> Iterator[tuple[Examples, NDArray[np.bool_]]]:
    """The rows to learn from, in their order, and which rows to score, for each fold."""
    for number in range(int(fold.max()) + 1):
        yield examples.take(fold != number), fold == number
