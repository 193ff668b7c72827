"""Counts that a replica ships once a second and the monitor adds up: all of it merges exactly by addition."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from secrets import token_hex

import numpy as np
from numpy.typing import NDArray

from windvane.cluster.errors import Invalid
from windvane.monitoring.counts.arm_key import ArmKey
from windvane.monitoring.counts.profile import Layout, Profile
from windvane.monitoring.counts.shipment import (
    LATENCY_BINS,
    LATENCY_EDGES_MS,
    Counts,
    Payload,
    TrafficPart,
    WindowPart,
    counts_from_bytes,
    counts_to_bytes,
    pack,
    unpack,
)
from windvane.monitoring.statistics.performance import SCORE_BINS, score_bins

_BUFFERED_ROWS = 1024
_KEPT_WINDOWS = 400  # per version, newest
_KEPT_REVISIONS = 100
_KEPT_SHADOWS = 1000  # of revision and version, newest


class WindowCounts:
    """Feature and score counts of one version in one window of event time."""

    __slots__ = ("features", "newest", "rows", "scores")

    def __init__(self) -> None:
        self.rows = 0
        self.newest = float("-inf")  # event time, Unix seconds
        self.scores: Counts = np.zeros(SCORE_BINS, np.int64)
        self.features: Counts | None = None  # side by side, laid out by the version's profile

    def add(self, rows: int, newest: float, scores: Counts, features: Counts | None) -> None:
        """Add counts of the same version and window."""
        self.rows += rows
        self.newest = max(self.newest, newest)
        self.scores = self.scores + scores
        if features is not None:
            self.features = features if self.features is None else self.features + features


class TrafficCounts:
    """Decisions, errors, actions and latencies of one arm under one revision."""

    __slots__ = ("actions", "decisions", "errors", "latency")

    def __init__(self) -> None:
        self.decisions = 0
        self.errors = 0
        self.actions: Counter[str] = Counter()
        self.latency: Counts = np.zeros(LATENCY_BINS, np.int64)

    def add(self, decisions: int, errors: int, actions: Mapping[str, int], latency: Counts) -> None:
        """Add counts of the same arm and revision."""
        self.decisions += decisions
        self.errors += errors
        self.actions.update(actions)
        self.latency = self.latency + latency


class Merged:
    """The sum of payloads of one model; bounded by dropping the oldest windows and revisions."""

    def __init__(self, model: str) -> None:
        self.model = model
        self.windows: dict[tuple[int, int], WindowCounts] = {}  # by version, window
        self.traffic: dict[tuple[int, int, str], TrafficCounts] = {}  # by revision, version, arm
        self.shadows: Counter[tuple[int, int]] = Counter()  # by revision, version: scores
        self.dropped: Counter[int] = Counter()  # by version: shadow rows that were not scored
        self.denied: Counter[str] = Counter()  # by category: decisions that policy denied
        self.refused = 0  # requests, and instances of answered ones
        self.refusals: Counter[tuple[str, str]] = Counter()  # by field, reason: how many were refused for it
        self.warnings: Counter[tuple[str, str]] = Counter()  # by field, reason: rows that were warned of it

    def window(self, version: int, window: int) -> WindowCounts:
        """The counts of that version and window, made when new."""
        counts = self.windows.get((version, window))
        if counts is None:
            counts = self.windows[(version, window)] = WindowCounts()
            self._forget_windows(version)
        return counts

    def arm(self, revision: int, version: int, arm: str) -> TrafficCounts:
        """The counts of that arm under that revision, made when new."""
        counts = self.traffic.get((revision, version, arm))
        if counts is None:
            counts = self.traffic[(revision, version, arm)] = TrafficCounts()
            self._forget_revisions()
        return counts

    def add(self, payload: bytes) -> Payload:
        """Add one replica's shipment; raises Invalid when it is not one of this model."""
        shipped = unpack(payload)
        self.merge(shipped)
        return shipped

    def merge(self, shipped: Payload) -> None:
        """Add what was shipped; raises Invalid when it is not of this model."""
        if shipped.model != self.model:
            raise Invalid(f"A shipment of {shipped.model} came to the monitor of {self.model}")
        for part in shipped.windows:
            features = counts_from_bytes(part.features) if part.features else None
            self.window(part.version, part.window).add(part.rows, part.newest, counts_from_bytes(part.scores), features)
        for arm in shipped.traffic:
            counts = self.arm(arm.revision, arm.version, arm.arm)
            counts.add(arm.decisions, arm.errors, arm.actions, counts_from_bytes(arm.latency))
        for revision, version, scores in shipped.shadows:
            self.shadows[(revision, version)] += scores
        while len(self.shadows) > _KEPT_SHADOWS:
            del self.shadows[min(self.shadows)]
        self.dropped.update(shipped.dropped)
        self.denied.update(shipped.denied)
        self.refused += shipped.refused
        self.refusals.update({(field, reason): count for field, reason, count in shipped.refusals})
        self.warnings.update({(field, reason): count for field, reason, count in shipped.warnings})

    def forget(self, version: int) -> None:
        """Drop that version's windows and shadow scores; its traffic goes with its revision."""
        self.windows = {key: counts for key, counts in self.windows.items() if key[0] != version}
        self.shadows = Counter({key: scores for key, scores in self.shadows.items() if key[1] != version})
        self.dropped.pop(version, None)

    def payload(self, tally: str = "", number: int = 0) -> bytes:
        """Everything counted, as that tally's `number`-th shipment."""
        windows = [
            WindowPart(
                version,
                window,
                counts.rows,
                counts.newest,
                counts_to_bytes(counts.scores),
                b"" if counts.features is None else counts_to_bytes(counts.features),
            )
            for (version, window), counts in self.windows.items()
        ]
        traffic = [
            TrafficPart(revision, version, arm, c.decisions, c.errors, dict(c.actions), counts_to_bytes(c.latency))
            for (revision, version, arm), c in self.traffic.items()
        ]
        shadows = [(revision, version, scores) for (revision, version), scores in self.shadows.items()]
        dropped, denied = dict(self.dropped), dict(self.denied)
        refusals = [(field, reason, count) for (field, reason), count in self.refusals.items()]
        warnings = [(field, reason, count) for (field, reason), count in self.warnings.items()]
        return pack(
            Payload(
                *(self.model, windows, traffic, shadows, dropped, tally, number, denied),
                refused=self.refused,
                refusals=refusals,
                warnings=warnings,
            )
        )

    def _forget_windows(self, version: int) -> None:
        kept = sorted(window for of, window in self.windows if of == version)
        for window in kept[:-_KEPT_WINDOWS]:
            del self.windows[(version, window)]

    def _forget_revisions(self) -> None:
        kept = sorted({revision for revision, _, _ in self.traffic})
        for revision in kept[:-_KEPT_REVISIONS]:
            for key in [key for key in self.traffic if key[0] == revision]:
                del self.traffic[key]


