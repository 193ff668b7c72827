"""Whatever deciding meets that nobody foresaw: every request gets an answer, and everything taken is given back."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.worlds.gateway.decisions import CANDIDATE_UNITS, CHAMPION_UNITS, ROW
from tests.worlds.gateway.fakes import FakeLog
from tests.worlds.gateway.world import World, canary, champion, gateway, settled
from windvane.cluster.decision_log.record import Decision
from windvane.cluster.errors import Unavailable, WindvaneError
from windvane.serve_apps.pipeline import records
from windvane.serve_apps.pipeline.actions import Actions
from windvane.serve_apps.pipeline.cost_estimate import CostEstimate
from windvane.serve_apps.pipeline.explaining import Explaining
from windvane.serve_apps.pipeline.policy_check import PolicyCheck
from windvane.serve_apps.pipeline.records import DecisionRecorder
from windvane.serve_apps.pipeline.request_queue import RequestQueue
from windvane.serve_apps.protocol.question import Answer, Question
from windvane.serve_apps.traffic.router import Router
from windvane.serve_apps.versions.loaded_version import LoadedVersion
from windvane.serve_apps.versions.predictor import ForestPredictor

Versions = dict[int, LoadedVersion]
SUBJECT = "N725MQ"  # stands in what is raised, and nowhere else
pytestmark = pytest.mark.usefixtures("redacted_logs")


def boom(*_: Any, **__: Any) -> Any:
    raise LookupError(SUBJECT)


async def outcomes(world: World, *requests: list[Question]) -> list[list[Answer] | BaseException]:
    asked = [asyncio.ensure_future(world.decider.decide(questions, 0.0)) for questions in requests]
    await settled(lambda: all(each.done() for each in asked))
    return list(await asyncio.gather(*asked, return_exceptions=True))


def ask(world: World, *requests: list[Question]) -> list[list[Answer] | BaseException]:
    found = world.run(outcomes(world, *requests))
    world.quiet()
    assert world.decider.admission.rows == 0
    world.run(world.decider.drain())
    return found


def is_fault(outcome: object) -> bool:
    """A WindvaneError that says what to do, and nothing of what happened."""
    return (
        type(outcome) is WindvaneError
        and outcome.status == 500
        and "send it once more" in str(outcome)
        and SUBJECT not in str(outcome)
    )


@pytest.mark.parametrize(
    "broken",
    [
        (PolicyCheck, "act"),
        (Actions, "rule"),
        (Explaining, "take"),
        (DecisionRecorder, "decided"),
        (FakeLog, "append"),
        (FakeLog, "commit"),
        (RequestQueue, "hold"),
        (RequestQueue, "wanted"),
        (Router, "pick"),
    ],
    ids=["policy", "rule", "explaining", "records", "append", "commit", "hold", "wanted", "pick"],
)
def test_wherever_it_happens_every_request_of_the_batch_is_told_and_the_next_is_decided(
    versions: Versions,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    broken: tuple[type, str],
) -> None:
    with gateway(versions, champion(), tmp_path) as world:
        requests = [[Question("a", ROW)], [Question("b", ROW), Question("c", ROW, request_id="k")]]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(*broken, boom)
            found = ask(world, *requests)
        assert [is_fault(each) for each in found] == [True, True]
        assert "in boom\n" in caplog.text
        assert "\nbuiltins.LookupError\n" in caplog.text
        assert SUBJECT not in caplog.text
        world.log.records.clear()
        again = ask(world, *requests)
        assert [isinstance(each, list) for each in again] == [True, True]
        assert [decision.subject for decision in world.decisions] == ["a", "b", "c"]


def test_one_row_that_cannot_be_routed_takes_no_other_along(versions: Versions, tmp_path: Path) -> None:
    def unit(subject: str) -> str:
        if subject == "odd":
            raise LookupError("nobody foresaw this")
        return subject

    with gateway(versions, champion(), tmp_path, unit=unit) as world:
        odd, fine = ask(world, [Question("odd", ROW), Question("with it", ROW)], [Question("fine", ROW)])
        assert is_fault(odd)
        assert isinstance(fine, list)


def test_an_arm_that_breaks_takes_no_other_along(
    versions: Versions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with gateway(versions, canary(), tmp_path) as world:
        real = Actions.rule

        def rule(actions: Actions, rows: Any, scores: Any) -> Any:
            return boom() if rows[0].question.subject == CANDIDATE_UNITS[0] else real(actions, rows, scores)

        monkeypatch.setattr(Actions, "rule", rule)
        odd, fine = ask(world, [Question(CANDIDATE_UNITS[0], ROW)], [Question(CHAMPION_UNITS[0], ROW)])
        assert is_fault(odd)
        assert isinstance(fine, list)


@pytest.mark.parametrize("explain", [False, True])
def test_a_candidate_that_breaks_in_any_way_is_counted_and_the_champion_answers(
    versions: Versions, tmp_path: Path, caplog: pytest.LogCaptureFixture, explain: bool
) -> None:
    score = versions[2].score if explain else boom

    class Breaking:
        number, names, adverse_action = 2, (), object()

        def score(self, *rows: Any) -> Any:
            return score(*rows)

        def explain(self, rows: object) -> None:
            boom()

    with gateway({**versions, 2: Breaking()}, canary(), tmp_path) as world:
        [[answer]] = ask(world, [Question(CANDIDATE_UNITS[0], ROW, explain=explain)])  # type: ignore[misc]
        assert (answer.version, answer.arm) == (1, "fallback")
        assert world.counts.errors == [(2, 2, 1, "candidate")]
        assert "LookupError at pipeline/test_decider_faults.py" in caplog.text
        assert SUBJECT not in caplog.text


def test_a_champion_that_breaks_in_any_way_is_a_fault_that_is_told(tmp_path: Path) -> None:
    broken: Any = SimpleNamespace(number=1, score=boom, names=())
    with gateway({1: broken}, champion(), tmp_path) as world:
        assert is_fault(ask(world, [Question("a", ROW)])[0])


def test_rows_that_others_have_in_hand_are_finished_once(
    versions: Versions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plain row waits for the disk when the explained one of its request breaks the batch."""

    async def scenario(world: World) -> None:
        world.log.holding = True
        asking = asyncio.ensure_future(
            world.decider.decide([Question("plain", ROW), Question("explained", ROW, explain=True)], 0.0)
        )
        await settled(asking.done)
        assert is_fault(asking.exception())
        assert world.decider.admission.rows == 0
        world.log.release()
        for _ in range(5):
            await asyncio.sleep(0)
        await world.decider.drain()

    with gateway(versions, champion(), tmp_path) as world:
        with monkeypatch.context() as patch:
            patch.setattr(CostEstimate, "expected", boom)
            world.run(scenario(world))
        world.log.holding = False
        assert isinstance(ask(world, [Question("next", ROW)])[0], list)


