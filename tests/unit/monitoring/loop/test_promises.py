"""A champion that keeps its promises is left alone; one that breaks them is named with the window it began in."""

import numpy as np

from windvane.monitoring.loop.promises import Alarm, PromiseState, alarm, look
from windvane.monitoring.statistics.calibration import Block

EVERY = 20_000


def day(window: int, rng: np.random.Generator, rate: float = 0.0, slope: float = 0.0, n: int = 600) -> Block:
    return Block(
        window,
        n,
        int(0.4 * n),
        rate + float(rng.normal(0, (0.17 / n) ** 0.5)),
        0.17,
        slope + float(rng.normal(0, (0.04 / n) ** 0.5)),
        0.04,
        0.67,
    )


def lived(days: list[Block]) -> PromiseState:
    state = PromiseState()
    for each in days:
        state = look(state, each, None)
    return state


def test_five_years_of_quiet_days_raise_no_alarm() -> None:
    rng, state = np.random.default_rng(1), PromiseState()
    for window in range(1_800):
        state = look(state, day(window, rng), None)
        assert alarm(state, EVERY, 2, None) is None


def test_a_flip_is_named_within_two_windows_of_its_beginning() -> None:
    rng = np.random.default_rng(2)
    quiet = [day(window, rng) for window in range(60)]
    assert alarm(lived([*quiet, day(60, rng, slope=-0.4)]), EVERY, 2, None) is None
    found = alarm(lived([*quiet, day(60, rng, slope=-0.4), day(61, rng, slope=-0.4)]), EVERY, 2, None)
    assert found is not None
    assert (found.promise, found.sign, found.began, found.windows, found.rows) == ("slope", -1, 60, 2, 1200)
    assert found.rarer == 480


def test_fewer_positives_than_promised_are_found_too() -> None:
    rng = np.random.default_rng(3)
    days = [day(window, rng, rate=-0.2 if window >= 30 else 0.0) for window in range(34)]
    found = alarm(lived(days), EVERY, 2, None)
    assert found is not None
    assert (found.promise, found.sign, found.began) == ("rate", -1, 30)


def test_bad_weeks_that_were_seen_before_are_no_new_world() -> None:
    rng = np.random.default_rng(4)
    effects = [0.1 if window % 40 >= 33 else 0.0 for window in range(400)]
    state, alarms = PromiseState(), 0
    for window, effect in enumerate(effects):
        state = look(state, day(window, rng, rate=effect), None)
        alarms += window > 80 and alarm(state, EVERY, 2, None) is not None
    assert alarms == 0


def test_a_new_champion_keeps_what_is_known_of_days_but_not_of_the_broken_ones() -> None:
    rng = np.random.default_rng(5)
    quiet = [day(window, rng) for window in range(20)]
    state = lived([*quiet, day(20, rng, slope=-0.4), day(21, rng, slope=-0.4)]).for_new_champion()
    assert (state.streams, state.labels) == ({}, 0)
    assert max(each.window for each in state.history) < 20


def test_labels_since_the_champion_began_are_counted() -> None:
    rng = np.random.default_rng(6)
    assert lived([day(window, rng, n=250) for window in range(4)]).labels == 1_000


def test_an_alarm_says_what_was_promised_what_came_since_when_and_how_sure_that_is() -> None:
    newest = Block(20_002, 600, 60, -0.2, 0.16, 0.0, 0.04, 0.67)
    said = Alarm("rate", -1, 20_000, 3, 1800, 180, newest, 0.046).sentence(86_400.0, EVERY)
    assert said == (
        "20.0% fewer came true than its scores promise (tolerated 0.0460; in the newest of 3 windows), "
        "since 2024-10-04, on 1,800 labels: some 0.125 log loss a decision; "
        "such an alarm is false once in 20,000 windows at most"
    )
