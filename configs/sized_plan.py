"""A rollout's plan with every number filled in: declared ones stand, the others follow the measured traffic. Pure."""

from dataclasses import dataclass
from datetime import timedelta

from windvane.configs.schema import Plan, Step

DAY = timedelta(days=1)
OUTCOMES = (200, 1000)  # least and most paired outcomes asked for; a day's in between
DECISIONS = (20, 200)  # least and most candidate decisions of a step; an hour's of all traffic in between
STEP_DECISIONS = 1000  # a step lasts until that many were answered by whichever version, within
STEP_SPAN = (timedelta(seconds=10), timedelta(hours=1))
BAKE_STEPS = 2  # bake as long as that many steps
TELLING_OUTCOMES = (
    20_000  # that many tell all but the same; a phase waits as long as they take, beyond the label delay,
)
PHASE_SPAN = (DAY, 30 * DAY)  # and within these
UNLABELLED_PHASE = 90 * DAY  # where decisions come and no outcome ever did: its delay is not known


@dataclass(frozen=True, slots=True)
class Traffic:
    """Measurements of a model's requests and outcomes; None while too little was seen."""

    decisions_per_day: float | None = None
    labels_per_day: float | None = None  # decisions of a day that get an outcome, once it has arrived
    label_delay_seconds: float | None = None  # from a decision to its outcome; nine of ten were not later

    @property
    def label_delay(self) -> timedelta:
        """The same as a span; nothing where it is not known."""
        return timedelta(seconds=self.label_delay_seconds or 0.0)


@dataclass(frozen=True, slots=True)
class SizedStep:
    """One canary step in numbers."""

    weight: float
    duration: timedelta
    decisions: int  # of the candidate


@dataclass(frozen=True, slots=True)
class SizedPlan:
    """Sizes and spans of a plan at some traffic."""

    traffic: Traffic
    outcomes: int  # paired ones before the loss can pass
    shadow: timedelta
    steps: tuple[SizedStep, ...]
    bake: timedelta
    max_phase: timedelta

    @property
    def proof(self) -> timedelta | None:
        """Least time that the outcomes take which the loss needs; None while none is known to come."""
        labels = self.traffic.labels_per_day
        return self.traffic.label_delay + _time_of(self.outcomes, labels) if labels else None

    def takes(self) -> timedelta | None:
        """Least time that a rollout takes which nothing holds up; None while that is not known."""
        decisions, proof = self.traffic.decisions_per_day, self.proof
        if proof is None or not decisions:
            return None
        steps = (max(step.duration, _time_of(step.decisions, decisions * step.weight)) for step in self.steps)
        return sum(steps, max(self.shadow, proof) + self.bake)

    def sentence(self) -> str:
        """Tells people what is waited for, and how long that takes."""
        decisions, labels, takes = self.traffic.decisions_per_day, self.traffic.labels_per_day, self.takes()
        if not decisions:
            return (
                f"no traffic is measured yet: {self.outcomes:,} outcomes, steps of {in_words(self.steps[0].duration)}"
            )
        seen = f"at {decisions:,.0f} decisions a day"
        if takes is None or labels is None:
            return f"{seen} and no outcome so far, nothing can be proven; {in_words(self.max_phase)} are waited for one"
        return (
            f"{seen} and {labels:,.0f} outcomes, known after {in_words(self.traffic.label_delay)}: "
            f"{self.outcomes:,} outcomes prove it, steps last {in_words(self.steps[0].duration)}; "
            f"{in_words(takes)} in all at least, and a phase waits {in_words(self.max_phase)} at most"
        )


def examples(plan: Plan) -> str:
    """Least time that a rollout by that plan takes, at two rates, for readers before there is traffic.

    >>> examples(Plan())
    '2 d 15 h at 600 decisions a day with outcomes a day later, 33 min 36 s at 300,000 with outcomes at once'
    """
    few, many = Traffic(600, 600, DAY.total_seconds()), Traffic(300_000, 300_000, 0.0)
    slow, quick = (in_words(size(plan, each).takes() or timedelta(0)) for each in (few, many))
    return f"{slow} at 600 decisions a day with outcomes a day later, {quick} at 300,000 with outcomes at once"


def size(plan: Plan, traffic: Traffic | None = None) -> SizedPlan:
    """Fill in what the plan leaves open; without traffic as for 300,000 decisions a day.

    >>> slow = size(Plan(), Traffic(600, 600, 86_400))
    >>> slow.outcomes, slow.steps[0].decisions, in_words(slow.steps[0].duration), in_words(slow.max_phase)
    (600, 25, '1 h', '31 d')
    >>> quick = size(Plan(), Traffic(8_640_000, 8_640_000, 1))
    >>> quick.outcomes, quick.steps[0].decisions, in_words(quick.steps[0].duration), in_words(quick.takes())
    (1000, 200, '10 s', '1 min 11 s')
    """
    traffic = traffic or Traffic()
    decisions, labels = traffic.decisions_per_day or 300_000.0, traffic.labels_per_day
    span = min(max(_time_of(STEP_DECISIONS, decisions), STEP_SPAN[0]), STEP_SPAN[1])
    outcomes = plan.min_outcomes or round(min(max(labels or OUTCOMES[1], OUTCOMES[0]), OUTCOMES[1]))
    steps = tuple(_sized(step, span, decisions) for step in plan.steps)
    return SizedPlan(
        traffic,
        outcomes,
        span if plan.shadow_min_duration is None else plan.shadow_min_duration,
        steps,
        BAKE_STEPS * span if plan.bake is None else plan.bake,
        _max_phase(traffic, outcomes, steps) if plan.max_phase is None else plan.max_phase,
    )


def _sized(step: Step, span: timedelta, decisions: float) -> SizedStep:
    needed = step.min_decisions or round(min(max(decisions / 24.0, DECISIONS[0]), DECISIONS[1]))
    return SizedStep(step.weight, span if step.min_duration is None else step.min_duration, needed)


def _max_phase(traffic: Traffic, outcomes: int, steps: tuple[SizedStep, ...]) -> timedelta:
    """Time for outcomes that tell, after the delay of the labels; ten times what any step needs at least."""
    least, most = PHASE_SPAN
    if not traffic.decisions_per_day:
        return least
    longest = max(
        max(step.duration, _time_of(step.decisions, traffic.decisions_per_day * step.weight)) for step in steps
    )
    if not traffic.labels_per_day:
        return max(UNLABELLED_PHASE, 10 * longest)
    telling = max(_time_of(TELLING_OUTCOMES, traffic.labels_per_day), least)
    patience = max(min(telling, most), 2 * _time_of(outcomes, traffic.labels_per_day))
    return max(traffic.label_delay + patience, 10 * longest)


def _time_of(count: int, per_day: float) -> timedelta:
    return min(DAY * (count / per_day), 36_500 * DAY)


def in_words(span: timedelta) -> str:
    """The two largest units that a person would say.

    >>> in_words(timedelta(hours=1, seconds=5)), in_words(timedelta(days=16, hours=16)), in_words(timedelta(days=1))
    ('1 h 5 s', '16 d 16 h', '24 h')
    """
    seconds = round(span.total_seconds())
    days = seconds // 86400 if seconds >= 2 * 86400 else 0
    rest = seconds - 86400 * days
    parts = ((days, "d"), (rest // 3600, "h"), (rest % 3600 // 60, "min"), (rest % 60, "s"))
    said = [f"{count} {unit}" for count, unit in parts if count]
    return " ".join(said[:2]) or f"{1000 * span.total_seconds():.0f} ms" if span else "0 s"
