"""Does retraining pay on the real flights? Frozen January-February model against models of all history, month by month.

    python -m benchmarks.flights_drift

Also says how harmful the unit error of `windvane.examples.flights:load_with_unit_bug` is. One thread, no Ray, about 15
seconds.
"""

import sys
from datetime import UTC, datetime

import numpy as np
import xgboost
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from windvane.configs.load import load_model, load_settings
from windvane.training.fit.settings import FitSettings
from windvane.training.rows.examples import Examples
from windvane.training.rows.labelled_rows import gather, gather_from

RETRAINED = ("2013-04-15", "2013-07-15", "2013-10-15")
FROZEN = "2013-03-01"
SETTINGS = FitSettings()


def main() -> None:
    """Print the table by month, then the unit error's cost in the month after each retraining."""
    spec = load_model("flight-delay", load_settings({}))
    whole = spec.model_copy(update={"data": spec.data.model_copy(update={"until": None})})
    flights = gather(whole)
    defective = gather_from(whole, "python:windvane.examples.flights:load_with_unit_bug")
    frozen = fitted(flights.before(seconds(FROZEN)), spec.training.seed)
    loop = [(seconds(day), fitted(flights.before(seconds(day)), spec.training.seed)) for day in RETRAINED]

    write(f"{'month':8}{'n':>7}  {'AUC frozen':>10}{'AUC loop':>10}  {'Brier frozen':>12}{'Brier loop':>11}{'gain':>9}")
    totals = []
    for month in range(3, 13):
        part = between(flights, month)
        ours = by_newest(loop, frozen, part)
        theirs = frozen.inplace_predict(part.rows)
        line = [len(part), auc(part, theirs), auc(part, ours), brier(part, theirs), brier(part, ours)]
        totals.append(line)
        write(table_row(f"2013-{month:02}", line))
    write(table_row("mean", list(np.mean(totals, axis=0))))
    after = np.mean(totals[2:], axis=0)
    write(table_row("May on", list(after)))

    write(f"\n{'defective model of':20}{'AUC good':>10}{'AUC bad':>10}  {'Brier good':>12}{'Brier bad':>11}{'harm':>9}")
    for day, good in loop:
        bad = fitted(defective.before(day), spec.training.seed)
        part = flights.since(day).before(day + 30 * 86400)
        right, wrong = good.inplace_predict(part.rows), bad.inplace_predict(part.rows)
        good_brier, bad_brier = brier(part, right), brier(part, wrong)
        write(
            f"{day_of(day):20}{auc(part, right):10.3f}{auc(part, wrong):10.3f}  "
            f"{good_brier:12.4f}{bad_brier:11.4f}{bad_brier - good_brier:+9.4f}"
        )


def fitted(examples: Examples, seed: int) -> xgboost.Booster:
    """The default settings on all the rows."""
    matrix = xgboost.QuantileDMatrix(examples.rows, examples.labels)
    return xgboost.train(SETTINGS.booster_parameters(seed, threads=1), matrix, SETTINGS.rounds)


def by_newest(
    loop: list[tuple[float, xgboost.Booster]], frozen: xgboost.Booster, part: Examples
) -> NDArray[np.float32]:
    """Every row scored by the newest model that existed when it was decided."""
    scores: NDArray[np.float32] = frozen.inplace_predict(part.rows)
    for since, booster in loop:
        scores = np.where(part.times >= since, booster.inplace_predict(part.rows), scores)
    return scores


def between(flights: Examples, month: int) -> Examples:
    """The flights of one month of 2013, UTC."""
    end = seconds(f"2013-{month + 1:02}-01") if month < 12 else seconds("2014-01-01")
    return flights.since(seconds(f"2013-{month:02}-01")).before(end)


def auc(part: Examples, scores: NDArray[np.float32]) -> float:
    """Area under the ROC curve."""
    return float(roc_auc_score(part.labels, scores))


def brier(part: Examples, scores: NDArray[np.float32]) -> float:
    """Mean squared error of the chance."""
    return float(np.mean((scores - part.labels) ** 2))


def seconds(day: str) -> float:
    """Unix seconds of midnight UTC."""
    return datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()


def day_of(moment: float) -> str:
    """The day of Unix seconds."""
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d}"


def table_row(name: str, line: list[float]) -> str:
    """One line of the table."""
    n, auc_frozen, auc_loop, brier_frozen, brier_loop = line
    gain = brier_frozen - brier_loop
    return f"{name:8}{n:7.0f}  {auc_frozen:10.3f}{auc_loop:10.3f}  {brier_frozen:12.4f}{brier_loop:11.4f}{gain:+9.4f}"


def write(line: str) -> None:
    """One line to the terminal."""
    sys.stdout.write(line + "\n")


if __name__ == "__main__":
    main()
