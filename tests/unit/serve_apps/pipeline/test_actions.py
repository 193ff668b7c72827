"""Policy on what came out of the model: referred to a person, or blocked, on record either way."""

import asyncio
from pathlib import Path
from typing import Any

from tests.worlds.gateway.governed import ACTIONS, GOVERNED, ask, deciding
from tests.worlds.gateway.world import DECIDE, FEATURES, World, asked, champion, gateway
from tests.worlds.policies import cedar, rule
from windvane.cluster.decision_log.record import DENIED
from windvane.cluster.errors import Denied
from windvane.configs.schema import DecisionRule
from windvane.serve_apps.protocol.question import Question
from windvane.serve_apps.versions.loaded_version import LoadedVersion


def scores(world: World, subject: str = "N1", **more: Any) -> float:
    return float(world.ask(DECIDE, asked(subject, purpose="planning", **more)).json["prediction"])


def test_a_score_from_the_limit_on_is_referred_to_a_person(versions: dict[int, LoadedVersion], tmp_path: Path) -> None:
    with gateway(versions, champion(), tmp_path, deciding(refer_from=0.0)) as world:
        decided = world.ask(DECIDE, asked(purpose="planning")).json
        assert decided["decision"]["action"] == "refer"
        assert decided["decision"]["reasons"][-1] == "A risk this high is decided by a person."
        [decision] = world.decisions
        assert (decision.action, decision.verdict) == ("refer", "refer")
        assert decision.policies == ("clients-decide", "high-risk")
        assert decision.prediction == decided["prediction"]
        world.quiet()
        assert world.counts.added == [(1, 1, "champion", 1)]


def test_an_action_only_a_person_may_take_is_referred(versions: dict[int, LoadedVersion], tmp_path: Path) -> None:
    manual = tuple(action.model_copy(update={"manual": True}) for action in ACTIONS)
    spec = GOVERNED.model_copy(update={"decision": DecisionRule(actions=manual)})
    with gateway(versions, champion(), tmp_path, spec) as world:
        assert world.ask(DECIDE, asked(purpose="planning")).json["decision"]["action"] == "refer"
        assert world.decisions[0].policies == ("clients-decide", "manual-action")


BLOCK = rule(
    'forbid (principal, action == Action::"act", resource) when { context.action == "keep" }', "no-keep", "No."
)


def test_a_blocked_action_is_denied_on_record_with_what_was_scored(
    versions: dict[int, LoadedVersion], tmp_path: Path
) -> None:
    with gateway(versions, champion(), tmp_path, deciding()) as world:
        score = scores(world)
        action = "warn" if score >= 0.5 else "keep"
        world.log.records.clear()
        world.policies.policy = cedar(
            rule("permit (principal, action, resource)", "anything"), BLOCK.replace('"keep"', f'"{action}"')
        )
        reply = world.ask(DECIDE, asked("N1", purpose="planning"))
        assert (reply.status, reply.json["detail"], reply.json["policies"]) == (403, "No.", ["no-keep"])
        [denial] = world.decisions
        assert reply.json["decision_ids"] == [denial.decision_id]
        assert (denial.verdict, denial.arm, denial.version) == ("deny", DENIED, 1)
        assert (denial.action, denial.proposed) == ("", action)
        assert (denial.prediction, denial.policies) == (score, ("anything", "no-keep"))
        world.quiet()
        assert world.counts.added == [(1, 1, "champion", 1)]  # the first, which was answered
        assert world.counts.denials == ["no-keep"]
        world.run(world.decider.drain())


def test_of_a_batch_only_the_blocked_rows_are_denied(versions: dict[int, LoadedVersion], tmp_path: Path) -> None:
    questions = [
        Question("a", tuple({**FEATURES, "distance": distance}.values()), purpose="planning")
        for distance in (1.0, 10.0, 100.0, 1200.0, 5000.0)
    ]
    with gateway(versions, champion(), tmp_path, deciding()) as world:
        scored = [answer.prediction for answer in ask(world, *questions)]
        middle = round(1e6 * sorted(scored)[2])
        high = f'forbid (principal, action == Action::"act", resource) when {{ context.risk_ppm > {middle} }}'
        world.policies.policy = cedar(rule("permit (principal, action, resource)", "anything"), rule(high, "too-high"))

        async def together() -> list[Any]:
            asking = [world.decider.decide([question], 0.0) for question in questions]
            return await asyncio.gather(*asking, return_exceptions=True)

        found = world.run(together())
        assert [isinstance(each, Denied) for each in found] == [round(1e6 * score) > middle for score in scored]
        assert {type(each) for each in found} == {Denied, list}
        world.run(world.decider.drain())


def test_a_blocked_action_that_cannot_be_logged_is_unavailable(
    versions: dict[int, LoadedVersion], tmp_path: Path
) -> None:
    with gateway(versions, champion(), tmp_path, deciding()) as world:
        world.policies.policy = cedar(
            rule("permit (principal, action, resource)", "anything"),
            rule('forbid (principal, action == Action::"act", resource)', "nothing-done"),
        )
        world.log.refusal = "the disk is full"
        assert world.ask(DECIDE, asked(purpose="planning")).status == 503
        world.run(world.decider.drain())


def test_an_adverse_action_is_explained_on_record_though_nobody_asked(
    versions: dict[int, LoadedVersion], tmp_path: Path
) -> None:
    with gateway(versions, champion(), tmp_path, deciding()) as world:
        adverse = "warn" if scores(world) >= 0.5 else "keep"
    actions = tuple(action.model_copy(update={"adverse": action.name == adverse}) for action in ACTIONS)
    spec = GOVERNED.model_copy(update={"decision": DecisionRule(actions=actions)})
    with gateway(versions, champion(), tmp_path, spec) as world:
        decided = world.ask(DECIDE, asked("N1", purpose="planning")).json
        assert "explanation" not in decided
        [decision] = world.decisions
        assert decision.policies == ("clients-decide", "act-adverse")
        assert decision.explanation is not None
        assert len(decision.explanation) == 1 + len(FEATURES)
