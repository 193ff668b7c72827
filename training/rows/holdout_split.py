"""Decides which rows a version learns from, is tuned on, is judged on: the one place that does."""

from dataclasses import dataclass
from datetime import UTC, datetime

from windvane.cluster.errors import Invalid
from windvane.configs.schema import ModelSpec
from windvane.training.rows.examples import Examples

LEAST_ROWS = 100
LEAST_OF_EACH = 10  # true and false rows


@dataclass(frozen=True, slots=True)
class Slices:
    """Rows by what they are for; the newer always check what the older taught."""

    learn: Examples  # the search fits on these
    check: Examples  # and compares its trials on these, newer ones
    judged: Examples  # learn and check together: what the judged booster knows
    held: Examples  # judges candidate and champion; newer than all of the judged booster's
    served: Examples  # every row: what the served booster knows
    held_from: float  # event time at which the held-out slice begins


HELD_OF_CHANGE, CHECK_OF_CHANGE = 0.3, 0.2  # shares of the rows since a change, newest first
LEAST_OF_CHANGE = 100  # rows since a change before they are cut by themselves
LEAST_OF_CLASS = 5  # labels of either class that each part of them needs


def slices(spec: ModelSpec, declared: Examples, learnt: Examples, since: float | None = None) -> Slices:
    """Cut the rows to learn from; held out are `declared` ones, which are `learnt` unless another source taught.

    Newest by `data.time`; a file without time is in a drawn order, and the same cut leaves rows out at random.
    Where a change began at `since`, all that judges comes from after it: rows of a world that is gone prove nothing.
    """
    for rows in (declared, learnt):
        require_enough(spec, rows)
    held_from, check_from = _starts(spec, declared, learnt, since)
    judged = learnt.before(held_from)
    return Slices(
        learn=judged.before(check_from),
        check=judged.since(check_from),
        judged=judged,
        held=declared.since(held_from),
        served=learnt,
        held_from=held_from,
    )


def _starts(spec: ModelSpec, declared: Examples, learnt: Examples, since: float | None) -> tuple[float, float]:
    """Event times at which the held-out slice and the check slice begin."""
    if since is not None:
        changed = declared.since(since)
        n = len(changed)
        if n >= LEAST_OF_CHANGE:
            held_from = float(changed.times[round(n * (1.0 - HELD_OF_CHANGE))])
            check_from = float(changed.times[round(n * (1.0 - HELD_OF_CHANGE - CHECK_OF_CHANGE))])
            check, held = changed.since(check_from).before(held_from), changed.since(held_from)
            if all(_both(part) for part in (check, held)) and len(learnt.before(check_from)):
                return held_from, check_from
    held_from = holdout_start(declared, spec)
    return held_from, holdout_start(learnt.before(held_from), spec)


def _both(part: Examples) -> bool:
    positives = int(part.labels.sum())
    return min(positives, len(part) - positives) >= LEAST_OF_CLASS


def require_enough(spec: ModelSpec, examples: Examples) -> None:
    """Refuse rows too few to learn from and to be judged on."""
    true = int(examples.labels.sum())
    false = len(examples) - true
    if len(examples) < LEAST_ROWS or min(true, false) < LEAST_OF_EACH:
        raise Invalid(
            f"Model {spec.name}: {len(examples)} labelled rows, {true} with {spec.target.name!r} true and {false} with "
            f"it false, are too few: training needs {LEAST_ROWS}, with {LEAST_OF_EACH} of each"
        )


def holdout_start(examples: Examples, spec: ModelSpec) -> float:
    """Start of the newest slice, which is kept back: `training.holdout`, or `holdout_share` of the rows."""
    holdout = spec.training.holdout
    if holdout is not None and spec.data.time:
        start = float(examples.times[-1]) - holdout.total_seconds()
    else:
        start = float(examples.times[int(len(examples) * (1.0 - spec.training.holdout_share))])
    kept, held = len(examples.before(start)), len(examples.since(start))
    if kept < held or held == 0:
        newest, oldest = _day(examples.times[-1]), _day(examples.times[0])
        raise Invalid(
            f"Model {spec.name}: holding out {held} of {kept + held} rows ({oldest} to {newest}) leaves fewer to learn "
            "from than to test on; shorten training.holdout or bring more rows"
        )
    return start


def _day(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d")