def test_an_answer_that_cannot_be_given_is_a_fault_that_is_told(
    versions: Versions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with gateway(versions, champion(), tmp_path) as world:
        with monkeypatch.context() as patch:
            patch.setattr("windvane.serve_apps.pipeline.pending.Pending.give", boom)
            world.log.holding = True

            async def scenario() -> list[list[Answer] | BaseException]:
                asked = asyncio.ensure_future(outcomes(world, [Question("a", ROW)]))
                await settled(lambda: bool(world.log.records))
                world.log.release()
                return await asked

            assert is_fault(world.run(scenario())[0])
        assert world.decider.admission.rows == 0


def test_who_sends_an_id_again_does_not_wait_for_an_answer_that_nobody_makes(
    versions: Versions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with gateway(versions, champion(), tmp_path) as world:
        with monkeypatch.context() as patch:
            patch.setattr(RequestQueue, "take", boom)
            assert isinstance(ask(world, [Question("a", ROW, request_id="k")])[0], LookupError)
        assert isinstance(ask(world, [Question("a", ROW, request_id="k")])[0], list)


def test_what_cannot_be_counted_is_answered_and_scored_by_its_shadows(
    versions: Versions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with gateway(versions, champion(shadows=(2,)), tmp_path) as world:
        monkeypatch.setattr(world.counts, "add", boom)
        assert isinstance(ask(world, [Question("a", ROW)])[0], list)
        assert [shadow.version for shadow in world.shadow_records] == [2]
        assert "not counted" in caplog.text
        assert SUBJECT not in caplog.text


def test_a_group_that_breaks_half_way_leaves_nothing_to_be_logged_with_the_next(
    versions: Versions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []

    def decision(**fields: Any) -> Decision:
        made.append(fields["subject"])
        return boom() if made[-1] == "b" else Decision(**fields)

    with gateway(versions, champion(), tmp_path) as world:
        monkeypatch.setattr(records, "Decision", decision)
        assert is_fault(ask(world, [Question("a", ROW), Question("b", ROW)])[0])
        assert made == ["a", "b"]
        assert world.decisions == []


def test_nothing_of_a_row_stands_in_what_the_caller_is_told_or_in_the_log(
    versions: Versions, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def unit(subject: str) -> str:
        raise KeyError(subject)

    with gateway(versions, champion(), tmp_path, unit=unit) as world:
        [outcome] = ask(world, [Question(SUBJECT, ROW)])
        assert is_fault(outcome)
        assert "A row could not be routed" in caplog.text
        assert SUBJECT not in caplog.text


def test_a_version_that_cannot_score_says_where_and_nothing_of_the_row(
    versions: Versions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with gateway(versions, champion(), tmp_path) as world:
        monkeypatch.setattr(ForestPredictor, "probabilities", boom)
        [outcome] = ask(world, [Question(SUBJECT, ROW)])
    assert isinstance(outcome, Unavailable)
    assert str(outcome).startswith("Version 1 cannot score: LookupError at pipeline/test_decider_faults.py:")
    assert f"Arm champion of split 1: {outcome}" in caplog.text
    assert "builtins.LookupError\nwhich led to\n" in caplog.text
    assert SUBJECT not in caplog.text
