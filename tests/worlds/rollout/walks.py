"""Rollouts walked from phase to phase by verdicts."""

from datetime import UTC, datetime

from windvane.configs.schema import Objectives, Plan
from windvane.serve_apps.rollout.rollout_record import Rollout
from windvane.serve_apps.rollout.state_machine import advance, begin, come_into_force
from windvane.serve_apps.rollout.verdict import Guardrail, Outcome, Verdict, conclude

START = datetime(2026, 1, 1, tzinfo=UTC)


def started(plan: Plan | None = None) -> Rollout:
    return come_into_force(begin("m", 3, 2, plan or Plan(), Objectives(), 7, "because", START), START)


def said(outcome: Outcome, rollout: Rollout, name: str = "loss") -> Verdict:
    return conclude(START, rollout.where(), (Guardrail(name, outcome, f"{name} says {outcome}"),))


def walk(rollout: Rollout, phases: int) -> Rollout:
    for _ in range(phases):
        rollout = come_into_force(advance(rollout, said("PASS", rollout), START), START)
    return rollout
