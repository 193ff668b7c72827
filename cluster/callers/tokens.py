"""Port to bearer tokens that somebody else issues: verified once, and then known by digest until they expire."""

from dataclasses import dataclass
from typing import Protocol

from windvane.cluster.callers.caller import Caller
from windvane.cluster.callers.rate import Limit
from windvane.cluster.errors import Unauthorized


@dataclass(frozen=True, slots=True)
class Verified:
    """Caller that a token is of, and until when it may be taken without looking again."""

    caller: Caller
    until: float  # Unix seconds


class UnknownSigningKey(Unauthorized):
    """The token names a key that its issuer had not published when we last looked; `look_again` may find it."""


class TokenVerifier(Protocol):
    """One issuer's tokens."""

    limit: Limit | None  # of each caller

    @property
    def generation(self) -> int:
        """Another one each time the issuer's keys change: what was verified before is to be verified anew."""

    async def start(self) -> None:
        """Look for the issuer's keys, and keep them fresh until stopped."""

    async def stop(self) -> None:
        """Look no more."""

    def verify(self, token: bytes, now: float) -> Verified:
        """Verifies the token; `now` in Unix seconds.

        Raises Unauthorized, UnknownSigningKey, or Unavailable when the issuer's keys are not known at all.
        """

    async def look_again(self) -> bool:
        """Whether the issuer's keys are others now; looks no more often than it may."""
