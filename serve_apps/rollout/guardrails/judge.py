"""May the candidate go on? Paired loss, errors, latency and prediction shift against the plan's limits."""

from dataclasses import replace
from datetime import datetime
from math import log
from typing import Protocol

from windvane.monitoring.evidence import ArmEvidence, Evidence
from windvane.serve_apps.rollout.elapsed import least_duration
from windvane.serve_apps.rollout.guardrails.confidence import rate_difference_evidence, rate_evidence
from windvane.serve_apps.rollout.guardrails.latency import latency_guardrail
from windvane.serve_apps.rollout.guardrails.loss import Loss, loss_guardrail, loss_of
from windvane.serve_apps.rollout.rollout_record import Rollout
from windvane.serve_apps.rollout.verdict import Guardrail, Outcome, Verdict, conclude

EPOCHS_BESIDE = 3  # besides the steps: the shadow, and comparisons once more from full weight


class Judge(Protocol):
    """Says PASS, FAIL or NOT_YET about one phase; pure, so that it can be simulated."""

    def judge(
        self, rollout: Rollout, evidence: Evidence | None, obstacles: tuple[Guardrail, ...], now: datetime
    ) -> Verdict:
        """The verdict; `obstacles` are reasons to wait that the controller knows of, such as loading."""


class GuardrailJudge:
    """The rule of docs/rollouts.md: whatever fails a candidate is sure at any number of looks."""

    def judge(
        self, rollout: Rollout, evidence: Evidence | None, obstacles: tuple[Guardrail, ...], now: datetime
    ) -> Verdict:
        """One FAIL fails, one NOT_YET holds."""
        proofs: list[Guardrail | None] = []
        if evidence is not None:
            loss = loss_of(rollout, evidence)
            proofs = [loss_guardrail(rollout, loss), _shift(rollout, evidence, loss)]
            proofs += [_errors(rollout, evidence), latency_guardrail(rollout, evidence, beyond(rollout))]
        seen = [proof for proof in proofs if proof is not None]
        if rollout.waived or (rollout.phase == "shadow" and rollout.skip_shadow):
            why = "an operator promoted it" if rollout.waived else "the shadow phase is skipped"
            seen = [_excused(proof, why) for proof in seen]
        return conclude(now, rollout.where(), (*obstacles, *_duration(rollout), *seen))


def remember(rollout: Rollout, evidence: Evidence) -> Rollout:
    """Keep the measured traffic, which the plan's open numbers follow, and what the champion does while it answers."""
    if evidence.traffic is not None:
        rollout = replace(rollout, traffic=evidence.traffic)
    if evidence.paired is not None:
        rollout = replace(rollout, outcomes=evidence.paired.n)
    champion = evidence.arm(rollout.champion)
    if champion is None or not champion.decisions or not 0.0 < rollout.weight < 1.0:
        return rollout
    return replace(rollout, reference=champion)


def beyond(rollout: Rollout) -> float:
    """Log evidence that errors, and likewise latency, take: a quarter of alpha each, an equal part for every epoch.

    The other half is the loss's, so that all guardrails together fail a candidate that is no worse with alpha at most.
    """
    plan = rollout.declared
    return log(4.0 * (len(plan.steps) + EPOCHS_BESIDE) / plan.alpha)


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
    """FAIL when the error rate is surely above the champion's (or, without one, the objective) plus the margin."""
    plan = rollout.declared
    arm = evidence.arm(rollout.candidate) or ArmEvidence(rollout.candidate, 0, 0, None)
    champion = evidence.arm(rollout.champion)
    errors, asked = arm.errors, arm.decisions + arm.errors
    if rollout.phase == "shadow":
        if not errors:
            return None
        asked += 0 if evidence.shift is None else evidence.shift.n  # what it scored without answering
    needed = 0 if rollout.phase == "shadow" else rollout.current.decisions
    if champion is not None and champion.decisions and rollout.weight < 1.0:
        base_asked = champion.decisions + champion.errors
        allowed, against = champion.errors / base_asked + plan.error_margin, f"v{rollout.champion} and the margin"
        proof = rate_difference_evidence(errors, asked, champion.errors, base_asked, plan.error_margin)
    else:
        allowed, against = rollout.promised.error_rate + plan.error_margin, "the objective and the margin"
        proof = rate_evidence(errors, asked, allowed)
        if (before := rollout.reference) is not None:  # a champion that failed as often was no better
            base_asked = before.decisions + before.errors
            theirs = before.errors / base_asked + plan.error_margin
            proof = min(proof, rate_difference_evidence(errors, asked, before.errors, base_asked, plan.error_margin))
            if theirs > allowed:
                allowed, against = theirs, f"v{rollout.champion} before and the margin"
    if asked == 0:
        return Guardrail("errors", "NOT_YET", f"v{rollout.candidate} answered 0 of {needed:,} needed decisions")
    rate = errors / asked
    outcome: Outcome = "PASS" if asked >= needed and rate <= allowed else "NOT_YET"
    if proof >= beyond(rollout):
        outcome = "FAIL"
    counted = f"{asked:,}" if asked >= needed else f"{asked:,} of {needed:,} needed"
    sentence = f"{errors:,} errors in {counted} decisions of v{rollout.candidate} (allowed {allowed:.2%}: {against})"
    return Guardrail("errors", outcome, sentence, rate, allowed)


def _duration(rollout: Rollout) -> tuple[Guardrail, ...]:
    """PASS once the phase's split was seen in force for its time; not judged before it is in force at all."""
    if rollout.in_force_at is None:
        return ()
    seconds, wanted = rollout.stood_seconds, least_duration(rollout).total_seconds()
    outcome: Outcome = "PASS" if seconds >= wanted else "NOT_YET"
    return (Guardrail("duration", outcome, f"{seconds:.0f} of {wanted:.0f} s have passed", seconds, wanted),)


def _excused(guardrail: Guardrail, why: str) -> Guardrail:
    if guardrail.outcome != "NOT_YET":
        return guardrail
    return replace(guardrail, outcome="PASS", sentence=f"{guardrail.sentence} (not required: {why})")
