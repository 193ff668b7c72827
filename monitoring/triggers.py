"""When findings, or the calendar, ask for a retraining: persistence, cool-down, one at a time, budget, schedule."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Literal

from configs.schema import Retrain
from monitoring.findings import Finding, breaches

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Streak:
    """How many measured windows in a row one monitor was over its limit; a window without enough rows is not one."""

    length: int
    last: Finding


@dataclass(frozen=True, slots=True)
class Assessed:
    """The newest window that was assessed, and what came of it."""

    window: int
    verdict: str


@dataclass(frozen=True, slots=True)
class TriggerState:
    """What the rules remember between two looks."""

    version: int | None = None  # the champion the streaks are about
    since: float | None = None  # the model's clock when watching began: the schedule counts from here
    streaks: Mapping[str, Streak] = field(default_factory=dict)
    assessed: Assessed | None = None


@dataclass(frozen=True, slots=True)
class Circumstances:
    """Everything else the rules look at."""

    clock: float  # the model's own, Unix seconds
    wall: datetime
    last_requested: float | None  # on the model's clock
    open_request: str | None
    proving: int | None  # a candidate that is being proved
    starts: Sequence[datetime]  # wall clock of every job started


@dataclass(frozen=True, slots=True)
class Proposal:
    """What the rules want: `assess` the findings, `request` by schedule, wait (`hold`), or nothing."""

    kind: Literal["nothing", "hold", "assess", "request"]
    why: str
    findings: tuple[Finding, ...] = ()


def observe(state: TriggerState, version: int, clock: float, findings: Iterable[Finding]) -> TriggerState:
    """Count the streaks on with findings of newly closed windows, oldest first; a new champion starts afresh."""
    if state.version != version:
        state = TriggerState(version, state.since)
    streaks = dict(state.streaks)
    for finding in findings:
        if finding.breach:
            before = streaks.get(finding.name)
            streaks[finding.name] = Streak(before.length + 1 if before else 1, finding)
        else:
            streaks.pop(finding.name, None)
    return replace(state, since=clock if state.since is None else state.since, streaks=streaks)


def consider(state: TriggerState, rules: Retrain, seen: Circumstances) -> Proposal:
    """What is to be done now; pure, so asking again gives the same answer."""
    persistent = breaches(
        streak.last
        for streak in state.streaks.values()
        if streak.length >= rules.persistence and streak.last.kind in rules.on
    )
    scheduled = _scheduled(state, rules, seen)
    if not persistent and scheduled is None:
        return Proposal("nothing", "no breach has lasted" if state.streaks else "nothing over its limit")
    hold = _hold(rules, seen)
    if hold is not None:
        return Proposal("hold", hold, persistent)
    if scheduled is not None:
        return Proposal("request", scheduled, persistent)
    if (wait := _cool_down(rules, seen)) is not None:
        return Proposal("hold", wait, persistent)
    newest = max(finding.window for finding in persistent)
    if state.assessed and state.assessed.window >= newest and state.assessed.verdict != "not_enough_labels":
        return Proposal("nothing", f"assessed as {state.assessed.verdict}; the next window is awaited", persistent)
    return Proposal("assess", f"{len(persistent)} over their limit for {rules.persistence} windows", persistent)


def assessed(state: TriggerState, findings: Sequence[Finding], verdict: str) -> TriggerState:
    """Remember the assessment, so that the same windows are not assessed again."""
    return replace(state, assessed=Assessed(max(finding.window for finding in findings), verdict))


def _hold(rules: Retrain, seen: Circumstances) -> str | None:
    if seen.open_request is not None:
        return f"request {seen.open_request} is open"
    if seen.proving is not None:
        return f"candidate {seen.proving} is being proved"
    started = sum(seen.wall - start < _DAY for start in seen.starts)
    if started >= rules.daily_budget:
        return f"{started} jobs in 24 h, the daily budget is {rules.daily_budget}"
    return None


def _cool_down(rules: Retrain, seen: Circumstances) -> str | None:
    if seen.last_requested is None:
        return None
    until = seen.last_requested + rules.cool_down.total_seconds()
    return f"cooling down until {datetime.fromtimestamp(until, UTC):%Y-%m-%d %H:%M} UTC" if seen.clock < until else None


def _scheduled(state: TriggerState, rules: Retrain, seen: Circumstances) -> str | None:
    begun = state.since if seen.last_requested is None else seen.last_requested
    if rules.schedule is None or begun is None or seen.clock - begun < rules.schedule.total_seconds():
        return None
    return f"schedule: every {rules.schedule / _DAY:g} days"
