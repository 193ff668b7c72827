"""Compares losses row by row, and says on which tables somebody else is surely better."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from windvane.training.evaluate.evaluate import auc

SURE = 2.0  # standard errors of the paired difference: a table that is marked
BY_CHANCE = 0.05  # runs in which a system as good as the best on every table is called worse on one
OURS = "windvane"

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Result:
    """Figures of every model on one table."""

    table: str
    rows: int
    positives: int
    log_loss: Mapping[str, float]
    auc: Mapping[str, float]
    best: str  # of the others, by log loss
    difference: float  # ours minus the best's
    error: float  # standard error of that difference
    base: float  # log loss of the label's share
    splits: int = 1

    @property
    def errors(self) -> float:
        """Standard errors by which ours is worse; negative where it is better."""
        return self.difference / self.error if self.error > 0 else 0.0

    @property
    def within_noise(self) -> bool:
        """True where nobody is surely better, this table looked at by itself."""
        return self.errors <= SURE


def judge(
    table: str, labels: NDArray[np.bool_], splits: Sequence[Mapping[str, Floats]], base: Sequence[Floats]
) -> Result:
    """From float[n] out-of-fold scores of every model, `OURS` among them, and of the learnt label's share, by split.

    A row's loss is its mean over the splits.
    """
    losses = {name: np.mean([_losses(labels, split[name]) for split in splits], axis=0) for name in splits[0]}
    means = {name: float(each.mean()) for name, each in losses.items()}
    best = min((name for name in means if name != OURS), key=lambda name: means[name])
    extra = losses[OURS] - losses[best]
    return Result(
        table,
        len(labels),
        int(labels.sum()),
        means,
        {name: float(np.mean([auc(labels, split[name]) for split in splits])) for name in losses},
        best,
        float(extra.mean()),
        float(extra.std(ddof=1) / np.sqrt(len(extra))),
        float(np.mean([_losses(labels, each).mean() for each in base])),
        len(splits),
    )


def verdict(results: Sequence[Result]) -> tuple[bool, str]:
    """Say if the bound is held, with the last line.

    Of many tables some lie two standard errors off by chance, so a table is worse beyond what the worst of so many
    would be once in twenty runs (Bonferroni): 3.0 standard errors for 39 tables.
    """
    limit = NormalDist().inv_cdf(1.0 - BY_CHANCE / len(results))
    missed = [result for result in results if result.errors > limit]
    better = sum(result.errors < -SURE for result in results)
    said = (
        f"{len(results) - len(missed)} of {len(results)} tables within noise of the best of three plain models "
        f"({limit:.1f} standard errors of the paired difference), {better} of them surely better"
    )
    names = ", ".join(f"{result.table} by {result.errors:.1f}" for result in missed)
    return not missed, f"HELD: {said}" if not missed else f"MISSED: {said}; surely worse: {names}"


def _losses(labels: NDArray[np.bool_], scores: Floats) -> Floats:
    chance = np.clip(scores, 1e-7, 1 - 1e-7)
    losses: Floats = -np.log(np.where(labels, chance, 1 - chance))
    return losses
