"""The keys that an issuer publishes: what proves nothing is left out, and nothing in them is a fault of the server."""

import asyncio
import contextlib
import json
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st

from tests.worlds.callers.issuer import NOW, SETTINGS, jwk, jwks, private_key, token
from windvane.cluster.callers.pyjwt_tokens import public_keys, tokens_of
from windvane.cluster.callers.signing_keys import LEAST_SECONDS
from windvane.cluster.callers.tokens import UnknownSigningKey
from windvane.cluster.errors import Invalid, Unavailable


def test_keys_that_prove_nothing_are_left_out() -> None:
    """A secret, a private key that got out, one for encryption, one too short, one that is broken."""
    short = rsa.generate_private_key(65537, 1024).public_key()
    short_jwk = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(short)) | {"kid": "short"}
    private = json.loads(jwt.algorithms.ECAlgorithm(hashes.SHA256).to_jwk(private_key("ES256", 2)))
    bad = [
        {"kty": "oct", "k": "c2VjcmV0", "kid": "oct", "alg": "ES256"},
        private | {"kid": "private"},
        jwk(which=3, kid="enc", use="enc"),
        jwk(which=3, kid="ops", key_ops=["sign"]),
        short_jwk,
        jwk(which=3, kid="broken", x="AAAA"),
        jwk(which=3, kid="curve", crv="secp256k1", alg=None),
        jwk(which=3, kid=7),
        {"kty": "RSA", "kid": "empty"},
        {"kty": ["RSA"], "kid": "odd"},
    ]
    found = public_keys(jwks(*bad, jwk()), ("ES256", "RS256"))
    assert set(found.keys) == {("one", "ES256")}
    with pytest.raises(Invalid, match="no public key for ES256"):
        public_keys(jwks(*bad), ("ES256",))


def test_two_keys_of_one_name_are_refused() -> None:
    with pytest.raises(Invalid, match="two keys 'one' for ES256"):
        public_keys(jwks(jwk(), jwk(which=1)), ("ES256",))
    both = public_keys(jwks(jwk(), jwk("RS256")), ("ES256", "RS256"))  # of different kinds they can be told apart
    assert set(both.keys) == {("one", "ES256"), ("one", "RS256")}


@pytest.mark.parametrize(
    "document", [b"", b"{}", b"[]", b"7", b'{"keys": 7}', b'{"keys": [7]}', b"\xff", b'{"keys": {}}']
)
def test_what_is_no_document_of_keys_is_refused(document: bytes) -> None:
    with pytest.raises(Invalid, match="JWKS"):
        public_keys(document, ("ES256",))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["RSA", "EC", "P-256", "AQAB"]),
    lambda inner: st.lists(inner, max_size=2),
    max_leaves=3,
)


MEMBERS = st.sampled_from(["kty", "crv", "x", "y", "n", "e", "kid", "use", "alg", "key_ops", "oth"])


@given(st.dictionaries(MEMBERS, JSON), st.booleans())
def test_no_document_is_a_fault_of_the_server(members: dict[str, Any], elliptic: bool) -> None:
    whole = (jwk("ES256") if elliptic else jwk("RS256")) | members
    with contextlib.suppress(Invalid):
        public_keys(json.dumps({"keys": [whole]}).encode(), ("ES256", "RS256"))


def test_a_key_that_the_issuer_published_just_now_is_found_by_looking_again(tmp_path: Path) -> None:
    async def story() -> None:
        file = tmp_path / "jwks.json"
        file.write_bytes(jwks(jwk(which=1, kid="old")))
        now = [0.0]
        verifier = tokens_of(SETTINGS.model_copy(update={"keys": str(file)}), lambda: now[0])
        with pytest.raises(Unavailable, match="not known: they were not read yet"):
            verifier.verify(token(), NOW)
        assert await verifier.look_again()
        with pytest.raises(UnknownSigningKey):
            verifier.verify(token(), NOW)
        file.write_bytes(jwks())
        assert not await verifier.look_again()
        now[0] += LEAST_SECONDS
        assert await verifier.look_again()
        assert verifier.verify(token(), NOW).caller.name == "ann"
        assert verifier.generation == 2

    asyncio.run(story())


def test_an_unknown_curve_of_a_good_key_is_no_key_of_ours() -> None:
    assert isinstance(private_key("ES384").curve, ec.SECP384R1)
    with pytest.raises(Invalid, match="no public key"):
        public_keys(jwks(jwk("ES384", alg="ES256")), ("ES256",))
