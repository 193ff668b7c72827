"""An authenticator that knows tokens only."""

import pytest

from tests.worlds.callers.tokens import Clock, FakeTokens
from windvane.cluster.callers.authenticator import Authenticator


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tokens(clock: Clock) -> FakeTokens:
    return FakeTokens(clock)


@pytest.fixture
def asked(tokens: FakeTokens, clock: Clock) -> Authenticator:
    return Authenticator(tokens, None, clock, clock)
