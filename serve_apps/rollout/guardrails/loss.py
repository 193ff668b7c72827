"""Paired loss of candidate minus champion, with bounds that hold at every look, and what follows from them."""

from dataclasses import dataclass
from datetime import timedelta
from math import ceil, log10, sqrt

from windvane.configs.sized_plan import SizedPlan, in_words
from windvane.monitoring.evidence import Evidence
from windvane.serve_apps.rollout.guardrails.confidence import reach
from windvane.serve_apps.rollout.offline import FIRST_LOOK, Offline
from windvane.serve_apps.rollout.rollout_record import Rollout
from windvane.serve_apps.rollout.verdict import Guardrail, Outcome

ASSUMED_WINDOWS = 5  # that the assumption of how much windows differ weighs as much as
MARGIN_SHARE = 0.02  # of the champion's own Brier score, where the plan declares no margin


@dataclass(frozen=True, slots=True)
class Loss:
    """Bounds of the difference in Brier score; the truth is above `surely` and below `at_worst`."""

    n: int  # paired outcomes
    needed: int  # of them before it can pass
    mean: float
    surely: float  # at error alpha/2 over all looks
    at_worst: float  # at error alpha over all looks
    margin: float  # that the candidate may be worse by
    declared: bool  # whether the plan says so, or the margin is a share of what the champion has to lose
    offline: bool = False  # whether training measured it, where outcomes take longer than the whole rollout

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
    """The paired loss so far; None before the first outcome.

    A margin that is a share s of the champion's Brier score B is estimated from the same outcomes: the bounds are then
    those of the difference minus s times the champion's loss, whose standard deviation is at most that of the
    difference plus s·sqrt(B(1 − B)), since a loss lies in [0, 1].

    Decisions of one day are not independent: with a variance τ² between windows, the mean of n decisions over d of them
    has the variance σ²/n + τ²/d, so one that fails is given σ² + τ² n/d in place of σ² (the design effect of cluster
    sampling, Kish 1965). Training measured τ² where it compared the same two versions. A candidate that training found
    surely worse, on other windows, gets no such allowance: that one bad window is to blame is refuted already.
    """
    plan, paired = rollout.declared, evidence.paired
    if paired is None or paired.n == 0:
        return _offline(rollout)
    margin, deviation = plan.loss_margin, sqrt(paired.variance)
    if margin is None:
        margin = MARGIN_SHARE * paired.brier_champion
        deviation += MARGIN_SHARE * sqrt(paired.brier_champion * (1.0 - paired.brier_champion))
    mean, variance = paired.mean_difference, deviation**2 * plan.design_effect
    correlated = variance + _between_windows(rollout.offline, margin) * paired.n / paired.windows
    seen = Loss(
        n=paired.n,
        needed=rollout.sized.outcomes,
        mean=mean,
        surely=mean - reach(paired.n, correlated, plan.alpha / 2.0),
        at_worst=mean + reach(paired.n, variance, plan.alpha),
        margin=margin,
        declared=plan.loss_margin is not None,
    )
    return (seen.outcome == "NOT_YET" and _offline(rollout)) or seen


def _between_windows(proof: Offline | None, margin: float) -> float:
    """Variance of a window's mean difference: as training measured it, and the margin's square for five windows."""
    if proof is not None and proof.is_surely_worse:
        return 0.0
    measured, weight = (0.0, 0) if proof is None else (proof.between_windows, proof.windows)
    return (ASSUMED_WINDOWS * margin**2 + weight * measured) / (ASSUMED_WINDOWS + weight)


def _offline(rollout: Rollout) -> Loss | None:
    """Loss that training proved, where the candidate was surely better and outcomes would come after everything else.

    The rows were served by the champion and neither version has learnt from them, so they are outcomes like those that
    are waited for, only older; while they are waited for, a broken champion would go on answering.
    """
    plan, proof = rollout.sized, rollout.offline
    if proof is None or not proof.is_sure:
        return None
    if plan.traffic.label_delay <= plan.shadow + plan.bake + sum((step.duration for step in plan.steps), timedelta()):
        return None
    return Loss(proof.n, FIRST_LOOK, proof.mean, proof.mean, proof.at_worst, 0.0, declared=True, offline=True)


def loss_guardrail(rollout: Rollout, loss: Loss | None) -> Guardrail:
    """FAIL when the loss is surely above the margin, PASS when surely below."""
    if loss is None:
        return Guardrail("loss", "NOT_YET", _nothing_seen(rollout.sized))
    if loss.offline:
        delay = in_words(rollout.sized.traffic.label_delay)
        sentence = (
            f"outcomes take {delay}; on {loss.n:,} rows that v{rollout.champion} had not learnt from, training found "
            f"the Brier score {loss.mean:+.4f} (at worst {loss.at_worst:+.4f})"
        )
        return Guardrail("loss", loss.outcome, sentence, loss.mean, loss.margin)
    outcome, digits = loss.outcome, _digits(loss.margin)
    bound = loss.surely if outcome == "FAIL" else loss.at_worst
    shown = f"{'at least' if outcome == 'FAIL' else 'at worst'} {bound:+.{digits}f}"
    allowed = f"allowed {loss.margin:+.{digits}f}"
    if not loss.declared:
        allowed += f", {100 * MARGIN_SHARE:g} % of v{rollout.champion}'s own"
    counted = f"{loss.n:,}" if loss.n >= loss.needed else f"{loss.n:,} of {loss.needed:,} needed"
    sentence = (
        f"Brier score of v{rollout.candidate} is {loss.mean:+.{digits}f} against v{rollout.champion} "
        f"({shown}; {allowed}) on {counted} paired outcomes"
    )
    return Guardrail("loss", outcome, sentence, loss.mean, loss.margin)


def _nothing_seen(plan: SizedPlan) -> str:
    """Reason for no outcome, as far as the traffic tells."""
    needed, traffic = f"no outcome of {plan.outcomes:,} needed has arrived yet", plan.traffic
    if not traffic.decisions_per_day:
        return f"{needed}, and hardly a request"
    if not traffic.labels_per_day:
        return f"{needed}, nor of any decision before: send them to /outcomes, nothing is proven without"
    return f"{needed}; they take {in_words(traffic.label_delay)} here"


def _digits(margin: float) -> int:
    """Decimals that show a margin with two digits: four, and more for rare outcomes."""
    return 4 if margin <= 0.0 else min(8, max(4, ceil(-log10(margin)) + 1))
