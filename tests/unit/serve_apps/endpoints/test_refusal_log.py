"""Whoever is refused is on record with the reason, and nobody can fill the disk with it."""

import pytest

from windvane.cluster.callers.caller import Caller
from windvane.cluster.decision_log.record import Act, Value
from windvane.cluster.errors import (
    Denied,
    Forbidden,
    Invalid,
    NotFound,
    Overloaded,
    TooFast,
    Unauthorized,
    Unavailable,
    WindvaneError,
)
from windvane.serve_apps.endpoints.refusal_log import MOST_LINES, PERIOD_SECONDS, RefusalLog, Refused

ANN = Caller("ann", frozenset({"client"}), None, "3f9a0c51b2de")
ROUTE = "POST /v2/models/trips/decide"


class World:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.now = 0.0
        self.away = RefusalLog(self.lines.append, lambda: self.now)


@pytest.fixture
def world() -> World:
    return World()


def test_a_line_says_who_where_and_why(world: World) -> None:
    world.away.note(Unauthorized("Send your key"), ROUTE, None)
    world.away.note(Forbidden("'ann' may not use this model"), ROUTE, ANN)
    world.away.note(TooFast("wait 1 seconds", 1.0), ROUTE, Caller("bob\n2026", frozenset(), None, None))
    assert world.lines == [
        "401 for nobody known at 'POST /v2/models/trips/decide': Send your key",
        "403 for 'ann' (3f9a0c51b2de) at 'POST /v2/models/trips/decide': 'ann' may not use this model",
        r"429 for 'bob\n2026' (without a key) at 'POST /v2/models/trips/decide': wait 1 seconds",
    ]


@pytest.mark.parametrize("error", [Invalid("x"), NotFound("x"), Overloaded("x", 1.0), WindvaneError("x")])
def test_what_is_not_about_who_calls_is_none_of_it(world: World, error: WindvaneError) -> None:
    world.away.note(error, ROUTE, ANN)
    assert (world.lines, world.away.count) == ([], 0)


def test_a_path_cannot_write_lines_of_its_own(world: World) -> None:
    world.away.note(Unauthorized("x"), "POST /\n200 for 'admin'" + "a" * 10_000, None)
    [line] = world.lines
    assert "\n" not in line
    assert len(line) < 300


def test_a_crowd_is_counted_and_later_ones_are_told_again(world: World) -> None:
    for _ in range(MOST_LINES + 40):
        world.away.note(Unauthorized("x"), ROUTE, None)
    assert len(world.lines) == MOST_LINES
    world.away.note(Forbidden("no"), ROUTE, ANN)  # strangers' noise hides nobody who is known
    world.now = PERIOD_SECONDS
    world.away.note(Unauthorized("y"), ROUTE, None)
    assert world.lines[MOST_LINES:] == [
        f"403 for 'ann' (3f9a0c51b2de) at '{ROUTE}': no",
        "40 more were turned away before this",
        f"401 for nobody known at '{ROUTE}': y",
    ]
    assert world.away.count == MOST_LINES + 42


def test_what_is_told_is_put_on_the_decision_log_too() -> None:
    recorded: list[Refused] = []
    away = RefusalLog(lambda _: None, lambda: 0.0, recorded.append)
    for _ in range(MOST_LINES + 5):
        away.note(Forbidden("'ann' may not use this model"), ROUTE, ANN)
    assert len(recorded) == MOST_LINES  # a crowd fills no log
    facts: dict[str, Value] = {"order": ROUTE, "status": 403, "key_id": "3f9a0c51b2de"}
    act = Act(7.0, "refused", "ann", "trips", None, "'ann' may not use this model", facts)
    assert recorded[0].act("trips", 7.0) == act


def test_what_policy_denied_is_on_it_already() -> None:
    recorded: list[Refused] = []
    away = RefusalLog(lambda _: None, lambda: 0.0, recorded.append)
    away.note(Denied("no consent", ("consent",), "4f", ("d1",)), ROUTE, ANN)
    assert recorded == []
    away.note(Denied("not yours", ("model-scope",), "4f"), ROUTE, ANN)  # an outcome, of which there is no other record
    assert [each.why for each in recorded] == ["not yours"]


def test_a_refusal_stands_when_the_log_does_not_take_it() -> None:
    lines: list[str] = []

    def full(_: Refused) -> None:
        raise Unavailable("the disk is full")

    assert RefusalLog(lines.append, lambda: 0.0, full).note(Unauthorized("x"), ROUTE, None)
    assert lines[1:] == ["A refusal is not on the decision log: the disk is full"]
