"""Deciding for callers who hang up, ask again, or wait too long."""

import asyncio
from pathlib import Path

import pytest

from tests.worlds.bundles import SPEC
from tests.worlds.gateway.decisions import ROW, ask
from tests.worlds.gateway.world import champion, gateway, settled
from windvane.cluster.errors import Conflict, Expired, Overloaded, Unavailable
from windvane.serve_apps.pipeline.decision_id import fixed
from windvane.serve_apps.protocol.question import Answer, Question
from windvane.serve_apps.versions.loaded_version import LoadedVersion


def test_the_same_id_is_the_same_decision_answered_once_more(
    versions: dict[int, LoadedVersion], tmp_path: Path
) -> None:
    with gateway(versions, champion(), tmp_path) as world:
        question = Question("N1", ROW, request_id="a")
        [first] = ask(world, question)
        [again] = ask(world, Question("N1", ROW, request_id="a"))
        assert again is first
        assert first.decision_id == fixed("trips", "anybody", "a")
        assert len(world.decisions) == 1
        assert world.decisions[0].request_id == "a"


def test_the_same_id_sent_while_it_is_being_decided_waits_for_that_answer(
    versions: dict[int, LoadedVersion], tmp_path: Path
) -> None:
    with gateway(versions, champion(), tmp_path) as world:
        question = Question("N1", ROW, request_id="a")
        [first, second] = ask(world, question, question)
        assert first is second

        async def hang_up_and_ask_again() -> list[Answer]:
            world.log.holding = True
            other = Question("N1", ROW, request_id="b")
            gone = asyncio.ensure_future(world.decider.decide([other], 0.0))
            again = asyncio.ensure_future(world.decider.decide([other], 0.0))
            await settled(lambda: len(world.log.records) == 2)
            gone.cancel()
            await asyncio.sleep(0)
            world.log.release()
            return await again

        assert world.run(hang_up_and_ask_again())[0].decision_id == fixed("trips", "anybody", "b")
        assert len(world.decisions) == 2


def test_the_same_id_for_something_else_is_a_conflict_that_decides_nothing(
    versions: dict[int, LoadedVersion], tmp_path: Path
) -> None:
    with gateway(versions, champion(), tmp_path) as world:
        ask(world, Question("N1", ROW, request_id="a"))
        other = Question("N2", ROW, request_id="a")
        for questions in ([other], [Question("N3", ROW), other], [Question("N4", ROW, request_id="b"), other]):
            with pytest.raises(Conflict, match="'a' was used for another request"):
                ask(world, *questions)
        assert [decision.subject for decision in world.decisions] == ["N1"]
        assert ask(world, Question("N5", ROW, request_id="b"))[0].decision_id == fixed("trips", "anybody", "b")


def test_a_failed_decision_is_forgotten_so_that_its_id_may_be_sent_again(
    versions: dict[int, LoadedVersion], tmp_path: Path
) -> None:
    with gateway(versions, champion(), tmp_path) as world:
        world.log.refusal = "the disk is full"
        with pytest.raises(Unavailable):
            ask(world, Question("N1", ROW, request_id="a"))
        world.log.refusal = None
        assert ask(world, Question("N1", ROW, request_id="a"))[0].version == 1


def test_a_caller_that_hangs_up_does_not_disturb_the_batch(versions: dict[int, LoadedVersion], tmp_path: Path) -> None:
    with gateway(versions, champion(), tmp_path) as world:

        async def scenario() -> list[Answer]:
            gone = asyncio.ensure_future(world.decider.decide([Question("N1", ROW)], 0.0))
            stays = asyncio.ensure_future(world.decider.decide([Question("N2", ROW)], 0.0))
            await asyncio.sleep(0)
            gone.cancel()
            return await stays

        assert len(world.run(scenario())) == 1
        world.quiet()
        assert world.counts.added == [(1, 1, "champion", 1)]
        assert [decision.subject for decision in world.decisions] == ["N2"]


