"""Records of a replay: the trainer it asks for versions, the versions, the answers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from windvane.backtest.predictions import Scores
from windvane.cluster.registry import Standing
from windvane.cluster.store import Event
from windvane.monitoring.counts.profile import Profile
from windvane.monitoring.loop.requests import RetrainRequest
from windvane.training.order import Order


@dataclass(frozen=True, slots=True)
class Trained:
    """One version as a trainer made it; `score` is what is served."""

    standing: Standing
    why: str
    profile: Profile
    score: Callable[[NDArray[np.float32]], Scores]  # float32[n, F] → float64[n]
    rows: int  # learnt from
    metrics: Mapping[str, float] = field(default_factory=dict)  # of the offline comparison, as the job registers them


class Trainer(Protocol):
    """Makes versions in this process."""

    def train(self, order: Order, number: int, champion: int | None, until: float, now: float) -> Trained:
        """Version `number`, from rows before `until` whose label is known at `now`; raises WindvaneError."""


@dataclass(frozen=True, slots=True)
class ReplayedVersion:
    """One version of the replay: when and why it was made, from how much, and how it ended."""

    number: int
    made_at: float
    cause: str  # first, findings, growth, schedule
    standing: str
    why: str
    rows: int


@dataclass(frozen=True, slots=True)
class Run:
    """The answers, events and versions of a loop on a history from `first` on."""

    first: int  # row from which the loop answered
    answered: NDArray[np.float64]  # [n] the score that each row was answered with; nan before `first`
    by: NDArray[np.int32]  # [n] the version that answered it
    events: tuple[Event, ...]
    requests: tuple[RetrainRequest, ...]
    versions: tuple[ReplayedVersion, ...]
    scores: dict[int, Callable[[NDArray[np.float32]], Scores]] = field(repr=False, default_factory=dict)
