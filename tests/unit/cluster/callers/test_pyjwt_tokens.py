"""Nobody but the issuer can make a token that is taken, for anybody but us it is not taken, and nothing is a fault."""

import base64
import hashlib
import hmac
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from hypothesis import given, settings
from hypothesis import strategies as st
from jwt.algorithms import get_default_algorithms

from tests.worlds.callers.issuer import (
    AUDIENCE,
    NOW,
    SETTINGS,
    accepting,
    claims,
    jwk,
    jwks,
    private_key,
    token,
    tokens,
)
from windvane.cluster.callers.caller import Caller
from windvane.cluster.callers.rate import Limit
from windvane.cluster.callers.tokens import UnknownSigningKey
from windvane.cluster.errors import Unauthorized
from windvane.configs.access import Claims


def refused(sent: bytes, sentence: str, **more: Any) -> Unauthorized:
    with pytest.raises(Unauthorized, match=sentence) as error:
        tokens(**more).verify(sent, NOW)
    assert error.value.status == 401
    return error.value


def part(value: object) -> bytes:
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=")


def by_hand(header: object, said: object, signature: bytes = b"") -> bytes:
    """A token as no library would make it."""
    return b".".join((part(header), part(said), part(signature)))


def test_a_good_token_says_who_calls_and_until_when() -> None:
    verified = tokens().verify(token(), NOW)
    assert verified.caller == Caller("ann", frozenset({"client"}), None, None)
    assert verified.until == NOW + 600 + 30


@pytest.mark.parametrize("algorithm", ["RS256", "RS512", "PS256", "ES256", "ES384", "ES512", "EdDSA"])
def test_every_kind_of_signature_that_is_allowed_is_taken(algorithm: Any) -> None:
    signer = "RS256" if algorithm[0] in "RP" else algorithm
    document = jwks(jwk(signer, alg=None))
    sent = token(None, private_key(signer), algorithm)
    verifier = tokens(document, accepting(algorithm))
    assert verifier.verify(sent, NOW).caller.name == "ann"


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE", "", None, 0, [], {}])
def test_a_token_without_a_signature_is_refused(alg: Any) -> None:
    """CVE-2015-9235 and its many spellings."""
    for signature in (b"", b"x", b"\x00" * 64):
        refused(by_hand({"typ": "JWT", "alg": alg, "kid": "one"}, claims(), signature), "not signed with ES256")


def test_the_signature_of_a_good_token_does_not_carry_another_payload() -> None:
    header, _, signature = token().split(b".")
    forged = b".".join((header, part(claims(sub="eve", roles=["boss"])), signature))
    refused(forged, "signature is not its issuer's")
    refused(b".".join((header, part(claims()), b"")), "signature is not its issuer's|neither")


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_the_public_key_is_no_shared_secret(algorithm: str) -> None:
    """CVE-2016-10555: sign with HMAC under the public key, which everybody has."""
    public = private_key("RS256").public_key()
    document = jwks(jwk("RS256"))
    shapes = [
        public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo),
        public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.PKCS1),
        public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo),
        document,
        b"",
    ]
    for secret in shapes:
        signed = part({"typ": "JWT", "alg": algorithm, "kid": "one"}) + b"." + part(claims())
        mac = hmac.new(secret, signed, getattr(hashlib, f"sha{algorithm[2:]}")).digest()
        refused(signed + b"." + part(mac), "not signed with", document=document, settings=accepting("RS256", "ES256"))


def test_somebody_elses_key_is_refused() -> None:
    refused(token(key=private_key("ES256", 1)), "signature is not its issuer's")


def test_a_key_is_used_for_nothing_but_its_own_algorithm() -> None:
    document = jwks(jwk("RS256"))
    sent = token(None, private_key("RS256"), "PS256")
    refused(sent, "no one key of that name", document=document, settings=accepting("RS256", "PS256"))
    refused(
        token(None, private_key("RS256"), "RS256"), "no one key of that name|not signed", settings=accepting("ES256")
    )


