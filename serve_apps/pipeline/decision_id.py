"""Names for decisions: ordered by time, or fixed by the caller's idempotency key."""

from random import Random
from uuid import UUID, uuid5

DIGITS = 20  # random hexadecimal digits drawn for an id, of which it has 18½
NAMESPACE = UUID("6f1f0d0e-6b0c-5c8e-9a64-0f8a6a0b7c11")
_VARIANT = {digit: "89ab"[place % 4] for place, digit in enumerate("0123456789abcdef")}
_random = Random()  # seeded by the operating system in every process; ids are names, not secrets


def timely(now: float) -> str:
    """A version 7 UUID (RFC 9562) of a moment in Unix seconds.

    >>> timely(1362132000.0)[:15], len(timely(0.0))
    ('013d2564-dd00-7', 36)
    """
    return series(now, 1)[0]


def series(now: float, count: int) -> list[str]:
    """So many of them, at a third of the price each."""
    moment = f"{int(now * 1000) & 0xFFFFFFFFFFFF:012x}"
    start = f"{moment[:8]}-{moment[8:]}-7"
    digits = _random.randbytes(DIGITS * count // 2).hex()
    return [
        f"{start}{digits[at : at + 3]}-{_VARIANT[digits[at + 3]]}{digits[at + 4 : at + 7]}-{digits[at + 7 : at + 19]}"
        for at in range(0, DIGITS * count, DIGITS)
    ]


def fixed(model: str, caller: str, request_id: str) -> str:
    """The same id for the same request of the same caller, on every replica and after every restart.

    >>> fixed("trips", "ann", "1") == fixed("trips", "bob", "1")
    False
    """
    return str(uuid5(NAMESPACE, f"{model}/{len(caller)}:{caller}/{request_id}"))
