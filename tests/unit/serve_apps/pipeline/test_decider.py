import asyncio
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest

from tests.worlds.bundles import make_bundle, spec_of
from tests.worlds.gateway.decisions import CANDIDATE_UNITS, CHAMPION_UNITS, ROW, ask
from tests.worlds.gateway.fakes import BrokenVersion
from tests.worlds.gateway.world import NOW, World, canary, champion, gateway, settled
from windvane.cluster.bundle import Bundle
from windvane.cluster.decision_log.grounds import Counterfactual
from windvane.cluster.errors import NotFound, Unavailable
from windvane.serve_apps.protocol.question import Answer, Question
from windvane.serve_apps.traffic.router import bucket
from windvane.serve_apps.versions.loaded_version import LoadedVersion, load_version


def test_a_decision_is_scored_ruled_logged_and_counted(versions: dict[int, LoadedVersion], tmp_path: Path) -> None:
    with gateway(versions, champion(), tmp_path) as world:
        question = Question("N1", ROW, 1e9, {"desk": 4})
        [answer] = ask(world, question)
        _, scores = versions[1].score([ROW])
        assert answer.prediction == scores[0]
        assert (answer.version, answer.arm, answer.action) == (1, "champion", "warn" if scores[0] >= 0.5 else "keep")
        assert UUID(answer.decision_id).version == 7
        [decision] = world.decisions
        assert decision.decision_id == answer.decision_id
        assert (decision.at, decision.event_time, decision.subject, decision.features) == (NOW, 1e9, "N1", ROW)
        assert (decision.version, decision.arm, decision.revision) == (1, "champion", 1)
        assert decision.unit_hash == bucket("salt", "N1")
        assert (decision.prediction, decision.action, decision.reasons) == (scores[0], answer.action, answer.reasons)
        assert (decision.context, decision.request_id, decision.explanation) == ({"desk": 4}, None, None)
        assert world.counts.added == [(1, 1, "champion", 1)]


def test_the_log_is_told_when_nobody_else_waits(versions: dict[int, LoadedVersion], tmp_path: Path) -> None:
    async def both(world: World) -> None:
        await asyncio.gather(*(world.decider.decide([Question(name, ROW)], 0.0) for name in ("N1", "N2")))

    with gateway(versions, champion(), tmp_path) as world:
        ask(world, Question("N1", ROW))
        world.run(both(world))
        assert world.log.alone == [True, False]


def test_a_lone_request_is_alone_with_its_log_only_when_its_rows_are_one_group(
    versions: dict[int, LoadedVersion], tmp_path: Path
) -> None:
    async def both(world: World, explain: bool) -> None:
        world.log.holding = explain
        questions = [Question("N1", ROW), Question("N2", ROW, explain=explain)]
        deciding = asyncio.ensure_future(world.decider.decide(questions, 0.0))
        await settled(lambda: deciding.done() or len(world.log.alone) == 3)
        world.log.release()
        await deciding

    with gateway(versions, champion(), tmp_path) as world:
        world.decider.admission.inside = 1
        world.run(both(world, explain=False))
        world.run(both(world, explain=True))
        assert world.log.alone == [True, False, False]


def test_without_an_event_time_the_decision_happened_when_it_was_answered(
    versions: dict[int, LoadedVersion], tmp_path: Path
) -> None:
    with gateway(versions, champion(), tmp_path) as world:
        ask(world, Question("N1", ROW))
        assert world.decisions[0].event_time == NOW


def test_what_waits_together_is_one_batch_and_every_unit_keeps_its_arm(
    versions: dict[int, LoadedVersion], tmp_path: Path
) -> None:
    with gateway(versions, canary(weight=0.5), tmp_path) as world:
        units = CANDIDATE_UNITS[:3] + CHAMPION_UNITS[:4]
        for _ in range(2):
            answers = ask(world, *(Question(unit, ROW) for unit in units))
            assert [answer.arm for answer in answers] == ["candidate"] * 3 + ["champion"] * 4
            assert [answer.version for answer in answers] == [2] * 3 + [1] * 4
        assert world.counts.added == [(2, 2, "candidate", 3), (1, 2, "champion", 4)] * 2


