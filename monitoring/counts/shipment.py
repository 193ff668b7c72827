"""The message a replica sends to its monitor once a second, and the latency bins both sides count in."""

import msgspec
import numpy as np
from numpy.typing import NDArray

from windvane.cluster.errors import Invalid

# Latency bins grow by 2^(1/8): a quantile read from them is at most 9 % above the true one. 0.05 ms to 65 s.
LATENCY_EDGES_MS: NDArray[np.float64] = 0.05 * 2.0 ** (np.arange(164) / 8.0)
LATENCY_BINS = len(LATENCY_EDGES_MS) + 1

Counts = NDArray[np.int64]


class WindowPart(msgspec.Struct, array_like=True):
    """Counts of one version in one window; arrays are little-endian int64 bytes."""

    version: int
    window: int
    rows: int
    newest: float
    scores: bytes
    features: bytes  # empty when the replica had no profile of the version


class TrafficPart(msgspec.Struct, array_like=True):
    """Traffic of one arm under one revision."""

    revision: int
    version: int
    arm: str
    decisions: int
    errors: int
    actions: dict[str, int]
    latency: bytes


class Payload(msgspec.Struct, array_like=True):
    """Everything one replica counted since its last shipment."""

    model: str
    windows: list[WindowPart]
    traffic: list[TrafficPart]
    shadows: list[tuple[int, int, int]]  # revision, version, scores
    dropped: dict[int, int]  # version → shadow rows that were not scored
    tally: str = ""  # which counter sent it, and its how manieth: one delivered twice is known by them
    number: int = 0
    denied: dict[str, int] = {}  # category → decisions that policy denied
    refused: int = 0  # requests, and instances of answered ones, that were refused
    refusals: list[tuple[str, str, int]] = []  # field, reason: how many were refused for it
    warnings: list[tuple[str, str, int]] = []  # field, reason: rows that were warned of it

    def versions(self) -> set[int]:
        """Every version that something was counted of."""
        counted = {part.version for part in self.windows} | {part.version for part in self.traffic}
        return counted | {version for _, version, _ in self.shadows} | set(self.dropped)


_decoder = msgspec.msgpack.Decoder(Payload)
_encoder = msgspec.msgpack.Encoder()


def pack(payload: Payload) -> bytes:
    """The shipment as msgpack."""
    return _encoder.encode(payload)


def unpack(raw: bytes) -> Payload:
    """The shipment again; raises Invalid when it is none."""
    try:
        return _decoder.decode(raw)
    except msgspec.DecodeError as error:
        raise Invalid(f"This shipment cannot be read ({error}): gateway and monitor differ in version") from error


def latency_quantile(latency: Counts, quantile: float) -> float | None:
    """Milliseconds below which that share of answers came (the bin's upper edge), or None when there were none."""
    total = int(latency.sum())
    if total == 0:
        return None
    place = int(np.searchsorted(np.cumsum(latency), quantile * total, side="left"))
    return float(LATENCY_EDGES_MS[min(place, len(LATENCY_EDGES_MS) - 1)])


def slower_than(latency: Counts, limit_ms: float) -> int:
    """Counts answers that surely took longer: those above the first bin edge that is not below the limit.

    >>> slower_than(np.bincount(np.searchsorted(LATENCY_EDGES_MS, [1.0, 49.0, 80.0]), minlength=LATENCY_BINS), 50.0)
    1
    """
    return int(latency[int(np.searchsorted(LATENCY_EDGES_MS, limit_ms, side="left")) + 1 :].sum())


def counts_to_bytes(counts: Counts) -> bytes:
    """Little-endian int64."""
    return counts.astype("<i8").tobytes()


def counts_from_bytes(raw: bytes) -> Counts:
    """Back from little-endian int64."""
    return np.frombuffer(raw, "<i8").astype(np.int64)
