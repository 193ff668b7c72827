import os

import psutil
import pytest

from benchmarks.memory import Memory, Sample, as_json, table, title


def grown(*megabytes: float) -> Memory:
    """One process, a sample a minute."""
    memory = Memory()
    for minute, size in enumerate(megabytes):
        memory.add(7, "raylet", Sample(60.0 * minute, int(size * 1e6), int(0.8e6 * size)))
    return memory


def test_what_is_gained_during_the_warm_up_is_no_growth() -> None:
    [growth] = grown(50, 80, 99, *[100] * 20).growths(warm_up=180.0, end=22 * 60.0)
    assert (growth.before, growth.after, growth.share, growth.is_flat) == (100e6, 100e6, 0.0, True)
    assert (growth.own_before, growth.own_after, growth.own_share) == (80e6, 80e6, 0.0)


def test_a_slow_leak_is_growth_and_a_spike_is_not() -> None:
    [leak] = grown(*[100 + minute for minute in range(31)]).growths(warm_up=300.0, end=1800.0)
    assert leak.share == pytest.approx(23 / 106, rel=0.05)
    assert not leak.is_flat
    [spike] = grown(*[100] * 15, 400, *[100] * 15).growths(warm_up=300.0, end=1800.0)
    assert (spike.is_flat, spike.most) == (True, 400e6)


def test_a_process_that_came_or_went_in_between_is_not_compared() -> None:
    memory = grown(*[100] * 31)
    memory.add(8, "job", Sample(900.0, 5, 4))
    assert [each.pid for each in memory.growths(warm_up=300.0, end=1800.0)] == [7]


def test_this_process_is_sampled_under_a_name() -> None:
    memory = Memory()
    me = psutil.Process(os.getpid())
    memory.sample(0.0, [me])
    [sample] = memory.samples[me.pid]
    assert sample.resident == pytest.approx(me.memory_info().rss, rel=0.2)
    assert 0 < sample.own < sample.resident
    assert memory.names[me.pid] == title(me) != ""


def test_the_table_marks_what_grows() -> None:
    growths = grown(*[100 + minute for minute in range(31)]).growths(warm_up=300.0, end=1800.0)
    assert "grows" in table(growths)
    assert as_json(growths)[0]["process"] == "raylet"
