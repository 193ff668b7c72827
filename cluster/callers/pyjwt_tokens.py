"""Bearer tokens (JWT) of one issuer, verified with PyJWT against the keys that the issuer publishes.

PyJWT's own client for those keys is not used: it asks the issuer whenever a token names a key it does not know, so that
anybody could have it ask without end, and it blocks meanwhile. What a token says of where its key lies (`jku`, `x5u`,
`jwk`, `x5c`) is never looked at, and `kid` is a word to look up, not a path.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import jwt
import msgspec
from cryptography.exceptions import UnsupportedAlgorithm

from windvane.cluster.callers.claims import caller_of, until
from windvane.cluster.callers.jwks_source import read_file, read_url
from windvane.cluster.callers.rate import Limit
from windvane.cluster.callers.signing_keys import SigningKeys
from windvane.cluster.callers.tokens import UnknownSigningKey, Verified
from windvane.cluster.decoders import json_decoder
from windvane.cluster.errors import Invalid, Unauthorized
from windvane.configs.access import Algorithm, TokenIssuer

FILE_SECONDS = 10.0  # between two looks at a file, which costs nobody anything
LEAST_RSA_BITS = 2048  # NIST SP 800-131A
MOST_KID = 200
TYPES = ("jwt", "at+jwt", "application/at+jwt")  # RFC 8725, section 3.11: a logout token is no access token
# By type of key and curve: the algorithms that may sign with it (RFC 7518, section 3.1; RFC 8037).
FITTING: Mapping[tuple[str, str], frozenset[str]] = {
    ("RSA", ""): frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}),
    ("EC", "P-256"): frozenset({"ES256"}),
    ("EC", "P-384"): frozenset({"ES384"}),
    ("EC", "P-521"): frozenset({"ES512"}),
    ("OKP", "Ed25519"): frozenset({"EdDSA"}),
}
_OPTIONS: Any = {
    "require": ["exp", "iss", "aud"],
    "enforce_minimum_key_length": True,
    # the moments are checked in claims.py, by a clock that is handed over
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
}
_SENTENCES: tuple[tuple[type[jwt.PyJWTError], str], ...] = (
    (jwt.InvalidSignatureError, "The token's signature is not its issuer's"),
    (jwt.InvalidAudienceError, "The token is for somebody else (aud): ask its issuer for one for this Windvane"),
    (jwt.InvalidIssuerError, "The token is of another issuer (iss) than the one that is trusted here"),
    (jwt.MissingRequiredClaimError, "The token lacks a claim: exp, iss and aud must be there"),
)
Jwk: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PublicKeys:
    """The published keys by name and algorithm; `names` are all that were published with a use here."""

    keys: Mapping[tuple[str | None, str], Any]
    names: frozenset[str | None]


class _Jwks(msgspec.Struct):
    keys: list[dict[str, Any]]


class PyjwtTokens:
    """See `TokenVerifier`."""

    def __init__(self, issuer: TokenIssuer, keys: SigningKeys[PublicKeys]) -> None:
        self._issuer = issuer
        self._keys = keys
        self._skew = issuer.clock_skew.total_seconds()
        rate = issuer.requests_per_second
        self.limit = None if rate is None else Limit(rate, issuer.burst)

    @property
    def generation(self) -> int:
        """See `TokenVerifier`."""
        return self._keys.generation

    async def start(self) -> None:
        """See `TokenVerifier`."""
        await self._keys.start()

    async def stop(self) -> None:
        """See `TokenVerifier`."""
        await self._keys.stop()

    async def look_again(self) -> bool:
        """See `TokenVerifier`."""
        return await self._keys.look_again()

    def verify(self, token: bytes, now: float) -> Verified:
        """See `TokenVerifier`."""
        issuer = self._issuer
        try:
            header = jwt.get_unverified_header(token)
            algorithm, key = self._key_of(header)
            claims = jwt.decode(
                token, key, algorithms=[algorithm], issuer=issuer.issuer, audience=issuer.audience, options=_OPTIONS
            )
        except jwt.PyJWTError as error:
            told = (sentence for kind, sentence in _SENTENCES if isinstance(error, kind))
            raise Unauthorized(next(told, "What was sent as a bearer is neither a key nor a token (JWT)")) from error
        end = until(claims, now, self._skew)
        return Verified(caller_of(claims, issuer.claims, issuer.roles), end)

    def _key_of(self, header: Mapping[str, Any]) -> tuple[Algorithm, Any]:
        """The algorithm, one of those that are allowed, and the published key that it may be checked with."""
        algorithm = next((each for each in self._issuer.algorithms if each == header.get("alg")), None)
        if algorithm is None:
            raise Unauthorized(f"The token is not signed with {' or '.join(self._issuer.algorithms)} (alg)")
        kind = header.get("typ")
        if kind is not None and not (isinstance(kind, str) and kind.lower() in TYPES):
            raise Unauthorized("The token is not an access token (typ)")
        if "crit" in header:
            raise Unauthorized("The token asks for an extension that is not known here (crit)")
        name = header.get("kid")
        if name is not None and not (isinstance(name, str) and 0 < len(name) <= MOST_KID):
            raise Unauthorized("The token's kid is not the name of a key")
        published = self._keys.keys
        key = published.keys.get((name, algorithm))
        if key is None and name is None and len(published.names) == 1:
            key = published.keys.get((next(iter(published.names)), algorithm))
        if key is None:
            if name is None or name in published.names:
                raise Unauthorized(f"The issuer has no one key of that name (kid) for {algorithm}")
            raise UnknownSigningKey("The token is signed with a key that its issuer has not published (kid)")
        return algorithm, key


def tokens_of(issuer: TokenIssuer, ticks: Callable[[], float] = time.monotonic) -> PyjwtTokens:
    """The verifier of that issuer's tokens; `start` makes it read the keys."""

    def read() -> bytes:
        return read_url(issuer.keys) if issuer.keys_are_fetched else read_file(Path(issuer.keys))

    def parse(document: bytes) -> PublicKeys:
        return public_keys(document, issuer.algorithms)

    if issuer.keys_are_fetched:
        return PyjwtTokens(issuer, SigningKeys(read, parse, ticks))
    return PyjwtTokens(issuer, SigningKeys(read, parse, ticks, refresh_seconds=FILE_SECONDS))


