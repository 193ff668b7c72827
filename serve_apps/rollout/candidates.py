"""Which version is proven next, and whether it may take the place of one that is being proven."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from cluster.gate import LOOP
from cluster.registry import Registry
from cluster.store import Store
from configs.sized_plan import TELLING_OUTCOMES
from monitoring.evidence import Evidence
from monitoring.requests import requests_of
from serve_apps.rollout.latency import lasts
from serve_apps.rollout.plan import Rollout

EARLY = 0.25  # of the time that a proof takes at least: what is lost when another begins
PATIENCE = 2  # times as long as the proof takes at least, before a fresher candidate may come in between
REASON = 200  # characters of why the last try ended


@dataclass(frozen=True, slots=True)
class Picked:
    """A version that is to be proven, why, and who asked for it."""

    version: int
    reason: str
    requester: str


class Candidates:
    """Finds what retrainings made; asks the slow registry once about what is unfit."""

    def __init__(self, store: Store, registry: Registry) -> None:
        self._store = store
        self._registry = registry
        self._unfit: set[tuple[str, int]] = set()

    def newest(self, model: str, above: int) -> Picked | None:
        """The newest version above that number which a retraining made and nothing speaks against; it alone counts."""
        for request in reversed(requests_of(self._store, model)):
            number = request.version
            if request.status != "succeeded" or number is None or number <= above or (model, number) in self._unfit:
                continue
            version = self._registry.version(model, number)
            if version.standing == "candidate":
                return Picked(number, version.reason, request.requested_by)
            self._unfit.add((model, number))
        return None


def again(rollout: Rollout, seen: Callable[[], Evidence | None]) -> Picked | None:
    """The same version once more, where it was not proven for want of evidence and requests come (again).

    `seen` is the evidence of the split that holds now. What 20,000 outcomes could not tell from the champion is left,
    and so is what was late whenever it answered alone.
    """
    if rollout.phase != "unproven" or rollout.outcomes >= TELLING_OUTCOMES or lasts(rollout):
        return None
    evidence = seen()
    if evidence is None or not any(arm.decisions for arm in evidence.arms):
        return None
    return Picked(rollout.candidate, f"tried again, {rollout.reason[:REASON]}", rollout.gate.requester)


def yields(rollout: Rollout, now: datetime) -> bool:
    """Whether a fresher candidate may take its place: it runs by itself, its loss is not proven, and little is lost.

    Little is lost within a quarter of the time that a proof takes at least, counted from the first of those that
    superseded each other (else candidates that come faster than their outcomes would keep each other from ever being
    proven), and again once it has had twice that time.
    """
    by_hand = rollout.started_by != LOOP or rollout.waived or rollout.paused
    waits_for_people = rollout.ready_at is not None or rollout.gate.approval is not None
    if rollout.phase not in ("shadow", "step") or by_hand or waits_for_people or _loss_passes(rollout):
        return False
    proof = rollout.sized.proof
    if proof is None:
        return True
    early = now - (rollout.proving_since or rollout.started_at) <= EARLY * proof
    return early or now - rollout.started_at >= PATIENCE * proof


def _loss_passes(rollout: Rollout) -> bool:
    guardrails = () if rollout.verdict is None else rollout.verdict.guardrails
    return any(each.name == "loss" and each.outcome == "PASS" for each in guardrails)
