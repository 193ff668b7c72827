"""Sums a replay up: the timeline, the worth of every retraining, and the regret beside other schedules."""

import itertools
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from windvane.backtest.history import History
from windvane.backtest.run import Run
from windvane.backtest.schedules import Schedules
from windvane.training.fit.growth import log_losses

DAY = 86_400.0
TOLD = frozenset(
    {"finding", "assessment", "retrain_requested", "job_failed", "phase", "promoted", "rolled_back", "superseded"}
    | {"unproven", "aborted"}
)
Losses = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Moment:
    """One line of the timeline."""

    at: datetime
    kind: str
    version: int | None
    sentence: str


@dataclass(frozen=True, slots=True)
class Worth:
    """One version's part in the loop; `gained` is the log loss its predecessor would have lost more, summed."""

    version: int
    made_at: datetime
    cause: str
    standing: str
    why: str
    learnt_from: int  # rows
    answered: int  # rows
    gained: float
    gained_each: float  # a row it answered


@dataclass(frozen=True, slots=True)
class BacktestReport:
    """Mean log loss of a decision under the loop and under each schedule, and how it came about."""

    model: str
    start: datetime
    end: datetime
    rows: int
    loop: float
    never: float
    recent: float
    everything: float
    hindsight: float
    period_days: float
    trainings: int
    hindsight_trainings: tuple[tuple[datetime, str], ...]
    timeline: tuple[Moment, ...]
    worth: tuple[Worth, ...]
    days: tuple[float, ...]  # Unix seconds at which each day begins
    daily: dict[str, tuple[float, ...]]  # mean log loss of each day, by schedule

    @property
    def regret(self) -> float:
        """Log loss a decision above the best schedule in hindsight."""
        return self.loop - self.hindsight

    def described(self) -> dict[str, Any]:
        """For JSON: moments in ISO 8601."""
        return {**_plain(asdict(self)), "regret": self.regret}


def report(model: str, history: History, run: Run, beside: Schedules, start: float, period: float) -> BacktestReport:
    """Everything a reader asks of the replay."""
    losses = log_losses(run.answered[run.first :], history.labels[run.first :])
    times = history.times[run.first :]
    day = ((times - start) // DAY).astype(np.int64)
    series = {
        "loop": losses,
        "never": beside.never,
        "recent": beside.recent,
        "everything": beside.everything,
        "hindsight": beside.hindsight,
    }
    present = np.unique(day)
    return BacktestReport(
        model=model,
        start=_moment(start),
        end=_moment(float(times[-1])),
        rows=len(losses),
        **{name: float(values.mean()) for name, values in series.items()},
        period_days=period / DAY,
        trainings=len(run.versions) - 1,
        hindsight_trainings=tuple((_moment(at), rows) for at, rows in beside.trainings[1:]),
        timeline=tuple(
            Moment(event.event_time or event.at, event.kind, event.version, event.detail)
            for event in run.events
            if event.kind in TOLD
        ),
        worth=tuple(_worth(history, run)),
        days=tuple((start + present * DAY).tolist()),
        daily={
            name: tuple((np.bincount(day, values)[present] / np.bincount(day)[present]).tolist())
            for name, values in series.items()
        },
    )


def _worth(history: History, run: Run) -> list[Worth]:
    """Each version beside the one that was champion before it, on the rows it answered."""
    found: list[Worth] = []
    champions = [1, *(event.version for event in run.events if event.kind == "promoted" and event.version)]
    before = {later: earlier for earlier, later in itertools.pairwise(champions)}
    for version in run.versions:
        rows = np.flatnonzero(run.by == version.number)
        gained = 0.0
        if version.number in before and len(rows):
            labels = history.labels[rows]
            theirs = log_losses(run.scores[before[version.number]](history.rows[rows]), labels)
            gained = float((theirs - log_losses(run.answered[rows], labels)).sum())
        found.append(
            Worth(
                version.number,
                _moment(version.made_at),
                version.cause,
                version.standing,
                version.why,
                version.rows,
                len(rows),
                gained,
                gained / len(rows) if len(rows) else 0.0,
            )
        )
    return found


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value.isoformat() if isinstance(value, datetime) else value
