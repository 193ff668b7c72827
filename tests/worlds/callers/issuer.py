"""A made-up issuer of bearer tokens, with real keys and real signatures."""

import asyncio
import json
from collections.abc import Mapping
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import get_default_algorithms

from windvane.cluster.callers.pyjwt_tokens import PublicKeys, PyjwtTokens, public_keys
from windvane.cluster.callers.signing_keys import SigningKeys
from windvane.configs.access import Algorithm, TokenIssuer

NOW = 1_750_000_000.0
ISSUER = "https://login.example.org/"
AUDIENCE = "windvane"
SETTINGS = TokenIssuer(
    issuer=ISSUER, audience=AUDIENCE, keys="jwks.json", algorithms=("ES256",), roles={"ml": "client", "boss": "admin"}
)


def private_key(algorithm: str, which: int = 0) -> Any:
    """A key to sign with."""
    return _made(algorithm, which)


@cache
def _made(algorithm: str, which: int) -> Any:  # once, since RSA takes its time
    if algorithm.startswith("ES"):
        curves: dict[str, ec.EllipticCurve] = {"256": ec.SECP256R1(), "384": ec.SECP384R1(), "512": ec.SECP521R1()}
        return ec.generate_private_key(curves[algorithm[2:]])
    if algorithm == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    return rsa.generate_private_key(65537, 2048)


def jwk(algorithm: str = "ES256", which: int = 0, **more: Any) -> dict[str, Any]:
    """The public half, as it is published; `more` with None takes a member away."""
    shown: Any = get_default_algorithms()[algorithm]
    made = json.loads(shown.to_jwk(private_key(algorithm, which).public_key()))
    described = made | {"kid": "one", "use": "sig", "alg": algorithm} | more
    return {name: value for name, value in described.items() if value is not None}


def jwks(*keys: Mapping[str, Any]) -> bytes:
    return json.dumps({"keys": keys or [jwk()]}).encode()


def claims(**more: Any) -> dict[str, Any]:
    """Claims of a good token; `more` with None takes a claim away."""
    said = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "ann",
        "iat": int(NOW) - 10,
        "exp": int(NOW) + 600,
        "roles": ["ml"],
        **more,
    }
    return {name: value for name, value in said.items() if value is not None}


def token(said: Mapping[str, Any] | None = None, key: Any = None, algorithm: str = "ES256", **header: Any) -> bytes:
    """A signed token; a header with None takes a member away, as far as PyJWT lets it."""
    key = private_key(algorithm) if key is None else key
    return jwt.encode(dict(said or claims()), key, algorithm, {"kid": "one", **header}).encode()


def tokens(document: bytes | None = None, settings: TokenIssuer = SETTINGS) -> PyjwtTokens:
    """A verifier that has read the document."""

    def parse(body: bytes) -> PublicKeys:
        return public_keys(body, settings.algorithms)

    keys = SigningKeys(lambda: document or jwks(), parse)
    asyncio.run(keys.refresh())
    return PyjwtTokens(settings, keys)


def accepting(*algorithms: Algorithm) -> TokenIssuer:
    return SETTINGS.model_copy(update={"algorithms": algorithms})