@pytest.mark.parametrize(
    "header",
    [
        {"jku": "https://eve.example.org/jwks"},
        {"x5u": "https://eve.example.org/cert"},
        {"jwk": "EVE"},
        {"x5c": ["MIIB"]},
    ],
)
def test_a_token_cannot_bring_its_own_key(header: dict[str, Any]) -> None:
    eve = private_key("ES256", 1)
    if header.get("jwk") == "EVE":
        header = {"jwk": jwk(which=1)}
    refused(token(key=eve, **header), "signature is not its issuer's")


@pytest.mark.parametrize(
    "kid",
    [
        "../../../../dev/null",
        "/dev/null",
        "https://eve.example.org/jwks.json",
        "file:///etc/passwd",
        "one' OR '1'='1",
        "one; cat /etc/passwd",
        "one\x00",
        "ONE",
        " one",
        "\ud800",
    ],
)
def test_a_kid_is_a_word_and_opens_no_file_and_no_address(kid: str) -> None:
    sent = by_hand({"typ": "JWT", "alg": "ES256", "kid": kid}, claims(), b"\x00" * 64)
    with pytest.raises(UnknownSigningKey, match="has not published"):
        tokens().verify(sent, NOW)


@pytest.mark.parametrize("kid", ["", "x" * 201, 7, ["one"], {"one": 1}, True])
def test_a_kid_that_is_no_word_is_refused(kid: Any) -> None:
    refused(by_hand({"typ": "JWT", "alg": "ES256", "kid": kid}, claims(), b"\x00" * 64), "kid|neither a key nor")


def test_without_a_kid_the_only_key_is_meant_and_among_several_none() -> None:
    sent = jwt.encode(claims(), private_key("ES256"), "ES256").encode()
    assert tokens().verify(sent, NOW).caller.name == "ann"
    assert tokens(jwks(jwk(kid=None))).verify(sent, NOW).caller.name == "ann"
    refused(sent, "no one key of that name", document=jwks(jwk(), jwk(which=1, kid="two")))


@pytest.mark.parametrize("typ", ["logout+jwt", "secevent+jwt", "dpop+jwt", "JWE", 7, ["JWT"]])
def test_a_token_of_another_kind_is_refused(typ: Any) -> None:
    refused(token(typ=typ), "not an access token")


@pytest.mark.parametrize("typ", ["JWT", "jwt", "at+jwt", "application/at+jwt", None])
def test_an_access_token_is_taken_however_it_says_so(typ: Any) -> None:
    assert tokens().verify(token(typ=typ), NOW).caller.name == "ann"


def test_an_extension_that_must_be_understood_is_refused() -> None:
    headers: tuple[dict[str, object], ...] = (
        {"crit": ["exp"]},
        {"crit": ["b64"], "b64": False},
        {"crit": []},
        {"crit": "b64"},
    )
    for header in headers:
        sent = by_hand({"alg": "ES256", "kid": "one"} | header, claims(), b"\x00" * 64)
        refused(sent, "crit|neither a key nor a token")


@pytest.mark.parametrize(
    "aud", ["other", ["other", "another"], "", [], None, 7, {"windvane": 1}, "windvane2", "Windvane"]
)
def test_a_token_for_somebody_else_is_refused(aud: Any) -> None:
    refused(token(claims(aud=aud)), "aud|lacks a claim")


def test_a_token_for_us_among_others_is_taken() -> None:
    assert tokens().verify(token(claims(aud=["other", AUDIENCE])), NOW).caller.name == "ann"


@pytest.mark.parametrize(
    "iss", ["https://eve.example.org/", "https://login.example.org", None, 7, ["https://login.example.org/"]]
)
def test_a_token_of_another_issuer_is_refused(iss: Any) -> None:
    try:
        sent = token(claims(iss=iss))
    except TypeError:  # PyJWT makes no such token
        sent = signed_by_hand(claims(iss=iss))
    refused(sent, "another issuer|lacks a claim|neither")


