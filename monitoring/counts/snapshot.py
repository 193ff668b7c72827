"""Snapshot of a monitor for operators: totals, rates and latencies; None where nothing was seen."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from windvane.monitoring.counts.counts import Merged
from windvane.monitoring.counts.shipment import LATENCY_BINS, Counts, Payload, counts_from_bytes, latency_quantile

RECENT_SECONDS = 15.0  # what rates and latencies of now are taken over


@dataclass(frozen=True, slots=True)
class ArmSnapshot:
    """One arm under one revision, since it began."""

    revision: int
    version: int
    arm: str
    decisions: int
    errors: int
    actions: Mapping[str, int]
    latency_p50_ms: float | None
    latency_p99_ms: float | None


@dataclass(frozen=True, slots=True)
class WindowPerformance:
    """Performance of one version, or of everything that was answered (version None), in one window."""

    version: int | None
    start: float  # Unix seconds of event time
    end: float
    n: int
    auc: float | None
    brier: float
    log_loss: float


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A model as its monitor sees it now."""

    model: str
    watermark: float | None  # the model's own clock, Unix seconds
    decisions: int
    errors: int
    decisions_per_second: float | None  # None until something was shipped
    latency_p50_ms: float | None  # of the last seconds
    latency_p99_ms: float | None
    arms: tuple[ArmSnapshot, ...]
    shadow_scores: Mapping[int, int]  # by version
    shadow_dropped: Mapping[int, int]
    waiting: int  # decisions without an outcome
    waiting_dropped: int  # that made room before their outcome came
    labelled: int
    corrected: int  # outcomes that took the place of an earlier one
    unmatched: int  # outcomes of ids that no decision has, so far
    replicas: int
    profiles: tuple[int, ...]  # versions whose reference is known
    denied: Mapping[str, int]  # decisions that policy denied, by category
    refused: int = 0  # requests, and instances of answered ones
    refusals: Mapping[tuple[str, str], int] = field(default_factory=dict)  # by field, reason
    warnings: Mapping[tuple[str, str], int] = field(default_factory=dict)  # rows, by field, reason
    shadow_unmatched: int = 0  # scores of shadows that met no decision


class RecentRates:
    """Counts shipped in the last seconds."""

    def __init__(self) -> None:
        self._shipped: deque[tuple[float, int, Counts]] = deque()
        self._seen: dict[str, float] = {}
        self._first: float | None = None

    def add(self, replica: str, payload: Payload, now: float) -> None:
        """Remember one shipment; `now` in Unix seconds."""
        self._first = now if self._first is None else self._first
        self._seen[replica] = now
        latency = np.zeros(LATENCY_BINS, np.int64)
        for part in payload.traffic:
            latency += counts_from_bytes(part.latency)
        self._shipped.append((now, sum(part.decisions for part in payload.traffic), latency))
        self._forget(now)

    def per_second(self, now: float) -> float | None:
        """Decisions a second over the last seconds, or None before the first shipment."""
        self._forget(now)
        if self._first is None:
            return None
        span = min(max(now - self._first, 1.0), RECENT_SECONDS)
        return sum(decisions for _, decisions, _ in self._shipped) / span

    def latency_ms(self, quantile: float) -> float | None:
        """Of the answers of the last seconds."""
        latency = np.zeros(LATENCY_BINS, np.int64)
        for _, _, shipped in self._shipped:
            latency += shipped
        return latency_quantile(latency, quantile)

    def replicas(self, now: float) -> int:
        """Number of replicas that shipped in the last seconds."""
        return sum(now - seen <= RECENT_SECONDS for seen in self._seen.values())

    def _forget(self, now: float) -> None:
        while self._shipped and now - self._shipped[0][0] > RECENT_SECONDS:
            self._shipped.popleft()
        self._seen = {replica: seen for replica, seen in self._seen.items() if now - seen <= RECENT_SECONDS}


def arm_snapshots(merged: Merged) -> tuple[ArmSnapshot, ...]:
    """Every arm, newest revision last."""
    return tuple(
        ArmSnapshot(
            revision,
            version,
            arm,
            counts.decisions,
            counts.errors,
            dict(counts.actions),
            latency_quantile(counts.latency, 0.5),
            latency_quantile(counts.latency, 0.99),
        )
        for (revision, version, arm), counts in sorted(merged.traffic.items())
    )
