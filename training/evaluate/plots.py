"""Pictures of a version for its record: how it ranks, how it is calibrated, and what moves its score."""

from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from windvane.training.evaluate.evaluate import CALIBRATION_BINS
from windvane.training.fit.xgboost_import import xgboost

EXPLAINED_ROWS = 400  # exact contributions cost 2-3 ms a row
SHOWN_FEATURES = 15


class Pictures(Protocol):
    """The part of this module, which is one itself, that the job needs."""

    def warm_up(self) -> None:
        """Get ready; whatever is slow and needs no rows."""

    def draw(
        self,
        folder: Path,
        labels: NDArray[np.bool_],
        candidate: NDArray[np.float64],
        champion: NDArray[np.float64] | None,
        booster: xgboost.Booster,
        rows: NDArray[np.float32],
        names: tuple[str, ...],
    ) -> None:
        """Write the pictures of one version into `folder`."""


def warm_up() -> None:
    """Import what draws, which takes a second, before it is needed."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot  # noqa: F401


def draw(
    folder: Path,
    labels: NDArray[np.bool_],
    candidate: NDArray[np.float64],
    champion: NDArray[np.float64] | None,
    booster: xgboost.Booster,
    rows: NDArray[np.float32],
    names: tuple[str, ...],
) -> None:
    """Write `roc.png`, `calibration.png` and `contributions.png` for held-out rows and their scores."""
    warm_up()
    scored = {"candidate": candidate} | ({} if champion is None else {"champion": champion})
    _roc(folder / "roc.png", labels, scored)
    _calibration(folder / "calibration.png", labels, scored)
    sample = rows[np.linspace(0, len(rows) - 1, min(EXPLAINED_ROWS, len(rows))).astype(np.int64)]
    _contributions(folder / "contributions.png", booster, sample, names)


def _roc(path: Path, labels: NDArray[np.bool_], scored: dict[str, NDArray[np.float64]]) -> None:
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(5, 5))
    for name, scores in scored.items():
        hit = labels[np.argsort(-scores, kind="stable")]
        axes.plot(np.cumsum(~hit) / (~hit).sum(), np.cumsum(hit) / hit.sum(), label=name)
    axes.plot([0, 1], [0, 1], color="grey", linewidth=0.5)
    axes.set(xlabel="false positive rate", ylabel="true positive rate", title="ROC on the held-out slice")
    axes.legend()
    _save(figure, path)


def _calibration(path: Path, labels: NDArray[np.bool_], scored: dict[str, NDArray[np.float64]]) -> None:
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(5, 5))
    for name, scores in scored.items():
        bins = np.minimum((scores * CALIBRATION_BINS).astype(np.int64), CALIBRATION_BINS - 1)
        counts = np.bincount(bins, minlength=CALIBRATION_BINS)
        seen = counts > 0
        said = np.bincount(bins, scores, CALIBRATION_BINS)[seen] / counts[seen]
        happened = np.bincount(bins, labels, CALIBRATION_BINS)[seen] / counts[seen]
        axes.plot(said, happened, marker="o", label=name)
    axes.plot([0, 1], [0, 1], color="grey", linewidth=0.5)
    axes.set(xlabel="predicted chance", ylabel="observed share", title="Calibration on the held-out slice")
    axes.legend()
    _save(figure, path)


def _contributions(path: Path, booster: xgboost.Booster, rows: NDArray[np.float32], names: tuple[str, ...]) -> None:
    """A strip of points for each of the features that move scores most, coloured from its low to its high values."""
    from matplotlib import pyplot

    matrix = xgboost.DMatrix(rows, feature_types=booster.feature_types, enable_categorical=True)
    parts = booster.predict(matrix, pred_contribs=True)[:, :-1]
    shown = np.argsort(-np.abs(parts).mean(axis=0))[:SHOWN_FEATURES][::-1]
    figure, axes = pyplot.subplots(figsize=(8, 1 + 0.3 * len(shown)))
    spread = np.random.default_rng(0).uniform(-0.3, 0.3, len(rows))
    for height, feature in enumerate(shown):
        values = rows[:, feature]
        colours = np.where(np.isnan(values), 0.5, np.argsort(np.argsort(values)) / max(1, len(values) - 1))
        axes.scatter(parts[:, feature], height + spread, c=colours, cmap="coolwarm", vmin=0, vmax=1, s=6, linewidths=0)
    axes.axvline(0, color="grey", linewidth=0.5)
    axes.set_yticks(range(len(shown)), [names[feature] for feature in shown])
    axes.set(xlabel="contribution to the log-odds (low values blue, high ones red)", title="What moves the score")
    _save(figure, path)


def _save(figure: object, path: Path) -> None:
    from matplotlib import pyplot

    figure.savefig(path, dpi=80, bbox_inches="tight")  # type: ignore[attr-defined]
    pyplot.close(figure)  # type: ignore[arg-type]
