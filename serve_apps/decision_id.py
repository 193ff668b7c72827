"""Names for decisions: ordered by time, or fixed by the caller's idempotency key."""

from random import Random
from uuid import UUID, uuid5

NAMESPACE = UUID("6f1f0d0e-6b0c-5c8e-9a64-0f8a6a0b7c11")
_random = Random()  # seeded by the operating system in every process; ids are names, not secrets


def timely(now: float) -> str:
    """A version 7 UUID (RFC 9562) of a moment in Unix seconds.

    >>> timely(1362132000.0)[:15], len(timely(0.0))
    ('013d2564-dd00-7', 36)
    """
    bits = _random.getrandbits(74)
    text = (
        f"{int(now * 1000) & 0xFFFFFFFFFFFF:012x}7{bits >> 62:03x}{0x8000000000000000 | bits & 0x3FFFFFFFFFFFFFFF:016x}"
    )
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def fixed(model: str, request_id: str) -> str:
    """The same id for the same request, on every replica and after every restart."""
    return str(uuid5(NAMESPACE, f"{model}/{request_id}"))