def test_an_explanation_adds_up_to_the_score_and_is_logged_whole(
    versions: dict[int, LoadedVersion], tmp_path: Path
) -> None:
    with gateway(versions, champion(), tmp_path) as world:
        plain, explained = ask(world, Question("a", ROW), Question("b", ROW, explain=True))
        assert plain.explanation is None
        assert explained.explanation is not None
        assert explained.features == ("temp", "distance", "stops", "night", "origin")
        log_odds = np.log(explained.prediction / (1 - explained.prediction))
        assert sum(explained.explanation) == pytest.approx(log_odds, abs=1e-4)
        logged = {decision.subject: decision.explanation for decision in world.decisions}
        assert logged == {"a": None, "b": explained.explanation}


def test_nothing_is_answered_before_the_log_has_it(versions: dict[int, LoadedVersion], tmp_path: Path) -> None:
    with gateway(versions, champion(), tmp_path) as world:
        world.log.holding = True

        async def scenario() -> None:
            asking = asyncio.ensure_future(world.decider.decide([Question("N1", ROW)], 0.0))
            await settled(lambda: bool(world.log.records))
            for _ in range(10):
                await asyncio.sleep(0)
            assert not asking.done()
            world.ticks = 0.25
            world.log.release()
            await asking

        world.run(scenario())
        world.quiet()
        assert world.counts.latencies_ms == [250.0]


def test_a_log_that_refuses_answers_nothing_and_is_no_fault_of_the_version(
    versions: dict[int, LoadedVersion], tmp_path: Path
) -> None:
    with gateway(versions, champion(), tmp_path) as world:
        world.log.refusal = "the disk is full"
        with pytest.raises(Unavailable, match="disk is full"):
            ask(world, Question("N1", ROW), Question("N2", ROW))
        assert world.counts.added == []
        assert world.counts.errors == []
        world.log.refusal = None
        assert ask(world, *[Question("N1", ROW)] * 64)[0].version == 1  # what failed waits no more
        world.run(world.decider.drain())


def test_a_candidate_that_cannot_score_is_counted_and_the_champion_answers(
    versions: dict[int, LoadedVersion], tmp_path: Path
) -> None:
    with gateway(versions | {2: BrokenVersion(2)}, canary(), tmp_path) as world:
        answers = ask(world, Question(CANDIDATE_UNITS[0], ROW), Question(CHAMPION_UNITS[0], ROW))
        assert [(answer.version, answer.arm) for answer in answers] == [(1, "fallback"), (1, "champion")]
        assert [decision.arm for decision in world.decisions] == ["fallback", "champion"]
        assert world.counts.errors == [(2, 2, 1, "candidate")]
        assert sorted(world.counts.added) == [(1, 2, "champion", 1), (1, 2, "fallback", 1)]


def test_at_full_weight_the_old_champion_that_is_kept_warm_answers_for_the_candidate(
    versions: dict[int, LoadedVersion], tmp_path: Path
) -> None:
    full = replace(canary(weight=1.0, warm=(1,)), arms=(canary(weight=1.0).arms[0],))
    with gateway(versions | {2: BrokenVersion(2)}, full, tmp_path) as world:
        assert [(answer.version, answer.arm) for answer in ask(world, Question("a", ROW))] == [(1, "fallback")]


def test_a_candidate_that_cannot_explain_falls_back_too(versions: dict[int, LoadedVersion], tmp_path: Path) -> None:
    class Mute(LoadedVersion):
        def __init__(self) -> None:
            self.number = 2
            self.score = versions[2].score  # type: ignore[method-assign]

        def explain(self, rows: object) -> None:  # type: ignore[override]
            raise Unavailable("Version 2 cannot explain")

    with gateway(versions | {2: Mute()}, canary(), tmp_path) as world:
        [answer] = ask(world, Question(CANDIDATE_UNITS[0], ROW, explain=True))
        assert (answer.version, answer.arm) == (1, "fallback")
        assert answer.explanation is not None
        assert world.counts.errors == [(2, 2, 1, "candidate")]


def test_a_champion_that_cannot_score_is_unavailable(tmp_path: Path) -> None:
    with gateway({1: BrokenVersion(1)}, champion(), tmp_path) as world:
        with pytest.raises(Unavailable, match="Version 1 cannot score"):
            ask(world, Question("a", ROW))
        assert world.counts.errors == [(1, 1, 1, "champion")]
        assert world.decisions == []


