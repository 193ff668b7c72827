"""The chain: a group that was changed, dropped, moved or put in does not follow from what stands before it."""

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.worlds.log.decision_log import skip_syncs
from windvane.cluster.clock import Clock
from windvane.cluster.decision_log.write.chain import begin, breaks, extend
from windvane.cluster.decision_log.write.limits import WriterLimits
from windvane.cluster.decision_log.write.rolling import RollingSegments
from windvane.cluster.decision_log.write.segment import (
    Header,
    frame,
    link,
    live_names,
    live_path,
    preamble,
    read_header,
    scan_linked,
)

HEADER = Header("flight-delay", "replica-1", 1.5, ())
START = preamble(HEADER)
GROUPS = st.lists(st.lists(st.binary(min_size=1, max_size=20), min_size=1, max_size=3), min_size=2, max_size=6)


def segment(groups: list[list[bytes]]) -> list[bytes]:
    """The groups as they stand in a file, each with its link."""
    head, written = begin(START), []
    for payloads in groups:
        frames = b"".join(map(frame, payloads))
        head = extend(head, frames)
        written.append(frames + link(head))
    return written


def broken(groups: list[bytes]) -> list[int]:
    content = START + b"".join(groups)
    _, links, end = scan_linked(content, len(START))
    assert end == len(content)
    return breaks(begin(START), content, links)


@settings(max_examples=50, deadline=None)
@given(GROUPS)
def test_what_was_written_holds(groups: list[list[bytes]]) -> None:
    assert broken(segment(groups)) == []


def drop(groups: list[bytes], at: int) -> list[bytes]:
    return groups[:at] + groups[at + 1 :]


def swap(groups: list[bytes], at: int) -> list[bytes]:
    return [*groups[:at], groups[at + 1], groups[at], *groups[at + 2 :]]


def insert(groups: list[bytes], at: int) -> list[bytes]:
    forged = frame(b"forged")
    return [*groups[:at], forged + link(extend(begin(START), forged + b"?")), *groups[at:]]


def change(groups: list[bytes], at: int) -> list[bytes]:
    return [*groups[:at], frame(b"not what was written") + groups[at][-40:], *groups[at + 1 :]]


@settings(max_examples=60, deadline=None)
@given(GROUPS, st.sampled_from([drop, swap, insert, change]), st.data())
def test_any_change_breaks_it_where_it_was_made(
    groups: list[list[bytes]], tamper: Callable[[list[bytes], int], list[bytes]], draw: st.DataObject
) -> None:
    at = draw.draw(st.integers(0, len(groups) - 2))
    assert broken(tamper(segment(groups), at))[0] == at


def test_every_changed_group_is_found_and_the_others_are_not() -> None:
    groups = segment([[b"%d" % n] for n in range(5)])
    assert broken(change(change(groups, 1), 3)) == [1, 3]


def test_the_header_is_covered() -> None:
    assert begin(START) != begin(preamble(Header("flight-delay", "replica-2", 1.5, ())))


def test_a_writer_s_segments_make_one_chain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    skip_syncs(monkeypatch)
    moments = itertools.count(1.0)
    segments = RollingSegments(tmp_path, HEADER, WriterLimits(segment_bytes=1), Clock(lambda: next(moments)))
    for payload in (b"one", b"two", b"three"):
        assert segments.write(frame(payload)) is None
        segments.roll()
    found = [live_path(tmp_path, name).read_bytes() for name in live_names(tmp_path)]
    headers = [read_header(content, "s") for content in found]
    assert [header and header[0].previous and header[0].previous.segment for header in headers] == [
        None,
        *live_names(tmp_path)[:-1],
    ]
    for before, after in itertools.pairwise(zip(found, headers, strict=True)):
        assert before[1] is not None
        assert after[1] is not None
        assert after[1][0].previous is not None
        assert scan_linked(before[0], before[1][1])[1][-1].head == after[1][0].previous.head


def test_a_group_that_the_disk_refused_is_no_part_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    skip_syncs(monkeypatch)
    segments = RollingSegments(tmp_path, HEADER)
    segments.write(frame(b"kept"))

    def refuse(_: int) -> None:
        skip_syncs(monkeypatch)
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("windvane.cluster.decision_log.disk.sync", refuse)
    assert "Input/output error" in str(segments.write(frame(b"refused")))
    assert segments.write(frame(b"after")) is None
    first, second = (live_path(tmp_path, name).read_bytes() for name in live_names(tmp_path))
    header, _ = read_header(second, "s") or (HEADER, 0)
    payloads, links, _ = scan_linked(first, (read_header(first, "s") or (HEADER, 0))[1])
    assert payloads == [b"kept"]
    assert header.previous is not None
    assert header.previous.head == links[-1].head