class Tally:
    """Counts the decisions of one replica; `profiles` may gain and lose versions while it counts.

    Batches are only copied when they come and counted when 1,024 rows have come together, so a micro-batch costs one or
    two microseconds.
    """

    def __init__(self, model: str, profiles: Mapping[int, Profile], window_seconds: float) -> None:
        self._model = model
        self._profiles = profiles
        self._layouts: dict[int, Layout] = {}
        self._window_seconds = window_seconds
        self._counts = Merged(model)
        self._name = token_hex(8)
        self._shipments = 0
        self._waiting: dict[ArmKey, _Waiting] = {}

    def add(
        self,
        key: ArmKey,
        rows: NDArray[np.float32],
        scores: NDArray[np.float64],
        event_times: Sequence[float],
        actions: Sequence[str],
        latencies_ms: Sequence[float],
    ) -> None:
        """Count answered decisions: float32[n, F] encoded rows, float64[n] scores, n event times (Unix seconds)."""
        waiting = self._waiting.get(key)
        if waiting is None or waiting.width != rows.shape[1]:
            self._flush(key)
            waiting = self._waiting[key] = _Waiting(rows.shape[1])
            self._layout(key.version, waiting.width)  # the profile may be gone when they are counted
        waiting.rows.append(rows.copy())
        waiting.scores.append(scores.copy())
        waiting.event_times.extend(event_times)
        waiting.latencies_ms.extend(latencies_ms)
        waiting.actions.extend(actions)
        if len(waiting.actions) >= _BUFFERED_ROWS:
            self._flush(key)

    def shadow(self, version: int, revision: int, scores: NDArray[np.float64]) -> None:
        """Count scores of a version that did not answer."""
        self._counts.shadows[(revision, version)] += len(scores)

    def error(self, key: ArmKey, n: int = 1) -> None:
        """Count requests that this version failed to answer."""
        self._counts.arm(key.revision, key.version, key.arm).errors += n

    def dropped(self, version: int, n: int = 1) -> None:
        """Count shadow rows that were not scored, or whose score was not logged."""
        self._counts.dropped[version] += n

    def denied(self, category: str, n: int = 1) -> None:
        """Count decisions that policy denied."""
        self._counts.denied[category] += n

    def refused(self, causes: Iterable[tuple[str, str]], n: int = 1) -> None:
        """Count requests that were refused, each for all of these fields and reasons."""
        self._counts.refused += n
        for cause in causes:
            self._counts.refusals[cause] += n

    def warned(self, causes: Iterable[tuple[str, str]]) -> None:
        """Count a row that was answered with these fields and reasons of warnings."""
        self._counts.warnings.update(causes)

    def drain(self) -> bytes:
        """Everything counted since the last drain, as a shipment; counting starts again from nothing."""
        for key in list(self._waiting):
            self._flush(key)
        self._layouts = {version: layout for version, layout in self._layouts.items() if version in self._profiles}
        self._shipments += 1
        payload = self._counts.payload(self._name, self._shipments)
        self._counts = Merged(self._model)
        return payload

    def _flush(self, key: ArmKey) -> None:
        waiting = self._waiting.pop(key, None)
        if waiting is None:
            return
        version = key.version
        latency = np.bincount(
            np.searchsorted(LATENCY_EDGES_MS, waiting.latencies_ms, side="left"), minlength=LATENCY_BINS
        )
        self._counts.arm(key.revision, version, key.arm).add(len(waiting.actions), 0, Counter(waiting.actions), latency)
        rows, all_scores = np.concatenate(waiting.rows), np.concatenate(waiting.scores)
        event_times = np.array(waiting.event_times)
        windows = np.floor(event_times / self._window_seconds).astype(np.int64)
        layout = self._layout(version, waiting.width)
        for window in np.unique(windows).tolist():
            of = windows == window
            scores = np.bincount(score_bins(all_scores[of]), minlength=SCORE_BINS)
            features = None if layout is None else layout.count(rows[of])
            self._counts.window(version, window).add(int(of.sum()), float(event_times[of].max()), scores, features)

    def _layout(self, version: int, width: int) -> Layout | None:
        layout = self._layouts.get(version)
        if layout is None and version in self._profiles:
            layout = self._layouts[version] = Layout(self._profiles[version])
        return layout if layout is not None and layout.width == width else None


class _Waiting:
    """Rows of one arm that are not counted yet."""

    __slots__ = ("actions", "event_times", "latencies_ms", "rows", "scores", "width")

    def __init__(self, width: int) -> None:
        self.width = width
        self.rows: list[NDArray[np.float32]] = []  # by batch, as are the scores
        self.scores: list[NDArray[np.float64]] = []
        self.event_times: list[float] = []
        self.latencies_ms: list[float] = []
        self.actions: list[str] = []
