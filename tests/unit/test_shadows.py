import asyncio
from types import SimpleNamespace
from typing import Any

import numpy as np

from cluster.decision_log.record import Shadow
from serve_apps.roster import InForce
from serve_apps.router import Router
from serve_apps.shadows import CHUNK, Answered, Shadows
from tests.gateway_fakes import BrokenVersion, FakeCounts, FakeLog
from tests.gateway_world import NOW, canary


def version(number: int) -> Any:
    def score(records: list[tuple[float]]) -> tuple[None, np.ndarray]:
        return None, np.array([number + record[0] / 1000 for record in records])

    return SimpleNamespace(number=number, score=score)


def answered(by: int, rows: int, start: int = 0, broken: int | None = None) -> Answered:
    split = canary(shadows=(2, 1))
    held = {number: BrokenVersion(number) if number == broken else version(number) for number in (1, 2)}
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
    assert [shadow.version for shadow in log.of(Shadow)] == [1]


def test_without_shadows_nothing_happens() -> None:
    split = canary()
    offer = Answered(InForce(split, Router(split), {}), 1, ["d0"], [(0.0,)])
    log, counts = work(offer)
    assert (log.records, counts.shadows, counts.drops) == ([], [], [])
