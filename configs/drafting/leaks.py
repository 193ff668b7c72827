"""Columns that tell the label by themselves, a copy or what is only known with it; and those that tell the time."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

AUC = 0.95  # from here on a column alone is too good to have been known before
MOST_ROWS = 100_000
_BINS = 100
_FEWEST = 20  # labels of either kind that a judgement needs
_FEWEST_COPIED = 10  # rows: fewer agree by chance
_PURE = 0.001
_WITH_TIME = 0.98  # rank correlation with the event time, from which a column only tells when a row was written
_SHARE = 0.1  # of the rows of one kind that a pure group must hold to be told

Codes = NDArray[np.int64]  # [n] the group of each row, 0 where the value is missing
Labels = NDArray[np.bool_]  # [n]


@dataclass(frozen=True, slots=True)
class Telling:
    """Leakage of the label through one column."""

    auc: float | None  # of the best ordering of its groups, learnt on one half and judged on the other
    filled_with: bool | None = None  # the label with which alone the column is filled
    outright: tuple[bool, float] | None = None  # a label, and the share of its rows that are told with certainty

    def sentence(self, target: str) -> str:
        """Warning to people; empty when there is nothing to look at."""
        if self.filled_with is not None:
            return f"is filled only where {target!r} is {_spelled(self.filled_with)}, so it is known only afterwards"
        if self.auc is not None and self.auc >= AUC:
            return f"alone tells {target!r} with AUC {self.auc:.2f}: was it known before the decision?"
        if self.outright is not None:
            label, share = self.outright
            return f"tells {share:.0%} of the rows where {target!r} is {_spelled(label)} outright: was it known before?"
        return ""


@dataclass(frozen=True, slots=True)
class Suspicion:
    """Suspicion about a feature, and whether a draft had better leave it out."""

    what: str
    leave_out: bool = False


def suspicion(
    values: pa.Array, labels: pa.Array, order: NDArray[np.float64], target: str, time: str | None
) -> Iterator[Suspicion]:
    """Judge a feature against bool[n] labels, null where a row has none, and float64[n] `order` of the rows in time.

    `time` names the column that the order is that of; without one the rows stand as they were written.
    """
    labelled = pc.is_valid(labels)
    truth, known = labels.filter(labelled).to_numpy(zero_copy_only=False), values.filter(labelled)
    if _is_copy(known, truth):
        yield Suspicion(f"tells {target!r} outright: with it there is nothing to predict", True)
        return
    told = telling(known, truth)
    if sentence := told.sentence(target):
        yield Suspicion(sentence, told.filled_with is not None)
    if not (pa.types.is_integer(values.type) or pa.types.is_floating(values.type)):
        return
    along = rises(pc.cast(values, pa.float64(), safe=False).to_numpy(zero_copy_only=False), order)
    way = "rises" if along > 0 else "falls"
    if abs(along) >= _WITH_TIME and time is not None:
        yield Suspicion(f"{way} with {time}: newer rows would lie beyond all that was learnt", True)
    elif abs(along) >= _WITH_TIME:
        yield Suspicion(f"{way} along the rows: if they are in the order of time, newer ones lie beyond all seen")


def telling(column: pa.Array, labels: Labels) -> Telling:
    """Judge a column of numbers, text or truth against labels of the same rows, spread over at most 100,000 of them."""
    step = max(1, len(labels) // MOST_ROWS)
    codes, labels = _groups(column.take(pa.array(np.arange(0, len(labels), step)))), labels[::step]
    if min(labels.sum(), (~labels).sum()) < 2 * _FEWEST:
        return Telling(None)
    learnt, judged = _counts(codes[::2], labels[::2], codes), _counts(codes[1::2], labels[1::2], codes)
    return Telling(_auc(learnt, judged), _filled_with(codes, labels), _outright(learnt, judged))


def rises(values: NDArray[np.float64], order: NDArray[np.float64]) -> float:
    """Spearman's correlation of a column with time, over the rows that have a value; 0.0 where there are few."""
    present = np.isfinite(values)
    values, order = values[present], order[present]
    if len(values) < 50:
        return 0.0
    step = max(1, len(values) // 20_000)
    ranks, times = _ranks(values[::step]), _ranks(order[::step])
    if ranks.std() == 0 or times.std() == 0:
        return 0.0
    return float(np.corrcoef(ranks, times)[0, 1])


def _is_copy(values: pa.Array, labels: Labels) -> bool:
    """Whether a two-valued column is the target under another name."""
    if len(pc.unique(values.slice(0, 1000).drop_null())) > 2:
        return False
    encoded = values.dictionary_encode()
    if len(encoded.dictionary) != 2:
        return False
    present = pc.is_valid(values).to_numpy(zero_copy_only=False)
    codes = pc.fill_null(encoded.indices, 0).to_numpy(zero_copy_only=False)[present].astype(bool)
    known = labels[present]
    if len(known) < _FEWEST_COPIED:
        return False
    return bool(len(set(known.tolist())) == 2 and ((codes == known).all() or (codes != known).all()))


def _groups(column: pa.Array) -> Codes:
    """Values as at most 100 groups, 0 for the missing ones."""
    if pa.types.is_string(column.type) or pa.types.is_boolean(column.type):
        indices = column.dictionary_encode().indices
        codes: Codes = pc.fill_null(pc.add(pc.cast(indices, pa.int64()), 1), 0).to_numpy(zero_copy_only=False)
        return codes
    values = pc.cast(column, pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    present = np.isfinite(values)
    different = np.unique(values[present])
    if len(different) > _BINS:
        different = np.unique(np.quantile(values[present], np.linspace(0, 1, _BINS + 1)[1:-1]))
        codes = np.searchsorted(different, values, side="right") + 1
    else:
        codes = np.searchsorted(different, values) + 1
    return np.where(present, codes, 0)


def _counts(codes: Codes, labels: Labels, every: Codes) -> NDArray[np.float64]:
    """float64[2, groups]: rows that are false and true in each group."""
    width = int(every.max()) + 1
    return np.array([np.bincount(codes[labels == kind], minlength=width) for kind in (False, True)], np.float64)


def _auc(learnt: NDArray[np.float64], judged: NDArray[np.float64]) -> float | None:
    """Area under the curve when groups are ordered by the share of true rows seen in the other half."""
    negatives, positives = judged.sum(axis=1)
    if min(negatives, positives) < _FEWEST:
        return None
    base = learnt[1].sum() / learnt.sum()
    order = np.argsort((learnt[1] + base) / (learnt.sum(axis=0) + 1.0), kind="stable")
    false, true = judged[0][order], judged[1][order]
    below = np.concatenate([[0.0], np.cumsum(false)[:-1]])
    return float((true * (below + false / 2)).sum() / (negatives * positives))


def _filled_with(codes: Codes, labels: Labels) -> bool | None:
    filled = codes > 0
    with_true, with_false = filled[labels].mean(), filled[~labels].mean()
    if with_false <= _PURE and with_true >= _SHARE and filled.sum() * (1 - labels.mean()) >= _FEWEST:
        return True
    if with_true <= _PURE and with_false >= _SHARE and filled.sum() * labels.mean() >= _FEWEST:
        return False
    return None


def _outright(learnt: NDArray[np.float64], judged: NDArray[np.float64]) -> tuple[bool, float] | None:
    """A label that groups tell with certainty, pure in one half and in the other."""
    for label in (True, False):
        own, other = int(label), int(not label)
        pure = (learnt[own] >= 5) & (learnt[other] == 0)
        held, stray = judged[own][pure].sum(), judged[other][pure].sum()
        share = held / max(1.0, judged[own].sum())
        expected = held * judged[other].sum() / judged.sum()
        if share >= _SHARE and stray <= _PURE * held and expected >= _FEWEST:
            return label, float(share)
    return None


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Average ranks, so that equal values do not follow the order they came in."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return (ends - (counts - 1) / 2.0)[places]


def _spelled(label: bool) -> str:
    return "true" if label else "false"