def signed_by_hand(said: object, header: object = None) -> bytes:
    """With the issuer's own key, and a payload that its library would not sign."""
    text = part(header or {"alg": "ES256", "kid": "one"}) + b"." + part(said)
    return text + b"." + part(get_default_algorithms()["ES256"].sign(text, private_key("ES256")))


def test_an_expired_token_is_refused() -> None:
    refused(token(claims(exp=int(NOW) - 30)), "over")
    assert tokens().verify(token(claims(exp=int(NOW) - 29)), NOW).until > NOW


def test_a_token_of_tomorrow_is_refused() -> None:
    refused(token(claims(nbf=int(NOW) + 31)), "nbf")
    refused(token(claims(iat=int(NOW) + 31)), "iat")


@pytest.mark.parametrize("said", [claims(exp=None), claims(aud=None), claims(iss=None), claims(sub=None), {"a": 1}])
def test_a_token_that_lacks_a_claim_is_refused(said: dict[str, Any]) -> None:
    refused(token(said), "lacks a claim|must name its owner")


@pytest.mark.parametrize("said", [b"", b"[]", b"7", b"null", b'"text"', b"{", b"\xff", b'{"exp":NaN}', b"[" * 100_000])
def test_a_payload_that_is_no_claims_is_refused_though_it_is_signed(said: bytes) -> None:
    refused(signed_by_hand(said), "neither a key nor a token|lacks a claim")


def test_an_end_that_is_no_number_is_refused_though_it_is_signed() -> None:
    for end in ("never", True, [9], {"a": 1}):
        refused(signed_by_hand(claims(exp=end)), "exp")
    refused(signed_by_hand(b'{"iss":"https://login.example.org/","aud":"windvane","sub":"a","exp":Infinity}'), "exp")
    refused(signed_by_hand(b'{"iss":"https://login.example.org/","aud":"windvane","sub":"a","exp":1e999}'), "exp")


def test_where_claims_lie_and_what_roles_mean_is_the_settings() -> None:
    said = claims(email="ann@example.org", realm={"roles": ["boss"]}, models=["churn"])
    where = Claims(name="email", roles="/realm/roles", models="models")
    verified = tokens(settings=SETTINGS.model_copy(update={"claims": where})).verify(token(said), NOW)
    assert verified.caller == Caller("ann@example.org", frozenset({"admin"}), frozenset({"churn"}), None)


@given(st.binary(max_size=300))
def test_any_bytes_are_refused_and_nothing_else(sent: bytes) -> None:
    refused(sent, "neither a key nor a token")


GOOD = token()


@settings(max_examples=200)
@given(st.integers(0, len(GOOD) - 1), st.integers(0, 255))
def test_a_good_token_with_one_byte_changed_is_refused(place: int, byte: int) -> None:
    sent = GOOD[:place] + bytes([byte]) + GOOD[place + 1 :]
    if sent != GOOD:
        refused(sent, "token|key")


@given(
    st.dictionaries(
        st.sampled_from(["alg", "kid", "typ", "crit", "b64", "jku"]), st.none() | st.integers() | st.text()
    ),
    st.dictionaries(st.text(max_size=5), st.none() | st.integers() | st.text()),
    st.binary(max_size=80),
)
def test_any_header_and_any_claims_are_refused_and_nothing_else(header: Any, said: Any, signature: bytes) -> None:
    refused(by_hand(header | {"alg": "ES256", "kid": "one"}, said, signature), "token|key")
    refused(by_hand(header, said, signature), "token|key")


def test_what_was_sent_is_not_repeated() -> None:
    sent = by_hand({"alg": "SECRETALG", "kid": "SECRETKID", "typ": "SECRETTYP"}, {"aud": "SECRETAUD"})
    assert "SECRET" not in str(refused(sent, "token|key"))


def test_each_caller_has_the_issuers_limit() -> None:
    assert tokens().limit is None
    limited = SETTINGS.model_copy(update={"requests_per_second": 5.0, "burst": 10})
    assert tokens(settings=limited).limit == Limit(5.0, 10)