def public_keys(document: bytes, algorithms: Sequence[Algorithm]) -> PublicKeys:
    """The keys of a JWKS (RFC 7517) with which one of the algorithms may be checked; the others are left out.

    Raises Invalid when there is none, or two have the same name.
    """
    try:
        listed = json_decoder(_Jwks).decode(document).keys
        found = [(jwk, algorithm) for jwk in listed for algorithm in _uses(jwk, algorithms)]
    except (msgspec.DecodeError, TypeError, UnicodeDecodeError) as error:
        raise Invalid("This is no JWKS: it must be a JSON object with a list `keys`") from error
    keys: dict[tuple[str | None, str], Any] = {}
    for jwk, algorithm in found:
        name = jwk.get("kid")
        if (name, algorithm) in keys:
            raise Invalid(f"This JWKS has two keys {str(name)[:80]!a} for {algorithm}: which is meant nobody can tell")
        key = _key(jwk, algorithm)
        if key is not None:
            keys[name, algorithm] = key
    if not keys:
        raise Invalid(f"This JWKS has no public key for {' or '.join(algorithms)}")
    return PublicKeys(keys, frozenset(name for name, _ in keys))


def _uses(jwk: Jwk, algorithms: Sequence[Algorithm]) -> Iterable[Algorithm]:
    """The algorithms that this key may be used with here; none for a shared secret, or a private key that got out."""
    if jwk.get("use", "sig") != "sig" or "verify" not in jwk.get("key_ops", ("verify",)) or "d" in jwk:
        return ()
    if not isinstance(jwk.get("kid"), str | None):
        return ()
    fitting = FITTING.get((str(jwk.get("kty")), str(jwk.get("crv", ""))), frozenset())
    return [each for each in algorithms if each in fitting and jwk.get("alg", each) == each]


def _key(jwk: Jwk, algorithm: Algorithm) -> Any:
    """The key as PyJWT takes it; None when it is broken, or too short to be trusted."""
    try:
        key = jwt.PyJWK(dict(jwk), algorithm).key
    except (jwt.PyJWTError, UnsupportedAlgorithm, KeyError, TypeError, ValueError):
        return None
    return None if jwk["kty"] == "RSA" and key.key_size < LEAST_RSA_BITS else key
