import json
import math
from codecs import BOM_UTF8

import pytest
from hypothesis import given
from hypothesis import strategies as st

from windvane.cluster.errors import Malformed
from windvane.serve_apps.protocol.strict_json import DEEPEST, parse

DOCUMENTS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


@given(DOCUMENTS)
def test_every_json_document_is_read_as_it_is(document: object) -> None:
    assert parse(json.dumps(document).encode()) == document


def test_a_byte_order_mark_is_passed_over_once_and_alone_is_empty() -> None:
    assert parse(BOM_UTF8 + b'{"a": 1}') == {"a": 1}
    for body, sentence in ((BOM_UTF8, "empty"), (BOM_UTF8 * 2 + b"{}", "not JSON"), (b"{}" + BOM_UTF8, "not JSON")):
        with pytest.raises(Malformed, match=sentence):
            parse(body)


@given(st.binary(max_size=40))
def test_whatever_comes_is_read_or_refused_with_a_sentence(body: bytes) -> None:
    try:
        parse(body)
    except Malformed:
        return
    json.loads(body.removeprefix(BOM_UTF8))  # what is read is JSON; a document that is none, or NaN, was refused above


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"{", "not JSON: .* line 1, column 2"),
        (b'{"a":1}x', "Extra data"),
        (b"\xff\xfe{}", "not UTF-8"),
        (b'{"a": NaN}', "NaN is not JSON"),
        (b'{"a": -Infinity}', "-Infinity is not JSON"),
        (b'{"a":1,"b":{"c":1,"c":2}}', "'c' stands twice"),
        (b"[" * 10_000 + b"]" * 10_000, "nests too deep"),
        (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "nests too deep"),
    ],
)
def test_what_is_not_strict_json_is_refused(body: bytes, sentence: str) -> None:
    with pytest.raises(Malformed, match=sentence):
        parse(body)


@pytest.mark.parametrize("levels", [DEEPEST + 1, 900, 1500, 5000])
@pytest.mark.parametrize(("opens", "closes"), [("[", "]"), ('{"a":', "}")])
def test_how_deep_a_document_may_nest_is_ours_to_say_and_not_pythons(levels: int, opens: str, closes: str) -> None:
    def nested(levels: int) -> bytes:
        return f"{opens * levels}1{closes * levels}".encode()

    with pytest.raises(Malformed, match="nests too deep"):
        parse(nested(levels))
    assert parse(nested(DEEPEST)) == json.loads(nested(DEEPEST))
    assert parse(b'["' + b"[" * levels + b'"]') == ["[" * levels]


def test_numbers_beyond_float64_are_infinite_so_that_the_caller_can_point_at_them() -> None:
    assert parse(b"[1e400, -1e400]") == [math.inf, -math.inf]
    assert parse(b"[-" + b"1" * 5000 + b"]") == [-math.inf]
    assert parse(b"1" * 300) == int("1" * 300)
