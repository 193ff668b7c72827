"""The persisted record of one rollout: what is being proven, how far it is, and why it stands there."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from typing import Any, Literal, TypeAlias

import msgspec

from windvane.cluster.policies.approval import LOOP, Gate
from windvane.configs.schema import Objectives, Plan
from windvane.configs.sized_plan import SizedPlan, SizedStep, Traffic, size
from windvane.monitoring.evidence import ArmEvidence
from windvane.monitoring.notices import Notice
from windvane.serve_apps.rollout.offline import Offline
from windvane.serve_apps.rollout.verdict import Verdict

# `rolled_back` is worse or was undone, `aborted` was ended by a person, `unproven` had too little or too even evidence,
# `superseded` made room for a fresher one
Phase: TypeAlias = Literal["shadow", "step", "bake", "done", "rolled_back", "aborted", "unproven", "superseded"]
ACTIVE: frozenset[Phase] = frozenset(("shadow", "step", "bake"))
RETURNED: frozenset[Phase] = frozenset(("rolled_back", "aborted", "unproven", "superseded"))
ROLLOUT, PAST, PINS = "rollout", "rollout_past", "pins"  # kinds in the store


@dataclass(frozen=True, slots=True)
class Pins:
    """Versions an operator wants scored as shadows in every split of a model."""

    versions: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Lateness:
    """Begin of a stretch at full weight, and how many before it were late one after the other."""

    at: datetime
    decisions: int  # of the candidate until then, in this split
    slow: int  # of them later than the objective
    missed: int = 0


@dataclass(frozen=True, slots=True)
class Predecessor:
    """The champion before a rollout's champion: loaded until the window of the promotion between them is over."""

    version: int
    rollout: str  # id of that promotion
    until: datetime

    def in_time(self, now: datetime) -> bool:
        """Whether that promotion may still be undone."""
        return now < self.until


@dataclass(frozen=True, slots=True)
class Rollout:
    """One candidate being proven against one champion; wall clock throughout."""

    id: str
    model: str
    candidate: int
    champion: int  # the version to go back to
    plan: Mapping[str, Any]  # windvane.configs.schema.Plan as JSON, frozen when the rollout started
    objectives: Mapping[str, Any]  # windvane.configs.schema.Objectives likewise
    salt: str
    revision: int  # of the split this record demands
    phase: Phase
    started_at: datetime
    entered_at: datetime  # when the phase was decided, or resumed
    reason: str  # why it is in this phase
    cause: str  # why it was started
    step: int = 0
    in_force_at: datetime | None = None  # when every replica had the phase's split loaded and in force
    skip_shadow: bool = False
    overridden: tuple[str, ...] = ()  # what an operator overrode, with the reason given
    paused: bool = False
    waived: bool = False  # an operator promoted it: what is not proven yet no longer holds it, a FAIL still does
    verdict: Verdict | None = None
    history: tuple[Verdict, ...] = ()  # the first of each reason, not one a tick
    offline: Offline | None = None  # what training proved of it, against this champion
    outcomes: int = 0  # paired ones seen in this rollout
    reference: ArmEvidence | None = None  # what the champion did in the last split in which it answered beside it
    lateness: Lateness | None = None  # at full weight, where nothing is compared
    compared_again: int = 0  # how often it went from full weight to a step in which both answer
    verdict_at: datetime | None = None  # when it was decided to go back
    ended_at: datetime | None = None
    rolled_back_in_ms: float | None = None  # from that verdict until every replica had the split back in force
    retired: bool = False  # the old champion has left memory
    settled: bool = True  # the registry says what the phase says
    untold: tuple[Notice, ...] = ()  # events that belong to this state and may not be written yet
    noticed: int = 0  # events promised so far
    gate: Gate = field(default_factory=Gate)  # who asked for it, and what was said to it
    ready_at: datetime | None = None  # when the approval was first all that it waited for
    traffic: Traffic = field(default_factory=Traffic)  # as last measured: what the plan leaves open follows it
    looked_at: datetime | None = None  # when it was last judged
    waited_seconds: float = 0.0  # in this phase, as counted by looks; more than max_phase ends it
    stood_seconds: float = 0.0  # the phase's split in force, or the old champion warm; as counted by looks
    started_by: str = LOOP
    proving_since: datetime | None = None  # when the first of the candidates began that superseded each other
    undone: bool = False  # it was champion and was taken back by hand
    predecessor: Predecessor | None = None  # who answers when the promotion before this rollout is undone

    @property
    def active(self) -> bool:
        """Whether it still proves something."""
        return self.phase in ACTIVE

    @property
    def declared(self) -> Plan:
        """The plan, validated."""
        return _validated(msgspec.json.encode(self.plan))

    @property
    def promised(self) -> Objectives:
        """The service level, validated."""
        return Objectives.model_validate(dict(self.objectives))

    @property
    def sized(self) -> SizedPlan:
        """The plan in numbers, at the traffic last measured."""
        return _sized(msgspec.json.encode(self.plan), self.traffic)

    @property
    def current(self) -> SizedStep:
        """The step that is running, or the last one while baking and after."""
        steps = self.sized.steps
        return steps[self.step] if self.phase == "step" else steps[-1]

    @property
    def weight(self) -> float:
        """The share of the units that the candidate answers."""
        if self.phase == "step":
            return self.declared.steps[self.step].weight
        return 1.0 if self.phase in ("bake", "done") else 0.0

    def where(self) -> str:
        """The phase in words.

        >>> from datetime import UTC, datetime
        >>> at = datetime(2026, 1, 1, tzinfo=UTC)
        >>> plan = Plan().model_dump(mode="json")
        >>> Rollout("r", "m", 2, 1, plan, {}, "s", 1, "step", at, at, "", "", step=1).where()
        'step 2 of 3 (50 %)'
        """
        if self.phase == "step":
            return f"step {self.step + 1} of {len(self.plan['steps'])} ({100 * self.weight:.3g} %)"
        return self.phase.replace("_", " ")


@lru_cache(maxsize=256)
def _validated(plan: bytes) -> Plan:
    """A look asks a dozen times."""
    return Plan.model_validate(msgspec.json.decode(plan))


@lru_cache(maxsize=256)
def _sized(plan: bytes, traffic: Traffic) -> SizedPlan:
    return size(_validated(plan), traffic)


def note(rollout: Rollout, kind: str, detail: str, now: datetime, **facts: str | float | int | None) -> Rollout:
    """The record with one more event promised."""
    facts = {"rollout": rollout.id, "phase": rollout.phase, "weight": rollout.weight, **facts}
    serial = rollout.noticed + 1
    notice = Notice(f"rollout:{rollout.id}/{serial}", now, kind, rollout.candidate, detail, facts=facts)
    return replace(rollout, untold=(*rollout.untold, notice), noticed=serial)
