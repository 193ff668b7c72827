"""Administers rollouts: starts, steers, answers for the gate, pins shadows."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Literal

from windvane.cluster.declarations import Declarations
from windvane.cluster.errors import NotFound
from windvane.cluster.registry import Registry
from windvane.serve_apps.admin.replies import Pinned, RolloutStatus
from windvane.serve_apps.admin.status import rollout_status
from windvane.serve_apps.rollout.controller import RolloutController
from windvane.serve_apps.rollout.rollout_record import Rollout
from windvane.serve_apps.rollout.starting import StartOrder


class RolloutAdmin:
    """One per control replica; every verb raises NotFound for a model that is not deployed."""

    def __init__(
        self,
        declarations: Declarations,
        registry: Registry,
        rollouts: RolloutController,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._declarations = declarations
        self._registry = registry
        self._rollouts = rollouts
        self._clock = clock

    def status(self, model: str) -> RolloutStatus:
        """The current or last rollout."""
        return rollout_status(self._rollout(model))

    def requester(self, model: str) -> str:
        """The person who asked for the current or last rollout, and may not approve it; raises NotFound."""
        return self._rollout(model).gate.requester

    def start(
        self, model: str, version: int, reason: str, by: str, skip_shadow: bool, override_gate: bool
    ) -> RolloutStatus:
        """Begin to prove a version."""
        self._declarations.spec(model)
        self._registry.version(model, version)
        order = StartOrder(model, version, reason, by, skip_shadow=skip_shadow, override_gate=override_gate)
        return rollout_status(self._rollouts.start(order, self._clock()))

    def steer(
        self, model: str, verb: Literal["pause", "resume", "promote", "abort", "undo"], reason: str, by: str
    ) -> RolloutStatus:
        """An operator's hand on the rollout."""
        self._declarations.spec(model)
        now = self._clock()
        if verb == "pause":
            return rollout_status(self._rollouts.pause(model, now, f"{by} ({reason})"))
        if verb == "resume":
            return rollout_status(self._rollouts.resume(model, now, f"{by} ({reason})"))
        act = {"promote": self._rollouts.promote, "abort": self._rollouts.abort, "undo": self._rollouts.undo}[verb]
        return rollout_status(act(model, now, reason, by))

    def approve(self, model: str, version: int, plan: str | None, reason: str, by: str) -> RolloutStatus:
        """Let that version leave the shadow; Forbidden for who asked for its rollout, Conflict for another version."""
        self._declarations.spec(model)
        return rollout_status(self._rollouts.approve(model, version, self._clock(), reason, by, plan))

    def reject(self, model: str, version: int, plan: str | None, reason: str, by: str) -> RolloutStatus:
        """End its rollout instead."""
        self._declarations.spec(model)
        return rollout_status(self._rollouts.reject(model, version, self._clock(), reason, by, plan))

    def pin(self, model: str, versions: tuple[int, ...]) -> Pinned:
        """Versions scored as shadows from the next tick on."""
        self._declarations.spec(model)
        self._rollouts.pin(model, versions)
        return {"model": model, "pins": list(versions)}

    def _rollout(self, model: str) -> Rollout:
        self._declarations.spec(model)
        found = self._rollouts.status(model)
        if found is None:
            raise NotFound(f"{model} has had no rollout yet; `windvane rollout start {model} --version N` begins one")
        return found
