"""The reference that monitors compare with: how features, scores and losses looked when a version was made."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from windvane.cluster.decoders import json_decoder
from windvane.cluster.encoding import FIRST_CATEGORY, MISSING, UNKNOWN
from windvane.cluster.errors import Invalid
from windvane.configs.schema import Feature
from windvane.monitoring.statistics.calibration import Block
from windvane.monitoring.statistics.performance import SCORE_BINS, LabelledScores, Performance, score_bins

QUANTILES = 10  # reference quantile bins of a number
NORMAL_DECILES_APART = 2.5631  # standard deviations between a normal distribution's first and ninth decile
MISSING_BIN = 0
UNKNOWN_BIN = UNKNOWN  # of a category: bins are the codes of the encoder

Rows = NDArray[np.float32]
Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class FeatureProfile:
    """One feature's bins and what the reference rows counted in them; the missing bin comes first.

    A number's bin i ≥ 1 is (edges[i−2], edges[i−1]]; a category's bins are its codes: missing, unknown, declared ones.
    """

    name: str
    kind: Literal["number", "category"]
    edges: tuple[float, ...]
    counts: tuple[int, ...]

    @property
    def spread(self) -> float | None:
        """A number's standard deviation as its deciles tell it, whatever its tails; None where they coincide.

        >>> round(FeatureProfile("age", "number", (20.0, 30.0, 40.0, 50.0), (0, 100, 300, 300, 200, 100)).spread, 3)
        11.705
        """
        present = np.cumsum(self.counts[MISSING_BIN + 1 :])
        if self.kind == "category" or len(self.edges) < 2 or present[-1] == 0:
            return None
        low, high = np.searchsorted(present, [present[-1] / QUANTILES, present[-1] * (1 - 1 / QUANTILES)])
        apart = self.edges[min(int(high), len(self.edges) - 1)] - self.edges[min(int(low), len(self.edges) - 1)]
        return apart / NORMAL_DECILES_APART if apart > 0.0 else None


@dataclass(frozen=True, slots=True)
class Profile:
    """A version's reference: `features` from the rows it learnt, the rest from held-out rows."""

    features: tuple[FeatureProfile, ...]
    scores: tuple[int, ...]  # per fixed score bin
    performance: Performance
    label_delay: float | None = None  # seconds by which 95 % of each class's labels are known, where the rows tell it
    learnt: int | None = None  # rows it learnt from
    days: tuple[Block, ...] = ()  # windows of the rows it learnt from, which tell how much days differ

    @staticmethod
    def learn(
        features: Sequence[Feature],
        rows: Rows,
        scores: NDArray[np.floating],
        labels: NDArray[np.bool_],
        label_delay: float | None = None,
        learnt: int | None = None,
        days: tuple[Block, ...] = (),
    ) -> "Profile":
        """The profile of float32[n, F] encoded rows, and of float[m] held-out scores with their bool[m] labels."""
        if len(rows) == 0 or len(scores) == 0:
            raise Invalid("A profile needs reference rows and held-out scores; there are none")
        labelled = LabelledScores()
        labelled.add(scores, labels)
        performance = labelled.performance()
        if performance is None:
            raise Invalid("A profile needs held-out labels; there are none")
        binned = tuple(_learn(feature, rows[:, place]) for place, feature in enumerate(features))
        counted = np.bincount(score_bins(np.asarray(scores, np.float64)), minlength=SCORE_BINS)
        return Profile(
            binned, tuple(counted.tolist()), performance, label_delay, len(rows) if learnt is None else learnt, days
        )

    @staticmethod
    def from_json(text: bytes | str) -> "Profile":
        """Read `profile.json`; raises Invalid when it is not one."""
        try:
            profile = json_decoder(Profile).decode(text)
        except msgspec.DecodeError as error:
            raise Invalid(f"This is not a profile ({error}): train the version again") from error
        if len(profile.scores) != SCORE_BINS:
            raise Invalid(
                f"The profile has {len(profile.scores)} score bins, not {SCORE_BINS}: train the version again"
            )
        return profile

    def to_json(self) -> bytes:
        """Content of `profile.json`."""
        return msgspec.json.encode(self)

    def bins(self, rows: Rows) -> tuple[Counts, ...]:
        """Per feature the int64 counts of float32[n, F] rows."""
        layout = Layout(self)
        return layout.split(layout.count(rows))


class Layout:
    """A profile's bins laid side by side in one array, ready for counting: about 30 ns a value."""

    def __init__(self, profile: Profile) -> None:
        self._edges = [np.asarray(feature.edges, np.float32) for feature in profile.features]
        self._categories = [feature.kind == "category" for feature in profile.features]
        sizes = [len(feature.counts) for feature in profile.features]
        self._starts = np.concatenate(([0], np.cumsum(sizes))).astype(np.int64)
        self._last = [size - 1 for size in sizes]
        self.size = int(self._starts[-1])
        self.width = len(sizes)

    def places(self, rows: Rows) -> NDArray[np.int64]:
        """int64[n, F]: where each value counts in the side-by-side array."""
        places = np.empty(rows.shape, np.int64)
        for feature, edges in enumerate(self._edges):
            column = rows[:, feature]
            if self._categories[feature]:
                bins = np.clip(column, 0, self._last[feature]).astype(np.int64)
            else:
                bins = np.searchsorted(edges, column, side="left") + 1
                bins[np.isnan(column)] = MISSING_BIN
            places[:, feature] = bins + self._starts[feature]
        return places

    def count(self, rows: Rows) -> Counts:
        """int64[size] counts of float32[n, F] rows."""
        return np.bincount(self.places(rows).ravel(), minlength=self.size)

    def split(self, counts: Counts) -> tuple[Counts, ...]:
        """The side-by-side counts, feature by feature."""
        return tuple(counts[start:end] for start, end in zip(self._starts, self._starts[1:], strict=False))


def _learn(feature: Feature, column: Rows) -> FeatureProfile:
    if feature.type == "category":
        codes = np.clip(column, MISSING, FIRST_CATEGORY + len(feature.categories) - 1).astype(np.int64)
        counts = np.bincount(codes, minlength=FIRST_CATEGORY + len(feature.categories))
        return FeatureProfile(feature.name, "category", (), tuple(counts.tolist()))
    present = column[~np.isnan(column)]
    edges = np.array([0.0], np.float32) if feature.type == "boolean" else _quantile_edges(present)
    bins = np.searchsorted(edges, present, side="left") + 1
    counts = np.bincount(bins, minlength=len(edges) + 2)
    counts[MISSING_BIN] = len(column) - len(present)
    return FeatureProfile(feature.name, "number", tuple(edges.tolist()), tuple(counts.tolist()))


def _quantile_edges(present: Rows) -> Rows:
    """Distinct interior quantiles: every bin holds reference rows, except that a constant gets a bin on either side."""
    if len(present) == 0:
        return np.empty(0, np.float32)
    shares = np.arange(1, QUANTILES) / QUANTILES
    edges = np.unique(np.quantile(present, shares, method="inverted_cdf").astype(np.float32))
    low, high = present.min(), present.max()
    if low == high:
        return np.array([np.nextafter(low, np.float32(-np.inf)), high], np.float32)
    interior: Rows = edges[edges < high]
    return interior
