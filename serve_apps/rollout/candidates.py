"""Picks the version that is proven next, and decides whether it may replace one that is being proven."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from windvane.cluster.policies.approval import LOOP
from windvane.cluster.registry import Registry
from windvane.cluster.store import Store
from windvane.configs.sized_plan import TELLING_OUTCOMES
from windvane.monitoring.evidence import Evidence
from windvane.monitoring.loop.requests import requests_of
from windvane.serve_apps.rollout.guardrails.latency import lasts
from windvane.serve_apps.rollout.offline import Offline, offline_of
from windvane.serve_apps.rollout.rollout_record import Rollout

EARLY = 0.25  # of the time that a proof takes at least: what is lost when another begins
PATIENCE = 2  # times as long as the proof takes at least, before a fresher candidate may come in between
REASON = 200  # characters of why the last try ended


@dataclass(frozen=True, slots=True)
class Picked:
    """A version that is to be proven, why, and who asked for it."""

    version: int
    reason: str
    requester: str
    offline: Offline | None = None  # what training proved of it

    def is_proven_against(self, champion: int) -> bool:
        """Whether training found it surely better than this champion on rows that neither had learnt from."""
        proof = self.offline
        return proof is not None and proof.champion == champion and proof.is_sure


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
                return Picked(number, version.reason, request.requested_by, offline_of(version))
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


def may_yield(rollout: Rollout) -> bool:
    """Whether a fresher candidate may take its place at some time: it runs by itself, and its loss is not proven."""
    by_hand = rollout.started_by != LOOP or rollout.waived or rollout.paused
    waits_for_people = rollout.ready_at is not None or rollout.gate.approval is not None
    return rollout.phase in ("shadow", "step") and not (by_hand or waits_for_people or _loss_passes(rollout))


def yields(rollout: Rollout, to: Picked, now: datetime) -> bool:
    """Whether this candidate takes its place now: it may yield, and little is lost.

    Little is lost within a quarter of the time that a proof takes at least, counted from the first of those that
    superseded each other (else candidates that come faster than their outcomes would keep each other from ever being
    proven), and again once it has had twice that time; and nothing to one that training has proven better than the
    champion, where it had not proven the one that runs.
    """
    if not may_yield(rollout):
        return False
    proof, offline = rollout.sized.proof, rollout.offline
    if proof is None or (to.is_proven_against(rollout.champion) and (offline is None or not offline.is_sure)):
        return True
    early = now - (rollout.proving_since or rollout.started_at) <= EARLY * proof
    return early or now - rollout.started_at >= PATIENCE * proof


def _loss_passes(rollout: Rollout) -> bool:
    guardrails = () if rollout.verdict is None else rollout.verdict.guardrails
    return any(each.name == "loss" and each.outcome == "PASS" for each in guardrails)
