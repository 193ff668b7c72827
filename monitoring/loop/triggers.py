"""Asks for a retraining by findings or the calendar: persistence, cool-down, one at a time, budget, schedule."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Literal

from windvane.configs.schema import Retrain
from windvane.monitoring.findings import Finding, breaches
from windvane.monitoring.loop.promises import Alarm

_DAY = timedelta(days=1)
RARER = 25  # labels of the rarer class since a change began: with fewer its rate is not known to a fifth
AGAIN = 2.0  # times as many labels as at the last try before the next: each halves what is uncertain


@dataclass(frozen=True, slots=True)
class Streak:
    """Number of measured windows in a row in which one monitor was over its limit; one without enough rows is none."""

    length: int
    last: Finding


@dataclass(frozen=True, slots=True)
class Assessed:
    """The newest window that was assessed, and what came of it."""

    window: int
    verdict: str
    names: tuple[str, ...] = ()  # breaches that led to this verdict, told already


@dataclass(frozen=True, slots=True)
class TriggerState:
    """Memory of the rules between two looks."""

    version: int | None = None  # the champion the streaks are about
    since: float | None = None  # the model's clock when watching began: the schedule counts from here
    streaks: Mapping[str, Streak] = field(default_factory=dict)
    assessed: Assessed | None = None
    asked_rows: int = 0  # labels since the change began when a broken promise last asked for a retraining
    asked_labels: int = 0  # labels since the champion began when growth last asked for one


@dataclass(frozen=True, slots=True)
class Seen:
    """The labels' word on the champion."""

    alarm: Alarm | None = None
    labels: int = 0  # of the windows measured since it began
    learnt: int | None = None  # rows it has learnt from
    wait: float = 0.0  # seconds that labels take


@dataclass(frozen=True, slots=True)
class Circumstances:
    """Everything else the rules look at."""

    clock: float  # the model's own, Unix seconds
    wall: datetime
    last_requested: float | None  # on the model's clock
    open_request: str | None
    proving: int | None  # a candidate that is being proved
    worthless: Sequence[datetime]  # wall clock at which retrainings were started that came to nothing


@dataclass(frozen=True, slots=True)
class Proposal:
    """The rules' wish: `assess` the findings, `request` a retraining and why, wait (`hold`), or nothing."""

    kind: Literal["nothing", "hold", "assess", "request"]
    why: str
    findings: tuple[Finding, ...] = ()
    cause: Literal["findings", "growth", "schedule"] = "findings"


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


def consider(state: TriggerState, rules: Retrain, seen: Circumstances, labels: Seen) -> Proposal:
    """Proposes what is to be done now; pure, so asking again gives the same answer."""
    if "performance" in rules.on and labels.alarm is not None:
        return _broken(state, rules, seen, labels, labels.alarm)
    persistent = breaches(
        streak.last
        for streak in state.streaks.values()
        if streak.length >= rules.persistence and streak.last.kind in rules.on
    )
    planned = _planned(state, rules, seen, labels)
    if not persistent and planned is None:
        return Proposal("nothing", "no breach has lasted" if state.streaks else "nothing over its limit")
    hold = _hold(rules, seen)
    if hold is not None:
        return Proposal("hold", hold, persistent)
    wait = _cool_down(rules, seen)
    if planned is not None and (planned.cause == "schedule" or wait is None):
        return replace(planned, findings=persistent)
    if wait is not None:
        return Proposal("hold", wait, persistent)
    newest = max(finding.window for finding in persistent)
    if state.assessed and state.assessed.window >= newest and state.assessed.verdict != "not_enough_labels":
        return Proposal("nothing", f"assessed as {state.assessed.verdict}; the next window is awaited", persistent)
    return Proposal("assess", f"{len(persistent)} over their limit for {rules.persistence} windows", persistent)


def _broken(state: TriggerState, rules: Retrain, seen: Circumstances, labels: Seen, alarm: Alarm) -> Proposal:
    """A broken promise asks as soon as a version can be made from what came since, and again when that has doubled.

    Little stands between it and its cure: a job that runs; a candidate whose first labels may still come; no budget
    before so many retrainings came to nothing within a day.
    """
    if seen.open_request is not None:
        return Proposal("hold", f"request {seen.open_request} is open")
    if alarm.rows < rules.min_labels:
        return Proposal("hold", f"{alarm.rows:,} of {rules.min_labels:,} labels are known since the change began")
    if alarm.rarer < RARER:
        return Proposal("hold", f"{alarm.rarer} of {RARER} labels of the rarer class are known since the change began")
    if alarm.rows < AGAIN * state.asked_rows:
        wanted = round(AGAIN * state.asked_rows)
        return Proposal("hold", f"asked for already; again at {wanted:,} labels since the change, {alarm.rows:,} now")
    cure = seen.proving if state.asked_rows else None  # a candidate that nobody asked for because of this is none
    if cure is not None and seen.last_requested is not None and seen.clock - seen.last_requested < labels.wait:
        return Proposal("hold", f"candidate {cure} is being proved; labels take {labels.wait / 86400:.3g} days")
    if (spent := _budget(rules, seen)) is not None:
        return Proposal("hold", spent)
    if (wait := _cool_down(rules, seen)) is not None:
        return Proposal("hold", wait)
    return Proposal("request", "a promise is broken")


def assessed(state: TriggerState, findings: Sequence[Finding], verdict: str) -> TriggerState:
    """Remember the assessment, so that the same windows are not assessed again."""
    before = state.assessed.names if state.assessed and state.assessed.verdict == verdict else ()
    names = tuple(sorted({*before, *(finding.name for finding in findings)}))
    return replace(state, assessed=Assessed(max(finding.window for finding in findings), verdict, names))


def _hold(rules: Retrain, seen: Circumstances) -> str | None:
    if seen.open_request is not None:
        return f"request {seen.open_request} is open"
    if seen.proving is not None:
        return f"candidate {seen.proving} is being proved"
    return _budget(rules, seen)


def _budget(rules: Retrain, seen: Circumstances) -> str | None:
    spent = sum(seen.wall - start < _DAY for start in seen.worthless)
    if spent < rules.daily_budget:
        return None
    return (
        f"{spent} retrainings in 24 h came to nothing, daily_budget is {rules.daily_budget}: look at why "
        "(`windvane events`), or `windvane retrain` by hand"
    )


def _cool_down(rules: Retrain, seen: Circumstances) -> str | None:
    if seen.last_requested is None:
        return None
    until = seen.last_requested + rules.cool_down.total_seconds()
    return f"cooling down until {datetime.fromtimestamp(until, UTC):%Y-%m-%d %H:%M} UTC" if seen.clock < until else None


def _planned(state: TriggerState, rules: Retrain, seen: Circumstances, labels: Seen) -> Proposal | None:
    """A retraining that needs no finding: by the calendar, or because there is so much more to learn from."""
    begun = state.since if seen.last_requested is None else seen.last_requested
    if rules.schedule is not None and begun is not None and seen.clock - begun >= rules.schedule.total_seconds():
        return Proposal("request", f"schedule: every {rules.schedule / _DAY:g} days", cause="schedule")
    if rules.growth is None or labels.learnt is None:
        return None
    if labels.labels < max((rules.growth - 1.0) * labels.learnt, AGAIN * state.asked_labels, rules.min_labels):
        return None
    why = f"growth: {labels.labels:,} labels since the champion learnt from {labels.learnt:,} rows"
    return Proposal("request", why, cause="growth")