def test_an_owner_gets_the_version_that_was_asked_for(versions: dict[int, LoadedVersion], tmp_path: Path) -> None:
    with gateway(versions, champion(warm=(2,)), tmp_path) as world:
        [answer] = ask(world, Question("N1", ROW), override=2)
        assert (answer.version, answer.arm) == (2, "override")
        assert answer.prediction == versions[2].score([ROW])[1][0]
        with pytest.raises(NotFound, match="Version 9 of trips is not loaded here; loaded are 1, 2"):
            ask(world, Question("N1", ROW), override=9)


def test_a_broken_version_that_an_owner_asks_for_is_not_replaced(
    versions: dict[int, LoadedVersion], tmp_path: Path
) -> None:
    with gateway(versions | {2: BrokenVersion(2)}, champion(warm=(2,)), tmp_path) as world:
        refused = pytest.raises(Unavailable, match="Version 2 cannot score")
        with refused:
            ask(world, Question("N1", ROW), override=2)
        assert world.decisions == []


def test_a_rollback_holds_for_the_very_next_batch(versions: dict[int, LoadedVersion], tmp_path: Path) -> None:
    with gateway(versions, canary(weight=1.0), tmp_path) as world:

        async def scenario() -> list[Answer]:
            before = asyncio.ensure_future(world.decider.decide([Question("N1", ROW)], 0.0))
            await asyncio.sleep(0)  # it waits in the batch of the next turn
            world.loaded_versions.take(champion(revision=3))
            return await before

        assert [(answer.version, answer.arm) for answer in world.run(scenario())] == [(1, "champion")]
        assert world.decisions[0].revision == 3


def test_versions_that_do_not_answer_score_after_the_reply(versions: dict[int, LoadedVersion], tmp_path: Path) -> None:
    with gateway(versions, canary(weight=0.5, shadows=(2, 1)), tmp_path) as world:
        units = CANDIDATE_UNITS[:2] + CHAMPION_UNITS[:3]
        answers = ask(world, *(Question(unit, ROW) for unit in units))
        by_version = {shadow.version: shadow for shadow in world.shadow_records}
        assert by_version[2].decision_ids == tuple(answer.decision_id for answer in answers[2:])
        assert by_version[1].decision_ids == tuple(answer.decision_id for answer in answers[:2])
        assert by_version[2].predictions == (versions[2].score([ROW])[1][0],) * 3
        assert sorted(world.counts.shadows) == [(1, 2, 2), (2, 2, 3)]


def test_without_a_split_nothing_is_decided(versions: dict[int, LoadedVersion], tmp_path: Path) -> None:
    with gateway(versions, None, tmp_path) as world, pytest.raises(Unavailable, match="no version in force"):
        ask(world, Question("N1", ROW))


def test_an_adverse_action_is_answered_and_logged_with_its_reasons_and_counterfactual(tmp_path: Path) -> None:
    spec = spec_of(adverse=True, counterfactual=True)
    version = load_version(1, make_bundle(tmp_path / "bundles", 1), spec)
    adverse, fine = (12.0, 2500.0, 3, True, "EWR"), (12.0, 10.0, 0, False, "EWR")
    with gateway({1: version}, champion(), tmp_path, spec) as world:
        answers = ask(world, Question("a", fine), Question("b", adverse), Question("c", fine, explain=True))
        assert [(answer.action, answer.grounds is not None) for answer in answers] == [
            ("keep", False),
            ("warn", True),
            ("keep", False),
        ]
        assert [answer.explanation is not None for answer in answers] == [False, True, True]
        logged = {decision.subject: decision for decision in world.decisions}
        assert logged["a"].explanation is None
        assert logged["b"].grounds == answers[1].grounds
        assert logged["b"].explanation == answers[1].explanation
        assert logged["c"].grounds is None
        assert answers[1].grounds is not None
        assert isinstance(answers[1].grounds.counterfactual, Counterfactual)


def test_where_the_grounds_cannot_be_given_nothing_adverse_is_answered(tmp_path: Path) -> None:
    spec = spec_of(adverse=True)
    version = LoadedVersion(1, Bundle.open(make_bundle(tmp_path / "bundles", 1)), spec.features)  # nothing is prepared
    with gateway({1: version}, champion(), tmp_path, spec) as world:
        with pytest.raises(Unavailable, match="Version 1 cannot explain"):
            ask(world, Question("b", (12.0, 2500.0, 3, True, "EWR")))
        assert world.decisions == []
        assert ask(world, Question("a", (12.0, 10.0, 0, False, "EWR")))[0].action == "keep"
