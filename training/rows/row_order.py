"""Puts rows that have no time in an order that is safe to cut: drawn at random, each outcome spread evenly."""

import numpy as np
from numpy.typing import NDArray

GOLDEN = (5**0.5 - 1) / 2  # whose multiples fill [0, 1) most evenly, however many there are
PARTS = 10
IMPROBABLE = 60.0  # χ² of 9 degrees of freedom: 1 in 10^9 by chance


def drawn_places(labels: NDArray[np.bool_], seed: int) -> NDArray[np.float64]:
    """float[n] in [0, 1): where each row of the file stands; a cut holds its share of both outcomes, from all over.

    The k-th row of an outcome keeps its place when rows are appended: what one version has not learnt from, no later
    one has either on the same side of the same cut.
    """
    places = np.empty(len(labels))
    offsets = np.random.default_rng(seed).random(2)
    for outcome, offset in ((False, offsets[0]), (True, offsets[1])):
        rows = np.flatnonzero(labels == outcome)
        places[rows] = (offset + GOLDEN * np.arange(len(rows))) % 1.0
    return places


def drift_along(labels: NDArray[np.bool_]) -> str | None:
    """Evidence of the share of true rows against an order without meaning; None where it stays as it is by chance.

    >>> drift_along(np.arange(1000) % 3 == 0)
    >>> drift_along(np.arange(1000) > 700)
    'the share of true rows drifts along the file, from 0 % to 100 % in tenths of it'
    """
    share = float(labels.mean())
    parts = [part for part in np.array_split(labels, PARTS) if len(part)]
    shares = np.array([part.mean() for part in parts])
    sizes = np.array([len(part) for part in parts])
    if float((sizes * (shares - share) ** 2).sum()) <= IMPROBABLE * share * (1 - share):
        return None
    low, high = 100 * shares.min(), 100 * shares.max()
    return f"the share of true rows drifts along the file, from {low:.3g} % to {high:.3g} % in tenths of it"
