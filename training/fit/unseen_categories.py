"""Teaches what a category that nobody declared means: what rows mean on average."""

from dataclasses import replace

import numpy as np

from windvane.cluster.encoding import UNKNOWN
from windvane.training.rows.examples import Examples

SHARE = 200  # one row in so many is learnt from once more without its category
LEAST = 10


def with_unknowns(examples: Examples) -> Examples:
    """The rows, and behind them copies whose category is unknown, for each feature where none is.

    A tree sends a category it has never met to one side of every split, which adds up to an extreme.
    """
    rows, labels, times = [examples.rows], [examples.labels], [examples.times]
    count = min(len(examples), max(LEAST, len(examples) // SHARE))
    places = np.linspace(0, len(examples) - 1, count).astype(np.int64)
    for feature in sorted(examples.categories):
        if not (examples.rows[:, feature] == UNKNOWN).any():
            copies = examples.rows[places].copy()
            copies[:, feature] = UNKNOWN
            rows.append(copies)
            labels.append(examples.labels[places])
            times.append(examples.times[places])
    if len(rows) == 1:
        return examples
    table = examples.table.slice(0, 0)  # of which nobody who fits reads anything
    return replace(
        examples, table=table, rows=np.concatenate(rows), labels=np.concatenate(labels), times=np.concatenate(times)
    )
