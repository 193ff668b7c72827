"""All that is seen of one model: counts shipped by replicas, and scores joined with their labels from the log."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from windvane.cluster.decision_log.record import BriefRecord, Record
from windvane.configs.schema import ModelSpec
from windvane.monitoring.counts import labelled_windows
from windvane.monitoring.counts.counts import Merged
from windvane.monitoring.counts.joins import Joins
from windvane.monitoring.counts.label_ages import LabelAges
from windvane.monitoring.counts.measures import feature_measures
from windvane.monitoring.counts.pairs import Pair
from windvane.monitoring.counts.profile import Layout, Profile
from windvane.monitoring.counts.recent_versions import RecentVersions
from windvane.monitoring.counts.shipment import latency_quantile, slower_than, unpack
from windvane.monitoring.counts.snapshot import RecentRates, Snapshot, WindowPerformance, arm_snapshots
from windvane.monitoring.counts.traffic import TrafficMeter
from windvane.monitoring.counts.watermark import SHARE, newest_window
from windvane.monitoring.evidence import ArmEvidence, Evidence
from windvane.monitoring.findings import WindowMeasures, labels_complete
from windvane.monitoring.statistics.calibration import Block
from windvane.monitoring.statistics.drift import grouped_psi
from windvane.monitoring.statistics.performance import LabelledScores, Performance

KEPT_PAIRS = 6  # of versions, most recently seen
_KEPT_TALLIES = 1000


class Observation:
    """Adds up what comes and answers questions about it; no clock, no I/O."""

    def __init__(self, spec: ModelSpec) -> None:
        self._model = spec.name
        self._window_seconds = spec.monitor.window.total_seconds()
        self._min_sample = spec.monitor.min_sample
        self._recent = RecentVersions()
        self._profiles: dict[int, Profile] = {}
        self._layouts: dict[int, Layout] = {}
        self._merged = Merged(spec.name)
        self._delivered: dict[str, int] = {}  # by tally: its newest shipment
        self._counted_at: dict[tuple[int, int], float] = {}
        self._joins = Joins(self._window_seconds)
        self._scored: defaultdict[tuple[int, int], int] = defaultdict(int)
        self._labelled: dict[int, dict[int, LabelledScores]] = {}  # by version, window
        self._answered: dict[int, LabelledScores] = {}  # by window
        self._pairs: dict[tuple[int, int], Pair] = {}
        self._rates = RecentRates()
        self._label_ages = LabelAges()
        self._traffic = TrafficMeter()
        self._objective_ms = spec.slo.latency_p99_ms

    def watch(self, version: int, profile: Profile) -> None:
        """Compare that version with this reference from now on."""
        self._profiles[version] = profile
        self._layouts[version] = Layout(profile)
        self._recent.decided((version,))
        self._forget()

    def ship(self, replica: str, payload: bytes, now: float) -> None:
        """Add a replica's counts, once however often they are delivered; `now` is the wall clock in Unix seconds."""
        shipped = unpack(payload)
        if 0 < shipped.number <= self._delivered.get(shipped.tally, 0):
            return
        self._merged.merge(shipped)
        self._recent.decided(shipped.versions())
        self._forget()
        self._delivered.pop(shipped.tally, None)
        self._delivered[shipped.tally] = shipped.number
        while len(self._delivered) > _KEPT_TALLIES:
            del self._delivered[next(iter(self._delivered))]
        self._rates.add(replica, shipped, now)
        for part in shipped.windows:
            self._counted_at[(part.version, part.window)] = now
        self._counted_at = {key: at for key, at in self._counted_at.items() if key in self._merged.windows}

    def read(self, records: Iterable[Record | BriefRecord]) -> None:
        """Take in new records of the decision log."""
        joined = self._joins.read(records)
        self.add_moments(joined.decided, joined.told)
        for (version, window), count in Counter(joined.scored).items():
            self.add_scored(version, window, count)
        by_version: defaultdict[tuple[int, int], list[tuple[float, bool]]] = defaultdict(list)
        for version, window, score, label in joined.labelled:
            by_version[(version, window)].append((score, label))
        for (version, window), rows in by_version.items():
            self.add_labelled(version, window, *labelled_windows.columns(rows))
        by_window: defaultdict[int, list[tuple[float, bool]]] = defaultdict(list)
        for window, score, label in joined.answered:
            by_window[window].append((score, label))
        for window, rows in by_window.items():
            self.add_answered(window, *labelled_windows.columns(rows))
        for window, counted, was in joined.taken_back:
            self._take_back(window, counted, was)
        pairs: defaultdict[tuple[int, int], list[tuple[float, float, float, int]]] = defaultdict(list)
        for low, high, at, low_score, high_score, known in joined.pairs:
            pairs[(low, high)].append((at, low_score, high_score, known))
        for (low, high), scores in pairs.items():
            self.add_pairs(low, high, np.array(scores, np.float64))

    def add_moments(self, decided: Sequence[float], told: Sequence[tuple[float, float, bool]]) -> None:
        """Note when decisions were answered, and of outcomes when their decision was, when they came, and which."""
        self._traffic.add(decided, told)

    def add_scored(self, version: int, window: int, n: int) -> None:
        """Count decisions of that window that the version scored, as answer or as shadow."""
        self._recent.decided((version,))
        self._scored[(version, window)] += n
        while len(self._scored) > labelled_windows.KEPT_WINDOWS * 10:
            del self._scored[min(self._scored, key=lambda key: key[1])]

    def add_labelled(self, version: int, window: int, scores: NDArray[np.float64], labels: NDArray[np.bool_]) -> None:
        """Count float64[n] scores of that version whose bool[n] labels became known."""
        self._recent.labelled(version)
        labelled_windows.count_labelled(self._labelled.setdefault(version, {}), window, scores, labels)
        self._forget()

    def add_answered(self, window: int, scores: NDArray[np.float64], labels: NDArray[np.bool_]) -> None:
        """Count float64[n] scores that were answered and whose bool[n] labels became known just now."""
        labelled_windows.count_labelled(self._answered, window, scores, labels)
        newest = self._newest_window()
        if newest is not None:
            self._label_ages.add(max(0, newest - window), labels)

    def _take_back(self, window: int, scores: Sequence[tuple[int, float]], label: bool) -> None:
        labels = np.array([label])
        counted = [(self._answered, scores[0][1])]
        counted += [(self._labelled.get(version, {}), score) for version, score in scores]
        for windows, score in counted:
            if window in windows:
                windows[window].take_back(np.array([score]), labels)

    def add_pairs(self, low: int, high: int, rows: NDArray[np.float64]) -> None:
        """Add float64[n, 4] rows that two versions scored: answered at, score of low, score of high, label or −1."""
        pair = self._pairs.pop((low, high), None) or Pair(low, high, self._window_seconds)
        pair.add(rows)
        self._pairs[(low, high)] = pair  # at the end: most recently seen
        while len(self._pairs) > KEPT_PAIRS:
            del self._pairs[next(iter(self._pairs))]

    def watermark(self) -> float | None:
        """The newest event time, once enough decisions lie in the newest windows; None before.

        Enough is ten, and a twentieth of all in the newest windows: a few wild times move no clock.
        """
        newest = self._newest()
        window = newest_window({window: rows for window, (rows, _) in newest.items()}, SHARE)
        return None if window is None else newest[window][1]

    def furthest(self) -> float | None:
        """The newest event time that ten decisions vouch for, however many others do not."""
        newest = self._newest()
        window = newest_window({window: rows for window, (rows, _) in newest.items()}, 0.0)
        return None if window is None else newest[window][1]

    def reference(self, version: int) -> Performance | None:
        """The version's performance when it was made, or None while its profile is not known."""
        profile = self._profiles.get(version)
        return None if profile is None else profile.performance

    def days(self, version: int) -> tuple[Block, ...]:
        """The windows of the rows that the version learnt from."""
        profile = self._profiles.get(version)
        return () if profile is None else profile.days

    def learnt(self, version: int) -> int | None:
        """Number of rows the version has learnt from, where its profile says so."""
        profile = self._profiles.get(version)
        return None if profile is None else profile.learnt

    def measures(self, version: int, after: int | None = None) -> tuple[WindowMeasures, ...]:
        """The version's windows, oldest first, from the one after `after` on."""
        counted = {window for of, window in self._merged.windows if of == version}
        windows = counted | set(self._labelled.get(version, {}))
        return tuple(self._measure(version, w) for w in sorted(windows) if after is None or w > after)

    def labelled(self, version: int, at_least: int, until: float) -> labelled_windows.LabelledSpan | None:
        """Performance over the newest windows with complete labels that together hold `at_least`, if they do."""
        pooled, windows = LabelledScores(), self._labelled.get(version, {})
        complete = [window for window in sorted(windows) if self._complete(version, window, until)]
        for window in reversed(complete):
            pooled.merge(windows[window])
            performance = pooled.performance()
            if performance is not None and performance.n >= at_least:
                start, end = window * self._window_seconds, (complete[-1] + 1) * self._window_seconds
                return labelled_windows.LabelledSpan(version, start, end, performance)
        return None

    def evidence(self, revision: int, champion: int, candidate: int, since: float) -> Evidence:
        """Arms of that revision; paired parts over decisions answered since (Unix seconds)."""
        arms = tuple(self._arm(revision, version) for version in self._versions_of(revision))
        pair = self._pairs.get((min(champion, candidate), max(champion, candidate)))
        traffic = self._traffic.measured()
        if pair is None:
            return Evidence(revision, arms, None, None, traffic)
        paired = pair.paired(champion, candidate, since, self._traffic.both_known_before())
        return Evidence(revision, arms, paired, pair.shift(champion, candidate, since), traffic)

    def performances(self) -> tuple[WindowPerformance, ...]:
        """Every window's performance of what was answered (version None) and of each version, oldest first."""
        return labelled_windows.performances([(None, self._answered), *self._labelled.items()], self._window_seconds)

    def snapshot(self, now: float) -> Snapshot:
        """Totals and rates; `now` is the wall clock in Unix seconds."""
        arms = arm_snapshots(self._merged)
        scores: defaultdict[int, int] = defaultdict(int)
        for (_, version), count in self._merged.shadows.items():
            scores[version] += count
        return Snapshot(
            model=self._model,
            watermark=self.watermark(),
            decisions=sum(arm.decisions for arm in arms),
            errors=sum(arm.errors for arm in arms),
            decisions_per_second=self._rates.per_second(now),
            latency_p50_ms=self._rates.latency_ms(0.5),
            latency_p99_ms=self._rates.latency_ms(0.99),
            arms=arms,
            shadow_scores=dict(scores),
            shadow_dropped=dict(self._merged.dropped),
            waiting=self._joins.waiting,
            waiting_dropped=self._joins.dropped,
            labelled=self._joins.labelled,
            corrected=self._joins.corrected,
            unmatched=self._joins.unknown,
            shadow_unmatched=self._joins.unmatched_scores,
            replicas=self._rates.replicas(now),
            profiles=tuple(sorted(self._profiles)),
            denied=dict(self._merged.denied),
            refused=self._merged.refused,
            refusals=dict(self._merged.refusals),
            warnings=dict(self._merged.warnings),
        )

    def _forget(self) -> None:
        for version in self._recent.take_forgotten():
            for kept in (self._profiles, self._layouts, self._labelled):
                kept.pop(version, None)
            self._merged.forget(version)

    def _newest(self) -> dict[int, tuple[int, float]]:
        """Decisions and newest event time of every window, over all versions."""
        newest: dict[int, tuple[int, float]] = {}
        for (_, window), counts in self._merged.windows.items():
            rows, latest = newest.get(window, (0, float("-inf")))
            newest[window] = (rows + counts.rows, max(latest, counts.newest))
        return newest

    def _newest_window(self) -> int | None:
        """The window that the log has come to."""
        rows: dict[int, int] = {}
        for (_, window), count in self._scored.items():
            rows[window] = max(rows.get(window, 0), count)
        return newest_window(rows, SHARE)

    def _complete(self, version: int, window: int, now: float) -> bool:
        labelled, decided = self._labelled[version][window].n, self._scored.get((version, window), 0)
        end = (window + 1) * self._window_seconds
        return labels_complete(labelled, decided, end, now, self._label_wait(version))

    def _label_wait(self, version: int) -> float | None:
        """Seconds after a window's end by which its labels are known; None while nobody can tell."""
        profile, windows = self._profiles.get(version), self._label_ages.windows()
        waits = [] if windows is None else [max(windows, 1) * self._window_seconds]
        if profile is not None and profile.label_delay is not None:
            waits.append(profile.label_delay)
        return max(waits, default=None)

    def _versions_of(self, revision: int) -> list[int]:
        return sorted({version for of, version, _ in self._merged.traffic if of == revision})

    def _arm(self, revision: int, version: int) -> ArmEvidence:
        counts = [c for (r, v, _), c in self._merged.traffic.items() if (r, v) == (revision, version)]
        latency = np.sum([c.latency for c in counts], axis=0)
        decisions, errors = sum(c.decisions for c in counts), sum(c.errors for c in counts)
        slow = slower_than(latency, self._objective_ms)
        return ArmEvidence(version, decisions, errors, latency_quantile(latency, 0.99), slow)

    def _measure(self, version: int, window: int) -> WindowMeasures:
        counts = self._merged.windows.get((version, window))
        profile = self._profiles.get(version)
        enough = counts is not None and profile is not None and counts.rows >= self._min_sample
        labelled = self._labelled.get(version, {}).get(window)
        return WindowMeasures(
            model=self._model,
            version=version,
            window=window,
            start=window * self._window_seconds,
            end=(window + 1) * self._window_seconds,
            rows=0 if counts is None else counts.rows,
            counted_at=self._counted_at.get((version, window), float("-inf")),
            features=feature_measures(profile, self._layouts[version], counts) if enough and counts and profile else (),
            score_psi=grouped_psi(np.array(profile.scores), counts.scores) if enough and counts and profile else None,
            decided=self._scored.get((version, window), 0),
            performance=None if labelled is None else labelled.performance(),
            reference=None if profile is None else profile.performance,
            label_wait=self._label_wait(version),
        )
