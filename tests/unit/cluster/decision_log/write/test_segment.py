"""The segment format: whole records or none."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windvane.cluster.decision_log.write.segment import (
    MAGIC,
    MAX_PAYLOAD_BYTES,
    FeatureColumn,
    Header,
    frame,
    preamble,
    read_header,
    scan,
)
from windvane.cluster.errors import Invalid

HEADER = Header(
    "flight-delay", "replica-1", 1.5, (FeatureColumn("temp", "number"), FeatureColumn("carrier", "category"))
)
PAYLOADS = st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=6)


def whole(payloads: list[bytes]) -> bytes:
    return preamble(HEADER) + b"".join(map(frame, payloads))


def read(content: bytes) -> list[bytes]:
    header = read_header(content, "s")
    return [] if header is None else scan(content, header[1])[0]


def test_what_was_written_is_read() -> None:
    content = whole([b"one", b"two"])
    header, start = read_header(content, "s") or (None, 0)
    assert header == HEADER
    assert scan(content, start) == ([b"one", b"two"], len(content))


def test_a_limit_stops_after_that_many_and_says_where() -> None:
    content = frame(b"one") + frame(b"two") + frame(b"three")
    payloads, end = scan(content, 0, limit=2)
    assert payloads == [b"one", b"two"]
    assert scan(content, end) == ([b"three"], len(content))


@settings(max_examples=60, deadline=None)
@given(PAYLOADS, st.data())
def test_a_cut_anywhere_leaves_every_record_before_it(payloads: list[bytes], draw: st.DataObject) -> None:
    content = whole(payloads)
    cut = draw.draw(st.integers(0, len(content)))
    ends = [len(whole(payloads[: n + 1])) for n in range(len(payloads))]
    assert read(content[:cut]) == payloads[: sum(end <= cut for end in ends)]


@settings(max_examples=120, deadline=None)
@given(PAYLOADS, st.data())
def test_flipped_bits_anywhere_never_give_a_wrong_record(payloads: list[bytes], draw: st.DataObject) -> None:
    content = bytearray(whole(payloads))
    places = st.lists(st.tuples(st.integers(0, len(content) - 1), st.integers(1, 255)), min_size=1, max_size=3)
    flips = draw.draw(places)
    for place, mask in flips:
        content[place] ^= mask
    try:
        found = read(bytes(content))
    except Invalid:
        found = []
    first_flip = min(place for place, _ in flips)
    untouched = sum(len(whole(payloads[: n + 1])) <= first_flip for n in range(len(payloads)))
    assert found == payloads[: len(found)]
    assert len(found) >= untouched or first_flip < len(preamble(HEADER))


@settings(max_examples=60, deadline=None)
@given(PAYLOADS, st.binary(max_size=60))
def test_bytes_left_behind_the_last_record_are_no_record(payloads: list[bytes], rubbish: bytes) -> None:
    assert read(whole(payloads) + rubbish)[: len(payloads)] == payloads
    assert read(whole(payloads) + b"\x00" * len(rubbish)) == payloads


def test_zeros_after_a_power_cut_are_not_empty_records() -> None:
    assert scan(b"\x00" * 64) == ([], 0)


def test_a_frame_inside_a_damaged_record_is_not_found() -> None:
    forged = frame(b"forged by a caller")
    content = bytearray(frame(b"context: " + forged) + frame(b"after"))
    content[0] ^= 1
    assert scan(bytes(content)) == ([], 0)


def test_a_length_beyond_any_record_is_not_waited_for() -> None:
    assert scan((MAX_PAYLOAD_BYTES + 1).to_bytes(4, "little") + b"\x00" * 100) == ([], 0)


def test_a_newer_format_is_refused_by_name_and_not_called_damaged() -> None:
    with pytest.raises(Invalid, match="segment s has format 9, this Windvane reads up to 2"):
        read_header(MAGIC[:-1] + b"\x09" + b"anything", "s")


def test_a_damaged_header_gives_no_records() -> None:
    assert read_header(preamble(HEADER)[:-1], "s") is None
    assert read_header(b"", "s") is None


def test_a_header_takes_new_fields_without_a_new_version() -> None:
    import msgspec

    fields = msgspec.to_builtins(HEADER) | {"later": "what is not known yet"}
    content = MAGIC + frame(msgspec.msgpack.encode(fields))
    assert read_header(content, "s") == (HEADER, len(content))
