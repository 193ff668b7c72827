"""Judges whether the candidate answers in time: against the champion at the same time, by itself only as it lasts.

The objective allows one answer in a hundred to be late. A candidate fails when its share of late answers is surely more
than that above the champion's share in the same split, where both wait for the same machine. Where the champion answers
nothing, slowness cannot be told from a busy machine: it holds, and when it lasts the two are compared once more.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from math import log

from windvane.monitoring.evidence import ArmEvidence, Evidence
from windvane.serve_apps.rollout.guardrails.confidence import rate_difference_evidence, rate_evidence
from windvane.serve_apps.rollout.rollout_record import Lateness, Rollout
from windvane.serve_apps.rollout.verdict import Guardrail, Outcome

ALLOWED = (
    0.01  # share of late answers that a 99th percentile allows, and that a candidate may have above the champion's
)
DECISIONS = 500  # a 99th percentile of fewer rests on less than five of them
WINDOW = timedelta(minutes=1)  # and that many decisions, before a stretch of full weight counts
SURELY = log(100.0)  # log evidence with which fewer decisions count too
PERSISTENT = 5  # of them in a row make slowness last


def latency_guardrail(rollout: Rollout, evidence: Evidence, beyond: float) -> Guardrail | None:
    """FAIL when surely slower than the champion at the same time; `beyond` is the log evidence that it takes."""
    arm, champion = evidence.arm(rollout.candidate), evidence.arm(rollout.champion)
    if arm is None or not arm.decisions or arm.slow is None:
        return None
    if rollout.weight < 1.0:
        return _compared(rollout, arm, champion, beyond)
    return _alone(rollout, arm)


def follow(rollout: Rollout, evidence: Evidence, now: datetime) -> Rollout:
    """Count stretches of full weight that were late one after the other."""
    arm = evidence.arm(rollout.candidate)
    if rollout.weight < 1.0 or arm is None or arm.slow is None or rollout.in_force_at is None:
        return rollout
    begun = rollout.lateness
    if begun is None or arm.decisions < begun.decisions or arm.slow < begun.slow or now < begun.at:
        return replace(rollout, lateness=Lateness(now, arm.decisions, arm.slow))  # a new split, or a new monitor
    enough = arm.decisions - begun.decisions >= DECISIONS
    late = _is_late(rollout, arm, begun)
    if now - begun.at < WINDOW or not (enough or late):
        return rollout
    missed = begun.missed + 1 if late else 0
    return replace(rollout, lateness=Lateness(now, arm.decisions, arm.slow, missed))


def lasts(rollout: Rollout) -> bool:
    """Whether it was late for so long that it has to be compared once more."""
    return rollout.lateness is not None and rollout.lateness.missed >= PERSISTENT


def _compared(rollout: Rollout, arm: ArmEvidence, champion: ArmEvidence | None, beyond: float) -> Guardrail | None:
    if champion is None or not champion.decisions or champion.slow is None or arm.slow is None:
        return None
    share, base = arm.slow / arm.decisions, champion.slow / champion.decisions
    proof = rate_difference_evidence(arm.slow, arm.decisions, champion.slow, champion.decisions, ALLOWED)
    outcome: Outcome = "NOT_YET" if arm.decisions >= DECISIONS and share > base + ALLOWED else "PASS"
    if proof >= beyond:
        outcome = "FAIL"
    sentence = (
        f"{share:.1%} of v{rollout.candidate}'s answers took over {_objective(rollout)} "
        f"(p99 {_ms(arm)}), {base:.1%} of v{rollout.champion}'s at the same time (p99 {_ms(champion)})"
    )
    return Guardrail("latency", outcome, sentence, share, base + ALLOWED)


def _alone(rollout: Rollout, arm: ArmEvidence) -> Guardrail:
    begun, accepted = rollout.lateness or Lateness(rollout.entered_at, 0, 0), _accepted(rollout)
    fresh, share = arm.decisions - begun.decisions, _late(arm, begun)
    outcome: Outcome = "NOT_YET" if begun.missed or _is_late(rollout, arm, begun) else "PASS"
    sentence = f"p99 of v{rollout.candidate} is {_ms(arm)} (objective {_objective(rollout)})"
    if outcome == "NOT_YET":
        sentence = (
            f"v{rollout.candidate} alone is late, {share:.1%} of {fresh:,} answers over {_objective(rollout)}, "
            f"{begun.missed} of {PERSISTENT} stretches in a row; if it lasts the two are compared at the same time"
        )
    return Guardrail("latency", outcome, sentence, share, accepted)


def _is_late(rollout: Rollout, arm: ArmEvidence, begun: Lateness) -> bool:
    """Whether the stretch so far is late: enough answers say so, or fewer do surely."""
    fresh, late, accepted = arm.decisions - begun.decisions, (arm.slow or 0) - begun.slow, _accepted(rollout)
    if fresh >= DECISIONS:
        return late > accepted * fresh
    return rate_evidence(late, fresh, accepted) >= SURELY


def _late(arm: ArmEvidence, begun: Lateness) -> float:
    """The share of late answers since the stretch began; nothing where nothing was answered."""
    fresh = arm.decisions - begun.decisions
    return ((arm.slow or 0) - begun.slow) / fresh if fresh > 0 else 0.0


def _accepted(rollout: Rollout) -> float:
    """The share of late answers that calls for no comparison: the champion's when it last answered, and the allowed."""
    before = rollout.reference
    return ALLOWED + (before.slow / before.decisions if before is not None and before.slow else 0.0)


def _objective(rollout: Rollout) -> str:
    return f"{rollout.promised.latency_p99_ms:g} ms"


def _ms(arm: ArmEvidence) -> str:
    return "not measured" if arm.latency_p99_ms is None else f"{arm.latency_p99_ms:.1f} ms"
