"""The limits of a writer."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WriterLimits:
    """When a segment is rolled, how far the disk may fall behind, and how often one that refused is tried again."""

    segment_bytes: int = 16 << 20
    segment_seconds: float = 300.0
    max_waiting_bytes: int = 64 << 20
    probe_seconds: float = 1.0  # whether anybody writes or not


WRITER_LIMITS = WriterLimits()
