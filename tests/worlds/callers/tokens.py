"""A clock that is set by hand, and tokens that are good because a test says so."""

from collections.abc import Callable
from datetime import UTC, datetime

from windvane.cluster.callers.caller import Caller
from windvane.cluster.callers.rate import Limit
from windvane.cluster.callers.tokens import UnknownSigningKey, Verified
from windvane.cluster.errors import Unauthorized

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = NOW.timestamp()

    def __call__(self) -> float:
        return self.now


class FakeTokens:
    """Takes what `good` says; counts how often a signature is checked."""

    def __init__(self, clock: Clock) -> None:
        self.limit: Limit | None = None
        self.generation = 1
        self.checked = 0
        self.looked = 0
        self.started = 0
        self.good: dict[bytes, Verified] = {}
        self.published_since: Callable[[], bool] = lambda: False
        self._clock = clock

    def add(self, token: bytes, name: str, seconds: float = 60.0) -> None:
        self.good[token] = Verified(Caller(name, frozenset({"client"}), None, None), self._clock.now + seconds)

    def verify(self, token: bytes, now: float) -> Verified:
        self.checked += 1
        if token not in self.good:
            raise UnknownSigningKey("no such key is published")
        if now >= self.good[token].until:
            raise Unauthorized("The token is over")
        return self.good[token]

    async def look_again(self) -> bool:
        self.looked += 1
        return self.published_since()

    async def start(self) -> None:
        self.started += 1

    async def stop(self) -> None:
        self.started -= 1