def test_a_caller_that_hangs_up_takes_every_part_of_its_request_along(
    versions: dict[int, LoadedVersion], tmp_path: Path
) -> None:
    spec = SPEC.model_copy(update={"serving": SPEC.serving.model_copy(update={"max_batch_rows": 2})})
    with gateway(versions, champion(), tmp_path, spec) as world:

        async def scenario() -> None:
            gone = asyncio.ensure_future(world.decider.decide([Question(f"N{place}", ROW) for place in range(7)], 0.0))
            await settled(lambda: bool(world.decisions))  # its first two rows are logged
            gone.cancel()
            with pytest.raises(asyncio.CancelledError):
                await gone
            world.log.release()
            await world.decider.drain()

        world.log.holding = True
        world.run(scenario())
        assert [decision.subject for decision in world.decisions] in (["N0", "N1"], ["N0", "N1", "N2", "N3"])
        assert world.decider.admission.rows == 0


def test_a_caller_that_hangs_up_and_sent_an_id_finds_the_answer_when_it_comes_again(
    versions: dict[int, LoadedVersion], tmp_path: Path
) -> None:
    with gateway(versions, champion(), tmp_path) as world:
        question = Question("N1", ROW, request_id="k")

        async def scenario() -> list[Answer]:
            gone = asyncio.ensure_future(world.decider.decide([question], 0.0))
            await asyncio.sleep(0)
            gone.cancel()
            return await world.decider.decide([question], 0.0)

        [answer] = world.run(scenario())
        assert [decision.decision_id for decision in world.decisions] == [answer.decision_id]


def test_what_is_not_decided_before_its_deadline_is_neither_scored_nor_logged(
    versions: dict[int, LoadedVersion], tmp_path: Path
) -> None:
    with gateway(versions, champion(), tmp_path) as world:

        async def scenario() -> list[Answer]:
            late = asyncio.ensure_future(world.decider.decide([Question("late", ROW)], 0.0, deadline=0.25))
            patient = asyncio.ensure_future(world.decider.decide([Question("patient", ROW)], 0.0, deadline=0.3))
            await asyncio.sleep(0)
            world.ticks = 0.25
            with pytest.raises(Expired, match=r"not decided in the 0\.25 s that it was given"):
                await late
            return await patient

        assert len(world.run(scenario())) == 1
        assert [decision.subject for decision in world.decisions] == ["patient"]
        assert world.decider.admission.rows == 0


def test_a_deadline_that_has_passed_already_is_refused_at_once(
    versions: dict[int, LoadedVersion], tmp_path: Path
) -> None:
    with gateway(versions, champion(), tmp_path) as world:
        world.ticks = 2.0
        with pytest.raises(Expired, match="deadline has passed"):
            world.run(world.decider.decide([Question("N1", ROW)], 0.0, deadline=1.0))
        assert world.decisions == []


def test_rows_that_wait_for_the_log_count_as_waiting_and_too_many_are_refused(
    versions: dict[int, LoadedVersion], tmp_path: Path
) -> None:
    with gateway(versions, champion(), tmp_path) as world:

        async def scenario() -> None:
            world.log.holding = True
            waiting = asyncio.ensure_future(world.decider.decide([Question("N1", ROW)] * 64, 0.0))
            await settled(lambda: len(world.log.records) == 64)
            with pytest.raises(Overloaded, match="64 rows are waiting"):
                await world.decider.decide([Question("N2", ROW, request_id="a")], 0.0)
            world.log.release()
            assert len(await waiting) == 64
            [answer] = await world.decider.decide([Question("N2", ROW, request_id="a")], 0.0)
            assert answer.version == 1

        world.run(scenario())


def test_draining_waits_for_every_row(versions: dict[int, LoadedVersion], tmp_path: Path) -> None:
    with gateway(versions, champion(), tmp_path) as world:

        async def scenario() -> None:
            world.log.holding = True
            asking = asyncio.ensure_future(world.decider.decide([Question("N1", ROW, explain=True)], 0.0))
            draining = asyncio.ensure_future(world.decider.drain())
            await settled(lambda: bool(world.log.records))
            assert not draining.done()
            world.log.release()
            await draining
            assert asking.done() or len(await asking) == 1
            await world.decider.drain()

        world.run(scenario())
