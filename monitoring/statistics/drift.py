"""Measures how far counts moved from their reference: the population stability index and the rise of a share."""

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]
_FLOOR = 1e-4  # share mixed into every bin of both sides: an empty bin is rare, not impossible; empty twice is no drift
_RARE = 0.02  # categories with a smaller reference share are counted together


def psi(reference: Counts, current: Counts) -> float | None:
    """Σ (p − q) ln(p / q) over the bins, smoothed; None when either side is empty.

    Without drift it reads about bins / rows by itself, so callers keep bins few and ask for a minimum sample.

    >>> psi(np.array([50, 50]), np.array([500, 500]))
    0.0
    """
    if reference.sum() == 0 or current.sum() == 0:
        return None
    weight = 1.0 - _FLOOR * len(reference)
    p = weight * current / current.sum() + _FLOOR
    q = weight * reference / reference.sum() + _FLOOR
    return float(((p - q) * np.log(p / q)).sum())


def category_psi(reference: Counts, current: Counts, apart: int = 2) -> float | None:
    """PSI of categories: the first `apart` bins (missing, unknown) stay alone, rare categories are joined."""
    rare = reference < _RARE * reference.sum()
    rare[:apart] = False
    if not rare.any():
        return psi(reference, current)
    joined = [np.append(counts[~rare], counts[rare].sum()) for counts in (reference, current)]
    return psi(joined[0], joined[1])


def grouped_psi(reference: Counts, current: Counts, groups: int = 10) -> float | None:
    """PSI of many fine bins, after joining neighbours until each holds about 1/`groups` of the reference."""
    starts = group_starts(reference, groups)
    return psi(np.add.reduceat(reference, starts), np.add.reduceat(current, starts))


def group_starts(reference: Counts, groups: int) -> NDArray[np.intp]:
    """Starts of groups of neighbouring bins, each of which holds at least 1/`groups` of the reference.

    >>> group_starts(np.array([1, 1, 2, 0, 4]), 2).tolist()
    [0, 3]
    """
    least = reference.sum() / groups
    starts, held = [0], 0.0
    ahead = float(reference.sum())
    for place, count in enumerate(reference.tolist()):
        if place and held >= least and ahead >= least > 0:
            starts.append(place)
            held = 0.0
        held += count
        ahead -= count
    return np.array(starts, np.intp)


def share_rise(reference: Counts, current: Counts, place: int) -> float | None:
    """Rise of the share of one bin since the reference, in [−1, 1]; None when either side is empty."""
    if reference.sum() == 0 or current.sum() == 0:
        return None
    return float(current[place] / current.sum() - reference[place] / reference.sum())
