"""Rollouts walked from phase to phase by verdicts."""

from datetime import UTC, datetime

from tests.worlds.rollout.world import SPEC, version_of
from windvane.cluster.policies.approval import LOOP
from windvane.cluster.registry import Version
from windvane.configs.schema import Objectives, Plan
from windvane.serve_apps.rollout import starting
from windvane.serve_apps.rollout.rollout_record import Rollout
from windvane.serve_apps.rollout.starting import StartOrder
from windvane.serve_apps.rollout.state_machine import advance, come_into_force
from windvane.serve_apps.rollout.verdict import Guardrail, Outcome, Verdict, conclude
from windvane.serve_apps.traffic.router import Arm, Split

START = datetime(2026, 1, 1, tzinfo=UTC)


def begun(
    plan: Plan | None = None,
    objectives: Objectives | None = None,
    model: str = "m",
    candidate: int = 3,
    revision: int = 7,
    version: Version | None = None,
) -> Rollout:
    """The loop proves the candidate against the version before it, and no replica has loaded it yet."""
    champion = candidate - 1
    terms = {"name": model, "rollout": plan or Plan(), "slo": objectives or Objectives()}
    split = Split(model, revision - 1, "salt", (Arm("champion", champion, 1.0),))
    order, found = StartOrder(model, candidate, "because", LOOP), version or version_of({}, champion)
    return starting.started(order, SPEC.model_copy(update=terms), found, None, split, START)


def started(plan: Plan | None = None) -> Rollout:
    return come_into_force(begun(plan), START)


def said(outcome: Outcome, rollout: Rollout, name: str = "loss") -> Verdict:
    return conclude(START, rollout.where(), (Guardrail(name, outcome, f"{name} says {outcome}"),))


def walk(rollout: Rollout, phases: int) -> Rollout:
    for _ in range(phases):
        rollout = come_into_force(advance(rollout, said("PASS", rollout), START), START)
    return rollout
