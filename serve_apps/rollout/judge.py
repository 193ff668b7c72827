"""May the candidate go on? Paired loss, errors, latency and prediction shift against the plan's limits."""

from dataclasses import replace
from datetime import datetime, timedelta
from math import log
from typing import Protocol

from monitoring.evidence import ArmEvidence, Evidence
from serve_apps.rollout.confidence import rate_difference_evidence, rate_evidence
from serve_apps.rollout.loss import Loss, loss_guardrail, loss_of
from serve_apps.rollout.plan import Rollout
from serve_apps.rollout.verdict import Guardrail, Outcome, Verdict, conclude

LATENCY_DECISIONS = 500  # a 99th percentile of fewer rests on less than five of them
LATENCY_TOLERANCE = 1.25  # over the objective, and by this factor over the champion, is the candidate's own fault


class Judge(Protocol):
    """Says PASS, FAIL or NOT_YET about one phase; pure, so that it can be simulated."""

    def judge(
        self, rollout: Rollout, evidence: Evidence | None, obstacles: tuple[Guardrail, ...], now: datetime
    ) -> Verdict:
        """The verdict; `obstacles` are reasons to wait that the controller knows of, such as loading."""


class GuardrailJudge:
    """The rule of docs/rollouts.md: losses and errors at any number of looks, plain limits for the rest."""

    def judge(
        self, rollout: Rollout, evidence: Evidence | None, obstacles: tuple[Guardrail, ...], now: datetime
    ) -> Verdict:
        """One FAIL fails, one NOT_YET holds."""
        proofs: list[Guardrail | None] = []
        if evidence is not None:
            loss = loss_of(rollout, evidence)
            proofs = [loss_guardrail(rollout, loss), _shift(rollout, evidence, loss)]
            proofs += [_errors(rollout, evidence), _latency(rollout, evidence)]
        seen = [proof for proof in proofs if proof is not None]
        if rollout.waived or (rollout.phase == "shadow" and rollout.skip_shadow):
            why = "an operator promoted it" if rollout.waived else "the shadow phase is skipped"
            seen = [_excused(proof, why) for proof in seen]
        return conclude(now, rollout.where(), (*obstacles, *_duration(rollout, now), *seen))


def remember(rollout: Rollout, evidence: Evidence) -> Rollout:
    """Keep the measured traffic, and the champion's latency for the phases in which it answers nothing."""
    if evidence.traffic is not None:
        rollout = replace(rollout, traffic=evidence.traffic)
    arm = evidence.arm(rollout.champion)
    if arm is None or arm.latency_p99_ms is None or arm.decisions < LATENCY_DECISIONS:
        return rollout
    return replace(rollout, reference_p99_ms=arm.latency_p99_ms)


def _shift(rollout: Rollout, evidence: Evidence, loss: Loss | None) -> Guardrail:
    """Holds a candidate that scores quite differently until its loss is surely better; never fails one.

    A cure of a broken champion has to score differently, and only outcomes tell a cure from a fault.
    """
    shift, needed, limit = evidence.shift, rollout.sized.outcomes, rollout.declared.prediction_shift_psi
    seen = 0 if shift is None else shift.n
    if shift is None or seen < needed:
        return Guardrail("shift", "NOT_YET", f"{seen:,} of {needed:,} requests are scored by both versions")
    sentence = f"scores differ by PSI {shift.psi:.3f} (allowed {limit:g}) on {seen:,} requests"
    if shift.psi <= limit:
        return Guardrail("shift", "PASS", sentence, shift.psi, limit)
    if loss is not None and loss.is_better:
        excused = f"{sentence}, and outcomes prove v{rollout.candidate} better"
        return Guardrail("shift", "PASS", excused, shift.psi, limit)
    told = "NOT_YET" if loss is None else loss.outcome
    state = {"PASS": "is within its margin only", "FAIL": "is above its margin", "NOT_YET": "is not decided yet"}[told]
    asked = (
        f"{sentence} and the loss {state}: outcomes that prove v{rollout.candidate} better let it go on, "
        f"or `windvane rollout promote {rollout.model}`"
    )
    return Guardrail("shift", "NOT_YET", asked, shift.psi, limit)


