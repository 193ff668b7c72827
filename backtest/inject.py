"""Puts known faults into a history, so that one can see what the loop makes of them."""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from windvane.backtest.history import History
from windvane.cluster.errors import Invalid
from windvane.configs.complaint import nearest
from windvane.configs.schema import ModelSpec

DAY = 86_400.0
GRADUAL = 60 * DAY  # over which a gradual change comes
SEASON = 90 * DAY  # half a season: so long a change holds before it is taken back
_Mask: TypeAlias = NDArray[np.bool_]
_Fault: TypeAlias = Callable[[ModelSpec, History, float, np.random.Generator], History]


def inject(spec: ModelSpec, history: History, fault: str, at: float, seed: int = 7) -> History:
    """The history with that fault from event time `at` on; Invalid names the faults there are."""
    if fault not in FAULTS:
        near = nearest(fault, list(FAULTS))
        hint = f"; did you mean {near!r}?" if near else ""
        raise Invalid(f"{fault!r} is no fault that can be injected{hint} There are: {', '.join(FAULTS)}")
    return FAULTS[fault](spec, history, at, np.random.default_rng(seed))


def _flip(_: ModelSpec, history: History, at: float, _rng: np.random.Generator) -> History:
    return _flipped(history, history.times >= at)


def _gradual(_: ModelSpec, history: History, at: float, rng: np.random.Generator) -> History:
    share = np.clip((history.times - at) / GRADUAL, 0.0, 1.0)
    return _flipped(history, rng.random(len(history)) < share)


def _season(_: ModelSpec, history: History, at: float, _rng: np.random.Generator) -> History:
    elapsed = np.floor((history.times - at) / SEASON)
    return _flipped(history, (elapsed >= 0) & (elapsed % 2 == 0))


def _prior(_: ModelSpec, history: History, at: float, rng: np.random.Generator) -> History:
    """Three quarters of the positives are gone."""
    kept = (history.times < at) | ~history.labels | (rng.random(len(history)) < 0.25)
    return _kept(history, kept)


def _permute(spec: ModelSpec, history: History, at: float, _rng: np.random.Generator) -> History:
    """Every number stands in the next number's place, as after a column too many."""
    numbers = [place for place, feature in enumerate(spec.features) if feature.type in ("number", "integer")]
    if len(numbers) < 2:
        raise Invalid("'permute' needs two features that are numbers")
    rows, after = history.rows.copy(), history.times >= at
    for place, other in zip(numbers, numbers[1:] + numbers[:1], strict=True):
        rows[after, place] = history.rows[after, other]
    return replace(history, rows=rows)


def _unit(spec: ModelSpec, history: History, at: float, _rng: np.random.Generator) -> History:
    """Every number comes in a unit a sixtieth of the one before, as seconds for minutes."""
    numbers = [place for place, feature in enumerate(spec.features) if feature.type in ("number", "integer")]
    if not numbers:
        raise Invalid("'unit' needs a feature that is a number")
    rows, after = history.rows.copy(), history.times >= at
    for place in numbers:
        rows[after, place] *= 60.0
    return replace(history, rows=rows)


FAULTS: dict[str, _Fault] = {
    "flip": _flip,
    "gradual": _gradual,
    "season": _season,
    "prior": _prior,
    "permute": _permute,
    "unit": _unit,
}


def _flipped(history: History, where: _Mask) -> History:
    chance = None if history.chance is None else np.where(where, 1.0 - history.chance, history.chance)
    return replace(history, labels=history.labels ^ where, chance=chance)


def _kept(history: History, kept: _Mask) -> History:
    return replace(
        history,
        rows=history.rows[kept],
        labels=history.labels[kept],
        times=history.times[kept],
        known=history.known[kept],
        chance=None,
    )
