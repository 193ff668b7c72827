"""A bounded, repeatable search for the cheapest set of changes that reaches a target."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from windvane.cluster.encoding import Rows
from windvane.serve_apps.versions.reasons.candidates import Alternatives

Floats: TypeAlias = NDArray[np.float64]
Picks: TypeAlias = NDArray[np.int32]  # [n, M]: which alternative of each of M features, -1 for none

BLOCK = 1024  # rows scored at a time
BEAM = 64  # sets of changes that are extended where not all can be
MOST_PAIRS = 400_000  # combinations looked at, before any is scored, to find those worth it
MOST_HELPFUL = 512  # single changes that are combined where not all can be


class Reached(ValueError):
    """The row reaches the target as it is, so there is nothing to search for."""


@dataclass(frozen=True, slots=True)
class _Tried:
    """Sets of changes with what they cost and the log-odds by which they miss the target, 0 where they reach it."""

    picks: Picks
    costs: Floats
    missed: Floats

    def only(self, which: NDArray[np.intp] | NDArray[np.bool_]) -> "_Tried":
        return _Tried(self.picks[which], self.costs[which], self.missed[which])

    def __len__(self) -> int:
        return len(self.costs)


class Search:
    """One search over one row: single changes all, then pairs, then larger sets, as far as the budget goes.

    A set that costs no less than one that reaches the target is not looked at. While everything fits the budget, all
    combinations are scored and the answer is the cheapest there is; where it does not, changes are assumed to add up in
    log-odds to choose what is scored, and the best of those are extended. What is found is then made cheaper one change
    at a time. Nothing is random.
    """

    def __init__(
        self,
        row: Rows,
        alternatives: Sequence[Alternatives],
        score: Callable[[Rows], Floats],
        missed: Callable[[Floats], Floats],
        budget: int,
    ) -> None:
        """`row` float32[1, F]; `missed` says by how many log-odds scores miss the target, 0 where they reach it."""
        self._row, self._alternatives, self._score, self._missed = row, alternatives, score, missed
        # All alternatives in one row, those of each feature from its start on.
        self._starts = np.cumsum([0, *(len(found.values) for found in alternatives)])[:-1]
        self._places = np.array([found.place for found in alternatives], np.intp)
        self._encoded = np.concatenate([*(found.encoded for found in alternatives), np.empty(0, np.float32)])
        self._prices = np.concatenate([*(found.costs for found in alternatives), np.empty(0)])
        self._left = budget
        self.rows = 0  # scored so far
        self.proven = 0  # features up to which no cheaper set of changes reaches the target
        self._best: tuple[float, Picks] | None = None
        self._start = 0.0

    def run(self, most: int) -> list[int] | None:
        """The alternative picked of each feature, -1 for none, with at most `most` changes; None when none is found.

        Raises Reached for a row that reaches the target as it is.
        """
        self._start = float(self._try(np.full((1, len(self._alternatives)), -1, np.int32)).missed[0])
        if self._start == 0.0:
            raise Reached("The row reaches the target as it is: search for rows that do not")
        every = self._singles()
        complete = len(every) <= self._left
        singles = self._try(every[: self._left])
        self.proven = 1 if complete else 0
        sets = singles
        for size in range(2, min(most, len(self._alternatives)) + 1):
            share = self._left // (most - size + 2)
            wider = self._all_of(sets, singles, share) if complete else None
            if wider is None:
                complete, wider = False, self._promising(sets, singles, share)
            sets = self._try(wider)
            self.proven = size if complete else self.proven
        self._shave()
        return None if self._best is None else self._best[1].tolist()

    def cost(self, picks: Sequence[int]) -> float:
        """Cost of a set of changes."""
        return float(self._costs(np.array([picks], np.int32))[0])

    def _singles(self) -> Picks:
        """Every set of one change, cheapest first."""
        width = len(self._alternatives)
        feature = np.repeat(np.arange(width), [len(found.values) for found in self._alternatives])
        picks = np.full((len(feature), width), -1, np.int32)
        ranks = [np.arange(len(found.values)) for found in self._alternatives]
        picks[np.arange(len(feature)), feature] = np.concatenate([*ranks, np.empty(0, np.int64)])
        return picks[np.argsort(self._costs(picks), kind="stable")]

    def _all_of(self, sets: _Tried, singles: _Tried, share: int) -> Picks | None:
        """Every set with one change more that could be the cheapest; None where those are more than `share`."""
        sets, singles = sets.only(sets.missed > 0.0), singles.only(singles.costs < self._bound)
        if len(sets) * len(singles) > MOST_PAIRS:
            return None
        wanted = _last(sets.picks)[:, None] < _last(singles.picks)[None, :]
        wanted &= sets.costs[:, None] + singles.costs[None, :] < self._bound
        parents, added = np.nonzero(wanted)
        return None if len(parents) > share else _joined(sets, singles, parents, added)

    def _promising(self, sets: _Tried, singles: _Tried, share: int) -> Picks:
        """At most `share` sets with one change more: those that should reach the target, the cheapest of them first."""
        helpful = singles.only((singles.missed > 0.0) & (singles.missed < self._start))
        helpful = helpful.only(_undominated(helpful))
        gain = self._start - helpful.missed
        best = np.argsort(-gain / helpful.costs, kind="stable")[:MOST_HELPFUL]
        helpful, gain = helpful.only(best), gain[best]
        parents = helpful if sets is singles else sets.only(sets.missed > 0.0)
        parents = parents if len(parents) <= MOST_HELPFUL else parents.only(_front(parents))
        costs = parents.costs[:, None] + helpful.costs[None, :]
        free = parents.picks[:, _last(helpful.picks)] < 0
        parent, added = np.nonzero(free & (costs < self._bound))
        short = np.maximum(parents.missed[parent] - gain[added], 0.0)
        order = np.lexsort((costs[parent, added], short))[: 2 * share]
        joined = _joined(parents, helpful, parent[order], added[order])
        _, first = np.unique(_names(joined), return_index=True)  # the same set comes once from each of its parts
        return joined[np.sort(first)[:share]]

    def _shave(self) -> None:
        """Take changes back, or make them smaller, as long as the target is still reached."""
        while self._best is not None and self._left > 0:
            cost, best = self._best
            if np.count_nonzero(best >= 0) <= self.proven:
                return
            smaller = []
            for feature in np.flatnonzero(best >= 0):
                less = np.repeat(best[None, :], best[feature] + 1, axis=0)
                less[:, feature] = np.arange(-1, best[feature])
                smaller.append(less)
            picks = np.concatenate(smaller)
            self._try(picks[np.argsort(self._costs(picks), kind="stable")][: self._left])
            if self._best[0] >= cost:
                return

    def _try(self, picks: Picks) -> _Tried:
        """Score sets of changes and remember the cheapest that reaches the target."""
        missed = np.empty(len(picks))
        for begin in range(0, len(picks), BLOCK):
            part = picks[begin : begin + BLOCK]
            rows = np.repeat(self._row, len(part), axis=0)
            row, feature = np.nonzero(part >= 0)
            rows[row, self._places[feature]] = self._encoded[self._starts[feature] + part[row, feature]]
            missed[begin : begin + BLOCK] = self._missed(self._score(rows))
        self.rows += len(picks)
        self._left -= len(picks)
        tried = _Tried(picks, self._costs(picks), missed)
        reached = np.flatnonzero(missed == 0.0)
        if len(reached):
            cheapest = reached[np.argmin(tried.costs[reached])]
            if tried.costs[cheapest] < self._bound:
                self._best = float(tried.costs[cheapest]), picks[cheapest]
        return tried

    def _costs(self, picks: Picks) -> Floats:
        if not picks.shape[1]:
            return np.zeros(len(picks))
        prices = np.where(picks >= 0, self._prices[np.maximum(self._starts + picks, 0)], 0.0)
        total: Floats = prices.sum(axis=1)
        return total

    @property
    def _bound(self) -> float:
        return np.inf if self._best is None else self._best[0]


def _last(picks: Picks) -> NDArray[np.intp]:
    """The last feature that each set changes."""
    width = picks.shape[1]
    found: NDArray[np.intp] = width - 1 - np.argmax(picks[:, ::-1] >= 0, axis=1)
    return found


def _names(picks: Picks) -> NDArray[np.uint64]:
    """uint64[n], one number for each set: of 10,000 sets two have the same with a chance of 3 in 10^12."""
    # Powers of an odd number that is far from a power of two, modulo 2^64: SplitMix64's, from the golden ratio.
    weights = np.cumprod(np.full(picks.shape[1], 0x9E3779B97F4A7C15, np.uint64), dtype=np.uint64)
    mixed = (picks + 1).astype(np.uint64) * weights
    names: NDArray[np.uint64] = mixed.sum(axis=1, dtype=np.uint64)
    return names


def _joined(sets: _Tried, singles: _Tried, parent: NDArray[np.intp], added: NDArray[np.intp]) -> Picks:
    joined: Picks = np.maximum(sets.picks[parent], singles.picks[added])
    return joined


def _front(tried: _Tried) -> NDArray[np.intp]:
    """The sets to extend: those that miss least, and those that nothing cheaper beats."""
    order = np.lexsort((tried.missed, tried.costs))
    cheap = order[_improves(tried.missed[order])]
    near = np.lexsort((tried.costs, tried.missed))
    return np.unique(np.concatenate([cheap[:BEAM], near[:BEAM]]))


def _undominated(singles: _Tried) -> NDArray[np.intp]:
    """Single changes than which nothing cheaper of the same feature does more."""
    feature = _last(singles.picks)
    kept = [np.empty(0, np.intp)]
    for one in np.unique(feature):
        own = np.flatnonzero(feature == one)
        own = own[np.lexsort((singles.missed[own], singles.costs[own]))]
        kept.append(own[_improves(singles.missed[own])])
    return np.concatenate(kept)


def _improves(missed: Floats) -> NDArray[np.bool_]:
    """Mask of those below all before them."""
    before = np.minimum.accumulate(np.concatenate([[np.inf], missed[:-1]]))
    found: NDArray[np.bool_] = missed < before
    return found
