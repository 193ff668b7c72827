"""Events that say the same again are one line, and new ones are never folded away."""

from typing import Any

from windvane.cluster.cli.event_list import EventList, event_line

EVENT = {"number": 1, "at": "2026-03-01T12:30:01+00:00", "kind": "promoted", "version": 3, "detail": "v3 took over"}


def finding(minute: int, kind: str = "drift", version: int = 2) -> dict[str, Any]:
    return {
        "at": f"2026-03-01T12:{minute:02}:00+00:00",
        "kind": "finding",
        "version": version,
        "detail": f"PSI {minute}",
        "facts": {"notice": f"finding:{version}:{minute}:{kind}"},
    }


def told(*events: dict[str, Any]) -> list[tuple[str, int, str]]:
    return [(line.event["detail"], line.count, line.since[14:16]) for line in EventList(events).lines]


def test_an_event_shows_the_models_own_day_where_it_has_one() -> None:
    assert event_line(EVENT) == "12:30:01  promoted          v3   v3 took over"
    dated = {**EVENT, "event_time": "2013-07-02T00:00:00+00:00", "version": None}
    assert event_line(dated) == "12:30:01 [2013-07-02]  promoted               v3 took over"


def test_findings_of_every_window_are_one_line_a_kind() -> None:
    windows = [finding(minute, kind) for minute in range(20) for kind in ("drift", "performance")]
    assert told(*windows) == [("PSI 19", 20, "00"), ("PSI 19", 20, "00")]
    assert EventList(windows).lines[0].text().endswith("PSI 19 (20 times since 12:00:00)")


def test_findings_begin_anew_once_something_else_happened() -> None:
    assert told(finding(1), finding(2), EVENT, finding(3)) == [
        ("PSI 2", 2, "01"),
        ("v3 took over", 1, "30"),
        ("PSI 3", 1, "03"),
    ]


def test_another_version_or_kind_is_another_line() -> None:
    assert told(finding(1), finding(2, version=3), finding(3, "performance"), finding(4)) == [
        ("PSI 2", 1, "02"),
        ("PSI 3", 1, "03"),
        ("PSI 4", 2, "01"),
    ]


def test_the_same_words_again_are_one_line_and_other_words_are_not() -> None:
    assert told(EVENT, EVENT, {**EVENT, "detail": "v4 took over"}) == [
        ("v3 took over", 2, "30"),
        ("v4 took over", 1, "30"),
    ]


def test_who_watches_is_shown_the_first_the_second_the_fourth_and_so_on() -> None:
    events = EventList()
    news = [events.add(finding(minute)).is_news for minute in range(16)]
    assert [place + 1 for place, each in enumerate(news) if each] == [1, 2, 4, 8, 16]
