"""An error's reply: its status, and the headers that go with it."""

import pytest

from windvane.cluster.errors import TooFast, Unauthorized
from windvane.serve_apps.protocol.infer_reply import refusal_at
from windvane.serve_apps.protocol.problem import problem

PATHS = ["/v2/models/trips/decide", "/v2/models/trips/infer", "/api/status"]


@pytest.mark.parametrize("path", PATHS)
def test_who_is_not_known_is_told_what_to_send(path: str) -> None:
    """RFC 9110, section 15.5.2: a 401 must have this header."""
    missing = refusal_at(Unauthorized("Send a key", invalid=False), path)
    assert (missing.status, dict(missing.headers)[b"www-authenticate"]) == (401, b'Bearer realm="windvane"')
    wrong = refusal_at(Unauthorized("Send a good key"), path)
    assert dict(wrong.headers)[b"www-authenticate"] == b'Bearer realm="windvane", error="invalid_token"'


@pytest.mark.parametrize("path", PATHS)
def test_who_asks_too_fast_is_told_in_whole_seconds_when_to_come_back(path: str) -> None:
    for wait, told in ((0.001, b"1"), (1.0, b"1"), (1.2, b"2"), (61.0, b"61")):
        reply = refusal_at(TooFast("wait", wait), path)
        assert (reply.status, dict(reply.headers)[b"retry-after"]) == (429, told)


def test_a_limit_of_ones_own_is_another_problem_than_a_busy_server() -> None:
    assert b'"type":"urn:windvane:problem:too-fast"' in problem(TooFast("wait"), "/").body
    assert b'"type":"urn:windvane:problem:unauthorized"' in problem(Unauthorized("who?"), "/").body
