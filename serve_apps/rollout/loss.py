"""Paired loss of candidate minus champion, with bounds that hold at every look, and what follows from them."""

from dataclasses import dataclass

from monitoring.evidence import Evidence
from serve_apps.rollout.confidence import reach
from serve_apps.rollout.plan import Rollout
from serve_apps.rollout.verdict import Guardrail, Outcome

FIRST_LOOK = 100  # paired outcomes before the loss can fail: the bounds are asymptotic


@dataclass(frozen=True, slots=True)
class Loss:
    """What is known of the difference in Brier score; the truth is above `surely` and below `at_worst`."""

    n: int  # paired outcomes
    needed: int  # of them before it can pass
    mean: float
    surely: float  # at error alpha/2 over all looks
    at_worst: float  # at error alpha over all looks
    margin: float  # that the candidate may be worse by

    @property
    def outcome(self) -> Outcome:
        """FAIL when surely above the margin, PASS when surely below."""
        if self.n >= FIRST_LOOK and self.surely > self.margin:
            return "FAIL"
        return "PASS" if self.n >= self.needed and self.at_worst < self.margin else "NOT_YET"

    @property
    def is_better(self) -> bool:
        """Whether the candidate is surely better than the champion, not only within the margin."""
        return self.outcome == "PASS" and self.at_worst < 0.0


def loss_of(rollout: Rollout, evidence: Evidence) -> Loss | None:
    """The paired loss so far; None before the first outcome."""
    plan, paired = rollout.declared, evidence.paired
    if paired is None or paired.n == 0:
        return None
    mean, variance = paired.mean_difference, paired.variance * plan.design_effect  # a bad day's are not independent
    return Loss(
        n=paired.n,
        needed=plan.min_outcomes,
        mean=mean,
        surely=mean - reach(paired.n, variance, plan.alpha / 2.0),
        at_worst=mean + reach(paired.n, variance, plan.alpha),
        margin=plan.loss_margin,
    )


def loss_guardrail(rollout: Rollout, loss: Loss | None) -> Guardrail:
    """FAIL when the loss is surely above the margin, PASS when surely below."""
    if loss is None:
        needed = rollout.declared.min_outcomes
        return Guardrail("loss", "NOT_YET", f"no outcome of {needed:,} needed has arrived yet")
    outcome = loss.outcome
    shown = f"at least {loss.surely:+.4f}" if outcome == "FAIL" else f"at worst {loss.at_worst:+.4f}"
    counted = f"{loss.n:,}" if loss.n >= loss.needed else f"{loss.n:,} of {loss.needed:,} needed"
    sentence = (
        f"Brier score of v{rollout.candidate} is {loss.mean:+.4f} against v{rollout.champion} "
        f"({shown}, allowed {loss.margin:+.4f}) on {counted} paired outcomes"
    )
    return Guardrail("loss", outcome, sentence, loss.mean, loss.margin)
