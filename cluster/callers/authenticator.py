"""Turns what a request shows into a Caller: keys from the ring, tokens by their issuer, nobody by default."""

import time
from collections import OrderedDict
from collections.abc import Callable

from windvane.cluster.callers.api_key import digest_of
from windvane.cluster.callers.caller import Caller
from windvane.cluster.callers.credential import credential_of
from windvane.cluster.callers.key_ring import EMPTY, KeyRing
from windvane.cluster.callers.rate import Limit, Rates
from windvane.cluster.callers.tokens import TokenVerifier, UnknownSigningKey, Verified
from windvane.cluster.errors import Unauthorized

MOST_VERIFIED = 16_384  # tokens remembered
UNKNOWN = "This key is not known here; it may have been revoked: ask an admin for one (`windvane keys create`)"


class Authenticator:
    """One per replica, on its event loop; whose keys these are does not matter to it, nor where they came in."""

    def __init__(
        self,
        tokens: TokenVerifier | None = None,
        anybody: Caller | None = None,
        now: Callable[[], float] = time.time,
        ticks: Callable[[], float] = time.monotonic,
        most_verified: int = MOST_VERIFIED,
    ) -> None:
        """Without `tokens` only keys are taken; `anybody` is who sends no credential where access is open."""
        self._tokens = tokens
        self._anybody = anybody
        self._now = now
        self._most_verified = most_verified
        self._verified: OrderedDict[bytes, Verified] = OrderedDict()
        self._generation = 0  # of the issuer's keys that these were verified with
        self.ring: KeyRing = EMPTY
        self.rates = Rates(ticks)

    async def start(self) -> None:
        """Look for the issuer's keys, and keep them fresh until stopped; on the loop that will ask."""
        if self._tokens is not None:
            await self._tokens.start()

    async def stop(self) -> None:
        """Look at nothing any more."""
        if self._tokens is not None:
            await self._tokens.stop()

    def take(self, ring: KeyRing) -> bool:
        """Go by this ring from now on; an older one changes nothing and is False."""
        if ring.revision < self.ring.revision:
            return False
        self.ring = ring
        return True

    def authenticate(self, authorization: bytes | None, api_key: bytes | None = None) -> Caller:
        """Caller by the values of these two headers.

        Raises Unauthorized, or Unavailable when a token's issuer cannot be asked for its keys. A credential that is not
        good is refused where access is open, too: its sender relies on being somebody.
        """
        if authorization is None and api_key is None and self._anybody is not None:
            return self._anybody
        token = credential_of(authorization, api_key)
        digest, now = digest_of(token), self._now()
        caller = self.ring.find(digest, now)
        if caller is not None:
            return caller
        if self._tokens is None or token.count(b".") != 2:  # a key has no dot, a signed token has two
            raise Unauthorized(UNKNOWN)
        return self._verify(self._tokens, token, digest, now)

    async def admit(self, authorization: bytes | None, api_key: bytes | None = None) -> Caller:
        """The same; a token signed with a key that its issuer published just now is given a second look."""
        try:
            return self.authenticate(authorization, api_key)
        except UnknownSigningKey:
            if self._tokens is None or not await self._tokens.look_again():
                raise
        return self.authenticate(authorization, api_key)

    def charge(self, caller: Caller) -> None:
        """Take one out of what the caller may ask; raises TooFast with the seconds to wait."""
        bucket, limit = self._bucket(caller)
        if limit is not None:
            self.rates.charge(bucket, limit)

    def debit(self, caller: Caller, count: int) -> None:
        """Take `count` more, for a request that turned out to ask for as many; the next one may have to wait for it."""
        bucket, limit = self._bucket(caller)
        if limit is not None:
            self.rates.debit(bucket, limit, count)

    def _bucket(self, caller: Caller) -> tuple[str, Limit | None]:
        if caller.key_id is not None:
            return caller.key_id, self.ring.limit_of(caller.key_id)
        if self._tokens is None or caller is self._anybody:
            return "", None
        return f"token:{caller.name}", self._tokens.limit

    def _verify(self, tokens: TokenVerifier, token: bytes, digest: bytes, now: float) -> Caller:
        """Owner of the token; a signature costs a hundred times a look-up, so a good token is remembered."""
        if self._generation != tokens.generation:  # the key it was signed with may have been taken back
            self._verified.clear()
            self._generation = tokens.generation
        found = self._verified.get(digest)
        if found is None or now >= found.until:
            self._verified.pop(digest, None)
            found = tokens.verify(token, now)
            self._verified[digest] = found
            while len(self._verified) > self._most_verified:
                self._verified.popitem(last=False)
        return found.caller
