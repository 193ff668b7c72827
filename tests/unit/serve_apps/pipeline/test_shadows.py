import asyncio
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.worlds.gateway.fakes import BrokenVersion, FakeCounts, FakeLog
from tests.worlds.gateway.world import NOW, canary
from windvane.cluster.decision_log.record import Shadow
from windvane.cluster.errors import Unavailable
from windvane.serve_apps.pipeline.shadows import CHUNK, Answered, Shadows
from windvane.serve_apps.traffic.loaded_versions import InForce
from windvane.serve_apps.traffic.router import Router


def version(number: int) -> Any:
    def score(records: list[tuple[float]]) -> tuple[None, np.ndarray]:
        return None, np.array([number + record[0] / 1000 for record in records])

    return SimpleNamespace(number=number, score=score)


def answered(by: int, rows: int, start: int = 0, broken: int | None = None) -> Answered:
    split = canary(shadows=(2, 1))
    held: dict[int, Any] = {number: BrokenVersion(number) if number == broken else version(number) for number in (1, 2)}
    ids = [f"d{place}" for place in range(start, start + rows)]
    return Answered(
        InForce(split, Router(split), held), by, ids, [(float(place),) for place in range(start, start + rows)]
    )


def work(*offers: Answered, most_waiting: int = 1000) -> tuple[FakeLog, FakeCounts]:
    log, counts = FakeLog(), FakeCounts()

    async def scenario() -> None:
        shadows = Shadows(log, counts, lambda: NOW, most_waiting)
        for offer in offers:
            shadows.offer(offer)
        assert log.records == []  # never before the reply
        await shadows.drain()

    asyncio.run(scenario())
    return log, counts


def test_every_shadow_but_the_one_that_answered_scores_the_rows() -> None:
    log, counts = work(answered(1, 2))
    assert log.records == [Shadow(NOW, 2, ("d0", "d1"), (2.0, 2.001))]
    assert counts.shadows == [(2, 2, 2)]


def test_many_rows_are_scored_in_chunks_in_their_order() -> None:
    log, _ = work(answered(1, CHUNK), answered(1, 3, start=CHUNK))
    assert [len(shadow.decision_ids) for shadow in log.of(Shadow)] == [CHUNK, 3]
    assert [name for shadow in log.of(Shadow) for name in shadow.decision_ids] == [f"d{n}" for n in range(CHUNK + 3)]


def test_what_does_not_fit_is_dropped_and_counted_for_every_shadow_it_missed() -> None:
    log, counts = work(answered(1, 3), answered(2, 2, start=3), most_waiting=4)
    assert counts.drops == [(1, 2)]
    assert [shadow.version for shadow in log.of(Shadow)] == [2]


def test_a_shadow_that_cannot_score_is_counted_and_the_others_go_on() -> None:
    log, counts = work(answered(7, 2, broken=2))
    assert counts.errors == [(2, 2, 2, "shadow")]
    assert counts.drops == [(2, 2)]
    assert [shadow.version for shadow in log.of(Shadow)] == [1]


def test_whatever_a_shadow_raises_its_rows_are_counted_and_the_others_go_on(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, redacted_logs: None
) -> None:
    def broken(rows: list[str]) -> float:
        return dict[str, float]()[rows[0]]

    offer = answered(7, CHUNK + 2)
    monkeypatch.setattr(offer.in_force.versions[2], "score", broken)
    log, counts = work(offer, answered(7, 1, start=100))
    assert counts.errors[0] == (2, 2, CHUNK, "shadow")
    assert counts.drops == [(2, CHUNK + 2)]
    assert [(shadow.version, len(shadow.decision_ids)) for shadow in log.of(Shadow)] == [
        (1, CHUNK),
        (1, 2),
        (2, 1),
        (1, 1),
    ]
    assert sum(rows for _, _, rows in counts.shadows) == CHUNK + 4
    assert caplog.messages[0].startswith("Shadow of split 2: KeyError at pipeline/test_shadows.py:")
    assert caplog.text.count("builtins.KeyError") == 1


def test_rows_of_a_shadow_that_is_not_held_are_counted_as_dropped() -> None:
    offer = answered(7, 2)
    del offer.in_force.versions[2]  # type: ignore[attr-defined]
    log, counts = work(offer, answered(7, 1, start=2))
    assert counts.drops == [(2, 2)]
    assert [(shadow.version, len(shadow.decision_ids)) for shadow in log.of(Shadow)] == [(1, 2), (2, 1), (1, 1)]


def test_a_log_that_is_too_far_behind_is_no_fault_of_the_shadow(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise Unavailable("the disk is too slow")

    monkeypatch.setattr(FakeLog, "append", refuse)
    _, counts = work(answered(1, 2))
    assert (counts.errors, counts.shadows, counts.drops) == ([], [], [(2, 2)])


def test_rows_that_a_replica_could_not_score_before_it_stopped_are_counted() -> None:
    counts = FakeCounts()

    async def scenario() -> None:
        shadows = Shadows(FakeLog(), counts, lambda: NOW)
        shadows.offer(answered(1, 3 * CHUNK))
        for _ in range(3):
            await asyncio.sleep(0)
        [working] = asyncio.all_tasks() - {asyncio.current_task()}
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)

    asyncio.run(scenario())
    assert sum(rows for _, _, rows in counts.shadows) + sum(rows for _, rows in counts.drops) == 3 * CHUNK


def test_without_shadows_nothing_happens() -> None:
    split = canary()
    offer = Answered(InForce(split, Router(split), {}), 1, ["d0"], [(0.0,)])
    log, counts = work(offer)
    assert (log.records, counts.shadows, counts.drops) == ([], [], [])
