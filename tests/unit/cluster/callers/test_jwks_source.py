"""An issuer's document is read from a file or a URL, or it is said why not; never more of it than a document has."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from windvane.cluster.callers.jwks_source import MOST_BYTES, read_file, read_url
from windvane.cluster.errors import Unavailable

URL = "https://issuer.example.org/jwks"


def test_a_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "jwks.json").write_bytes(b"{}")
    assert read_file(tmp_path / "jwks.json") == b"{}"


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"jwks.json cannot be read: No such file"):
        read_file(tmp_path / "jwks.json")
    (tmp_path / "large").write_bytes(b" " * (MOST_BYTES + 1))
    with pytest.raises(Unavailable, match="no issuer's keys need"):
        read_file(tmp_path / "large")


def answering(reply: httpx.Response) -> httpx.MockTransport:
    return httpx.MockTransport(lambda _: reply)


def test_a_url_is_read() -> None:
    assert read_url(URL, answering(httpx.Response(200, stream=httpx.ByteStream(b"{}")))) == b"{}"


@pytest.mark.parametrize(
    ("reply", "sentence"),
    [
        (httpx.Response(302, headers={"location": "https://elsewhere.example.org"}), "status 302"),
        (httpx.Response(500), "status 500"),
        (httpx.Response(200, stream=httpx.ByteStream(b" " * (MOST_BYTES + 1))), "no issuer's keys need"),
    ],
)
def test_what_is_no_document_is_refused(reply: httpx.Response, sentence: str) -> None:
    with pytest.raises(Unavailable, match=sentence):
        read_url(URL, answering(reply))


def test_an_issuer_that_sends_a_byte_at_a_time_is_not_waited_for() -> None:
    """Each byte is in time, and the document never ends."""
    now = iter(range(0, 10**6, 4))

    def drip() -> Iterator[bytes]:
        while True:
            yield b"x"

    with pytest.raises(Unavailable, match="takes more than 15 seconds"):
        read_url(URL, answering(httpx.Response(200, stream=Dripping(drip()))), lambda: float(next(now)))


class Dripping(httpx.SyncByteStream):
    def __init__(self, parts: Iterator[bytes]) -> None:
        self._parts = parts

    def __iter__(self) -> Iterator[bytes]:
        return self._parts


def test_an_issuer_that_is_away_is_named() -> None:
    def refuse(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectTimeout("")

    with pytest.raises(Unavailable, match=f"{URL} does not answer: ConnectTimeout"):
        read_url(URL, httpx.MockTransport(refuse))
