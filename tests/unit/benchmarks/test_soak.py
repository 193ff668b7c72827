import json
from dataclasses import replace

from benchmarks.memory import Memory, Sample
from benchmarks.offered import Tally
from benchmarks.soak import Soaked, bodies, report


def soaked(statuses: dict[int, int], grows: bool = False) -> Soaked:
    """Ten minutes at 100 a second, a warm-up of two among them."""
    memory = Memory()
    for minute in range(11):
        resident = 100_000_000 + 10_000_000 * minute * grows
        memory.add(7, "raylet", Sample(60.0 * minute, resident, resident // 2))
    return Soaked(140.0, 100.0, Tally(600.0, statuses), memory, 120.0, 480.0)


def test_a_soak_without_failures_and_growth_passes() -> None:
    found = soaked({200: 60_000})
    assert found.failures == []
    assert report(found).endswith("passed")


def test_a_single_failed_request_too_few_answers_or_growth_fail_it() -> None:
    assert soaked({200: 59_999, 503: 1}).failures == ["1 requests got status 503"]
    early = replace(soaked({200: 60_000}), before=Tally(60.0, {200: 9, 503: 2}))
    assert early.failures == ["2 requests of the warm-up got status 503"]
    assert soaked({200: 30_000}).failures == ["50 answers a second of 100 that were offered"]
    [growth] = soaked({200: 60_000}, grows=True).failures
    assert growth.startswith("raylet (7) grew by")


def test_the_traffic_has_every_kind_of_request_and_no_subject_twice() -> None:
    asked = [json.loads(body) for body in bodies(200)]
    single = [each for each in asked if "instances" not in each]
    assert len(asked) - len(single) == 10
    assert {each.get("explain", False) for each in single} == {True, False}
    names = [each["id"] for each in single if "id" in each]
    assert len(names) == len(set(names)) == 100
    subjects = [row["subject"] for each in asked for row in each.get("instances", [each])]
    assert len(subjects) == len(set(subjects))
