"""Pictures of a version for its record: how it ranks, how it is calibrated, and what moves its score."""

import warnings
from pathlib import Path
from typing import Protocol

import numpy as np
import xgboost
from numpy.typing import NDArray

from training.evaluate import CALIBRATION_BINS

EXPLAINED_ROWS = 400  # exact contributions cost 2-3 ms a row


class Pictures(Protocol):
    """What the job needs of this module, which is one itself."""

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
    """Import what draws, which takes seconds, before it is needed."""
    import matplotlib

    matplotlib.use("Agg")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PendingDeprecationWarning)  # shap sets colours the way matplotlib will drop
        import shap  # noqa: F401
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
    """The SHAP beeswarm, from the booster's own exact TreeSHAP."""
    import shap
    from matplotlib import pyplot

    parts = booster.predict(xgboost.DMatrix(rows), pred_contribs=True)
    explanation = shap.Explanation(parts[:, :-1], parts[:, -1], rows, feature_names=list(names))
    shap.plots.beeswarm(explanation, max_display=15, show=False, plot_size=(8, 5))
    _save(pyplot.gcf(), path)


def _save(figure: object, path: Path) -> None:
    from matplotlib import pyplot

    figure.savefig(path, dpi=80, bbox_inches="tight")  # type: ignore[attr-defined]
    pyplot.close(figure)  # type: ignore[arg-type]
