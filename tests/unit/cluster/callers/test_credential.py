"""Two headers give up one token, or a refusal; never anything else, whatever bytes come."""

import contextlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from windvane.cluster.callers.credential import MOST_BYTES, credential_of, credentials_in
from windvane.cluster.errors import Unauthorized

TOKEN = b"wv_AbC-_.~+/09=="
ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/"


@given(st.binary(max_size=200))
def test_any_bytes_are_a_token_or_refused(header: bytes) -> None:
    with contextlib.suppress(Unauthorized):
        token = credential_of(header)
        assert token
        assert set(token) <= set(ALPHABET + b"=")


@given(st.sampled_from([b"Bearer ", b"bearer ", b"BEARER  "]), st.binary(max_size=60))
def test_behind_the_scheme_only_a_tokens_characters_are_taken(scheme: bytes, rest: bytes) -> None:
    good = rest.strip(b" ")
    is_token = bool(good) and set(good.rstrip(b"=")) <= set(ALPHABET) and good.rstrip(b"=") != b""
    if is_token:
        assert credential_of(scheme + rest) == good
    else:
        with pytest.raises(Unauthorized):
            credential_of(scheme + rest)


@pytest.mark.parametrize("scheme", [b"Bearer", b"bearer", b"BEARER", b"bEaReR"])
def test_the_scheme_is_taken_however_it_is_written(scheme: bytes) -> None:
    assert credential_of(scheme + b" " + TOKEN) == TOKEN
    assert credential_of(scheme + b"   " + TOKEN + b" ") == TOKEN


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"Bearer",
        b"Bearer ",
        TOKEN,
        b"Basic " + TOKEN,
        b"Bearer\t" + TOKEN,
        b"Bearer " + TOKEN + b", Basic x",  # two schemes, as a proxy joins two headers
        b"Bearer " + TOKEN + b",Bearer " + TOKEN,
        b"Bearer a b",
        b"Bearer a\x00b",
        b"Bearer a\x00",
        b"\x00Bearer a",
        b"Bearer a\n",  # `$` would take it
        b"Bearer a\r\nx-windvane-version: 3",
        "Bearer schlüssel".encode(),
        "Bearer schlüssel".encode("latin-1"),
        "Вearer a".encode(),  # a Cyrillic letter
        "Bearer ａ".encode(),  # a wide letter, which some call equal
        b'Bearer "a"',
        b"Bearer token=a",
        b"Bearer =",
        b"Bearer a=b",
    ],
)
def test_anything_else_is_refused_without_being_repeated(header: bytes) -> None:
    with pytest.raises(Unauthorized) as refused:
        credential_of(header)
    assert str(refused.value) == "Authorization must be `Bearer`, a blank and one key or token, nothing else"
    assert refused.value.challenge == 'Bearer realm="windvane", error="invalid_token"'


def test_no_header_is_told_how_to_get_a_key() -> None:
    with pytest.raises(Unauthorized, match="windvane keys create") as refused:
        credential_of(None)
    assert refused.value.challenge == 'Bearer realm="windvane"'  # nothing was wrong with what was not sent


def test_a_huge_header_is_refused_before_it_is_read() -> None:
    assert credential_of(b"Bearer " + b"a" * (MOST_BYTES - 7))
    for byte in (b"a", b" ", b"=", b"\x00"):
        with pytest.raises(Unauthorized, match=f"at most {MOST_BYTES}"):
            credential_of(b"Bearer " + byte * 10_000_000)
        with pytest.raises(Unauthorized, match=f"at most {MOST_BYTES}"):
            credential_of(None, byte * 10_000_000)


@given(st.binary(max_size=60))
def test_an_api_key_is_the_whole_header(sent: bytes) -> None:
    if re.fullmatch(rb"[A-Za-z0-9._~+/-]+=*", sent):
        assert credential_of(None, sent) == sent
    else:
        with pytest.raises(Unauthorized, match="x-api-key must be one key, nothing else"):
            credential_of(None, sent)


@pytest.mark.parametrize("header", [b"", b"Bearer " + TOKEN, b"Basic x"])
def test_two_credentials_are_none_though_both_are_the_same(header: bytes) -> None:
    """Of two that look at a request, one would go by the first and one by the second."""
    with pytest.raises(Unauthorized, match="not both"):
        credential_of(header, TOKEN)


@pytest.mark.parametrize("name", [b"authorization", b"x-api-key"])
def test_a_header_sent_twice_is_refused_though_both_are_the_same(name: bytes) -> None:
    for second in (TOKEN, b"", b"other"):
        with pytest.raises(Unauthorized, match="once"):
            credentials_in([(name, TOKEN), (b"accept", b"*/*"), (name, second)])


def test_other_headers_are_no_credentials() -> None:
    names = (b"Authorization", b"proxy-authorization", b"x-api-keys", b"x-forwarded-user", b"x-roles", b"cookie")
    assert credentials_in((name, TOKEN) for name in names) == (None, None)
    assert credentials_in([(b"x-api-key", b"k"), (b"authorization", b"a")]) == (b"a", b"k")
