"""Picks the version that answers: a sticky, monotone hash of the unit over the split's arms."""

from bisect import bisect_right
from dataclasses import dataclass
from hashlib import blake2b
from itertools import accumulate

import msgspec

BUCKETS = 1 << 32
SPLIT = "split"  # kind in the store; the key is the model


@dataclass(frozen=True, slots=True)
class Arm:
    """One version in a split; `weight` is its share of the units."""

    name: str  # "champion", "candidate"
    version: int
    weight: float


@dataclass(frozen=True, slots=True)
class Split:
    """Arms that answer from now on; immutable, superseded by a higher revision."""

    model: str
    revision: int
    salt: str
    arms: tuple[Arm, ...]  # the candidate's arm comes first, so raising its weight moves no unit back
    shadows: tuple[int, ...] = ()
    warm: tuple[int, ...] = ()  # kept loaded, so that going back needs no loading
    phase: str = "steady"  # of the rollout that published it; `rolled_back` and `aborted` mark a split back
    reason: str = ""  # why this split holds, for people

    def versions(self) -> frozenset[int]:
        """Every version a replica must hold to serve this split."""
        return frozenset(arm.version for arm in self.arms) | frozenset(self.shadows) | frozenset(self.warm)

    def routing(self) -> str:
        """Digest of what it routes where, whatever its revision, phase and reason; alike in every release.

        >>> one = Split("trips", 1, "s", (Arm("champion", 1, 1.0),))
        >>> one.routing() == Split("trips", 2, "s", one.arms, phase="done").routing()
        True
        >>> one.routing() == Split("trips", 1, "s", (Arm("champion", 2, 1.0),)).routing()
        False
        """
        arms = [(arm.name, arm.version, arm.weight) for arm in self.arms]
        return blake2b(msgspec.json.encode((self.salt, arms, self.shadows, self.warm)), digest_size=8).hexdigest()


def bucket(salt: str, unit: str) -> int:
    """The unit's fixed place in [0, 2**32).

    >>> bucket("s", "N725MQ") == bucket("s", "N725MQ")
    True
    """
    digest = _keyed(salt)
    digest.update(unit.encode())
    return int.from_bytes(digest.digest())


def _keyed(salt: str) -> blake2b:
    return blake2b(key=salt.encode()[:64], digest_size=4)


class Router:
    """`pick` for one split, with the arms' bucket limits computed once."""

    def __init__(self, split: Split) -> None:
        total = sum(arm.weight for arm in split.arms)
        if not split.arms or any(arm.weight < 0 for arm in split.arms) or total <= 0:
            raise ValueError(f"split {split.revision} of {split.model} gives no arm a positive weight")
        self.split = split
        self._arms = [arm for arm in split.arms if arm.weight > 0]
        shares = list(accumulate(arm.weight / total for arm in self._arms))
        self._limits = [round(share * BUCKETS) for share in shares[:-1]]
        self._keyed = _keyed(split.salt)

    def bucket(self, unit: str) -> int:
        """The unit's place under this split's salt."""
        digest = self._keyed.copy()
        digest.update(unit.encode())
        return int.from_bytes(digest.digest())

    def pick(self, unit_bucket: int) -> Arm:
        """The arm that owns the bucket."""
        return self._arms[bisect_right(self._limits, unit_bucket)]
