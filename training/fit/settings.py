"""Settings that a version is fitted with: booster parameters, rounds and training window, all found by the search."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

FIXED: dict[str, str | int | float] = {
    "objective": "binary:logistic",
    "eval_metric": "logloss",
    "tree_method": "hist",
    "max_bin": 256,
}


@dataclass(frozen=True, slots=True)
class FitSettings:
    """One complete way to fit a version."""

    start: Literal["linear", "none"] = "linear"  # whether the first trees say what a logistic regression says
    max_depth: int = 3
    eta: float = 0.1
    min_child_weight: float = 5.0
    subsample: float = 0.8
    colsample_bytree: float = 1.0  # a relation of a few features is told by trees that see all of them
    reg_lambda: float = 2.0
    rounds: int = 100  # after the start
    window: timedelta | None = None  # newest rows to learn from; None is all history

    def booster_parameters(self, seed: int, threads: int) -> dict[str, str | int | float]:
        """Parameters that xgboost is given."""
        return FIXED | {
            "max_depth": self.max_depth,
            "eta": self.eta,
            "min_child_weight": self.min_child_weight,
            "subsample": self.subsample,
            "colsample_bytree": self.colsample_bytree,
            "reg_lambda": self.reg_lambda,
            "seed": seed,
            "nthread": threads,
        }

    def described(self) -> Mapping[str, str]:
        """Parameters for the run's record."""
        numbers = (name for name in self.__dataclass_fields__ if name not in ("start", "window"))
        shown = {name: f"{getattr(self, name):g}" for name in numbers}
        return {"start": self.start} | shown | {"window": spelled(self.window)}


def spelled(window: timedelta | None) -> str:
    """The window as a YAML would write it.

    >>> spelled(timedelta(days=60)), spelled(None)
    ('60d', 'all')
    """
    if window is None:
        return "all"
    seconds = window.total_seconds()
    return f"{seconds / 86400:g}d" if seconds % 3600 == 0 else f"{seconds:g}s"


def spelled_moment(moment: float) -> str:
    """An event time as people write it.

    >>> spelled_moment(86400.0), spelled_moment(86460.0)
    ('1970-01-02', '1970-01-02 00:01:00')
    """
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M:%S}".removesuffix(" 00:00:00")


def windows_of(declared: Sequence[Literal["all"] | timedelta], span_seconds: float) -> list[timedelta | None]:
    """The windows worth trying on data that spans so long: one that covers it all is the same as `all`.

    >>> windows_of(("all", timedelta(days=60), timedelta(days=9)), span_seconds=45 * 86400.0)
    [None, datetime.timedelta(days=9)]
    """
    shorter = [w for w in declared if w != "all" and w.total_seconds() < span_seconds]
    whole = "all" in declared or len(shorter) < len(declared)
    return ([None] if whole else []) + list(dict.fromkeys(shorter))