def _errors(rollout: Rollout, evidence: Evidence) -> Guardrail | None:
    """FAIL when the error rate is surely above the champion's (or, without one, the objective) plus the margin.

    Half of alpha belongs to errors, an equal part of it to every epoch of the rollout.
    """
    plan = rollout.declared
    arm = evidence.arm(rollout.candidate) or ArmEvidence(rollout.candidate, 0, 0, None)
    champion = evidence.arm(rollout.champion)
    errors, asked = arm.errors, arm.decisions + arm.errors
    if rollout.phase == "shadow":
        if not errors:
            return None
        asked += 0 if evidence.shift is None else evidence.shift.n  # what it scored without answering
    needed = 0 if rollout.phase == "shadow" else rollout.current.decisions
    beyond = log(2.0 * (len(plan.steps) + 1) / plan.alpha)
    if champion is not None and champion.decisions and rollout.weight < 1.0:
        base_asked = champion.decisions + champion.errors
        allowed, against = champion.errors / base_asked + plan.error_margin, f"v{rollout.champion} and the margin"
        proof = rate_difference_evidence(errors, asked, champion.errors, base_asked, plan.error_margin)
    else:
        allowed, against = rollout.promised.error_rate + plan.error_margin, "the objective and the margin"
        proof = rate_evidence(errors, asked, allowed)
    if asked == 0:
        return Guardrail("errors", "NOT_YET", f"v{rollout.candidate} answered 0 of {needed:,} needed decisions")
    rate = errors / asked
    outcome: Outcome = "PASS" if asked >= needed and rate <= allowed else "NOT_YET"
    if proof >= beyond:
        outcome = "FAIL"
    counted = f"{asked:,}" if asked >= needed else f"{asked:,} of {needed:,} needed"
    sentence = f"{errors:,} errors in {counted} decisions of v{rollout.candidate} (allowed {allowed:.2%}: {against})"
    return Guardrail("errors", outcome, sentence, rate, allowed)


def _latency(rollout: Rollout, evidence: Evidence) -> Guardrail | None:
    """FAIL above the objective, unless the champion is about as slow: then the machine is, not the version."""
    arm = evidence.arm(rollout.candidate)
    if arm is None or arm.decisions < LATENCY_DECISIONS or arm.latency_p99_ms is None:
        return None
    champion, limit = evidence.arm(rollout.champion), rollout.promised.latency_p99_ms
    reference = rollout.reference_p99_ms
    if champion is not None and champion.decisions >= LATENCY_DECISIONS and champion.latency_p99_ms is not None:
        reference = champion.latency_p99_ms
    p99 = arm.latency_p99_ms
    sentence = f"p99 of v{rollout.candidate} is {p99:.1f} ms (objective {limit:g} ms"
    sentence += ")" if reference is None else f", v{rollout.champion} {reference:.1f} ms)"
    own_fault = reference is None or p99 > LATENCY_TOLERANCE * reference
    return Guardrail("latency", "FAIL" if p99 > limit and own_fault else "PASS", sentence, p99, limit)


def _duration(rollout: Rollout, now: datetime) -> tuple[Guardrail, ...]:
    """PASS once the phase's split was in force for its time; not judged before it is in force at all."""
    plan = rollout.sized
    needed = {"shadow": plan.shadow, "bake": plan.bake}.get(rollout.phase, rollout.current.duration)
    if rollout.phase == "shadow" and rollout.skip_shadow:
        needed = timedelta(0)
    if rollout.in_force_at is None:
        return ()
    seconds, wanted = (now - rollout.in_force_at).total_seconds(), needed.total_seconds()
    outcome: Outcome = "PASS" if seconds >= wanted else "NOT_YET"
    return (Guardrail("duration", outcome, f"{seconds:.0f} of {wanted:.0f} s have passed", seconds, wanted),)


def _excused(guardrail: Guardrail, why: str) -> Guardrail:
    if guardrail.outcome != "NOT_YET":
        return guardrail
    return replace(guardrail, outcome="PASS", sentence=f"{guardrail.sentence} (not required: {why})")
