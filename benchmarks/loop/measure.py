"""Figures of the loop in one world, beside the blind schedules and hindsight."""

import time
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.loop.worlds import DAY, World
from windvane.backtest.replay import Replay
from windvane.backtest.run import Run, Trainer
from windvane.backtest.schedules import Schedules, schedules
from windvane.backtest.trainer import LocalTrainer
from windvane.training.fit.growth import log_losses

Losses = NDArray[np.float64]
HEALED = 0.2  # share of what never retraining loses that may be left
WEEK = 7  # days that are averaged before anything is called healed


@dataclass(frozen=True, slots=True)
class Figures:
    """Mean log losses a decision, and what the loop did."""

    world: str
    rows: int
    days: float
    loop: float
    never: float
    recent: float
    everything: float
    hindsight: float
    beside_never: float  # loop − never, over days
    beside_never_error: float  # standard error over days
    heals: bool | None  # None where nothing changed
    days_to_heal: float | None  # from the change on, or from when it no longer moved
    asked: int  # retrainings that findings asked for
    false: int  # of them in a quiet world
    quiet_days: float
    grown: int  # retrainings that came from growth
    promoted: int
    unproven: int
    seconds: float
    beside_before: float | None = None  # loop − the loop by the rules before these, over days, where both were replayed
    beside_before_error: float | None = None

    def regret(self, of: str) -> float:
        """Loss above hindsight's."""
        return float(getattr(self, of)) - self.hindsight

    def described(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def measure(world: World, trainer: Trainer | None = None) -> tuple[Figures, Run]:
    """Replay the world and its baselines."""
    began = time.perf_counter()
    run = Replay(world.spec, world.history, trainer or LocalTrainer(world.spec, world.history), world.start).run()
    beside = schedules(world.spec, world.history, world.start, change=world.change)
    losses, day = answered(world, run)
    per_day = daily(losses, day)
    difference = per_day - daily(beside.never, day)
    asked = [request for request in run.requests if request.cause == "findings"]
    healing = None if world.change is None else _days_to_heal(world, per_day, beside, day)
    figures = Figures(
        world=world.name,
        rows=len(losses),
        days=world.days,
        loop=float(losses.mean()),
        never=float(beside.never.mean()),
        recent=float(beside.recent.mean()),
        everything=float(beside.everything.mean()),
        hindsight=float(beside.hindsight.mean()),
        beside_never=float(difference.mean()),
        beside_never_error=error_of(difference),
        heals=None if world.change is None else healing is not None,
        days_to_heal=healing,
        asked=len(asked),
        false=len(asked) if world.quiet else 0,
        quiet_days=world.days if world.quiet else 0.0,
        grown=sum(request.cause == "growth" for request in run.requests),
        promoted=sum(event.kind == "promoted" for event in run.events),
        unproven=sum(version.standing == "candidate" for version in run.versions),
        seconds=time.perf_counter() - began,
    )
    return figures, run


def daily(per_row: Losses, day: NDArray[np.intp]) -> Losses:
    """Mean of every day; the day before's where a day has no row."""
    n = np.bincount(day)
    means = np.bincount(day, per_row) / np.maximum(n, 1)
    for place in np.flatnonzero(n == 0):
        means[place] = means[place - 1] if place else 0.0
    return means


def answered(world: World, run: Run) -> tuple[Losses, NDArray[np.intp]]:
    """float[m] log loss of every answer, int[m] its day since the start."""
    losses = log_losses(run.answered[run.first :], world.history.labels[run.first :])
    return losses, ((world.history.times[run.first :] - world.start) // DAY).astype(int)


def error_of(difference: Losses) -> float:
    """Standard error of the mean of days that hang together: by weeks."""
    weeks = [float(part.mean()) for part in np.array_split(difference, max(2, len(difference) // WEEK))]
    return float(np.std(weeks, ddof=1) / np.sqrt(len(weeks)))


def _days_to_heal(world: World, loop: Losses, beside: Schedules, day: NDArray[np.intp]) -> float | None:
    """Days until a week's mean has lost all but a fifth of what never retraining loses above the best that can be.

    The best is the true chance where the world is made up, else hindsight's last model.
    """
    assert world.change is not None
    never = daily(beside.never, day)
    if world.history.chance is not None:
        chance = world.history.chance[-len(day) :]
        floor = daily(-(chance * np.log(chance) + (1 - chance) * np.log(1 - chance)), day)
    else:
        floor = daily(beside.hindsight, day)
    begin = int((world.change - world.start) // DAY) + 1
    moved = int(((world.settled or world.change) - world.start) // DAY) + 1
    lost = float((never - floor)[moved:].mean())
    before = float((never - floor)[:begin].mean()) if begin else 0.0
    goal = before + HEALED * (lost - before)
    excess = loop - floor
    for place in range(moved, len(excess) - WEEK + 1):
        if float(excess[place : place + WEEK].mean()) <= goal:
            return float(place - moved)
    return None
