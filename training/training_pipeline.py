"""Makes one version of a model in memory: cuts the rows, searches, fits, judges; the job and a backtest share it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from windvane.configs.schema import ModelSpec
from windvane.monitoring.counts.profile import Profile
from windvane.monitoring.loop.promises import KEPT_BLOCKS
from windvane.monitoring.statistics.calibration import Block, blocks_of
from windvane.training.evaluate.evaluate import (
    Bootstrap,
    OfflineComparison,
    OfflineRuling,
    Standing,
    compare,
    off_balance,
    rule,
)
from windvane.training.evaluate.window_effects import between_windows
from windvane.training.fit.engine import Engine, Fitted, SearchResult, Work
from windvane.training.fit.xgboost_import import xgboost
from windvane.training.rows.examples import Examples, label_delay
from windvane.training.rows.holdout_split import Slices, slices
from windvane.training.search.recency import choose

Scores = NDArray[np.float64]
SAME = 1e-6  # of a score: rounding
TOO_GOOD = 0.995  # an AUC: what is decided before its outcome is known is hardly ever told apart so well


class Champion(Protocol):
    """The version a candidate has to face."""

    @property
    def number(self) -> int:
        """Its version number."""

    @property
    def judged_until(self) -> float | None:
        """Its judged booster knows only rows before this event time; None where it has no judged booster."""

    def unable(self, held: Examples) -> str | None:
        """Reason why it cannot be compared on these rows; None when it can."""

    def unseen(self, held: Examples) -> Examples:
        """The rows that it can answer without knowing them."""

    def score(self, unseen: Examples) -> Scores:
        """float[n] chances."""

    def served(self, examples: Examples) -> Scores | None:
        """float[n] chances that it serves, of rows that it may know by heart; None where it lacks a column."""


@dataclass(frozen=True, slots=True)
class Made:
    """One version with everything that is known of it before it is written down."""

    found: SearchResult
    fitted: Fitted
    slices: Slices
    reference: Examples  # the rows the served booster learnt from: all, or those in the window found
    held: Examples  # the rows candidate and champion are judged on
    ours: Scores  # float[n] of the candidate's judged booster
    theirs: Scores | None  # float[n] of the champion; None where it was not compared
    comparison: OfflineComparison
    ruling: OfflineRuling
    profile: Profile
    parent: int | None  # the champion's number
    capped: bool = False  # whether the best setting was still getting better at `training.max_rounds`

    @property
    def judged_until(self) -> float:
        """The judged booster knows only rows before this event time."""
        return self.slices.held_from

    @property
    def doubts(self) -> tuple[str, ...]:
        """Doubts that people should know before they trust its figures, in sentences."""
        said = []
        if self.slices.served.doubt is not None:
            said.append(
                f"Rows have no time, and {self.slices.served.doubt}: held out at random, they say nothing of rows to "
                "come if that order is time or place; declare data.time."
            )
        if self.slices.served.left_out is not None:
            said.append(f"{self.slices.served.left_out}.")
        if len(self.found.trials) < self.found.planned:
            said.append(
                f"Of {self.found.planned} settings {len(self.found.trials)} were tried: {self.found.why_fewer}."
            )
        if (auc := self.comparison.candidate["auc"].value) > TOO_GOOD:
            said.append(
                f"Its AUC is {auc:.4f}, too good for a decision that is made before its outcome: a feature may "
                "be known only with the outcome; `windvane validate` names those that tell it alone."
            )
        if (off := off_balance(self.held.labels, self.ours)) is not None:
            said.append(f"Its scores are off: {off}; something has changed since what it learnt from.")
        if self.capped:
            said.append(f"The best setting ended at max_rounds ({self.found.best.rounds}): more might be better.")
        return tuple(said)

    @property
    def trained_until(self) -> float:
        """Event time of the newest row the served booster knows."""
        return float(self.slices.served.times[-1])


def make(
    spec: ModelSpec,
    declared: Examples,
    learnt: Examples,
    champion: Champion | None,
    engine: Engine,
    accept: bool = False,
    since: float | None = None,
) -> Made:
    """All stages in their order and in silence: rows are `learnt` from, and judged on `declared` ones, mostly the same.

    `since` is the event time at which a change is taken to have begun, where one is known.
    """
    work = Work(spec.training)
    cut = weigh(spec, slices(spec, declared, learnt, since), since, work.say)
    found = engine.search(cut.learn, cut.check, work)
    fitted = engine.fit(cut.judged, cut.served, found.best, work)
    return judge(spec, cut, found, fitted, champion, accept)


def weigh(spec: ModelSpec, cut: Slices, since: float | None, say: Callable[[str], None]) -> Slices:
    """The same rows, of the older ones as many as are worth it; a file without times has no older ones."""
    if spec.data.time is None and since is None:
        return cut
    recency = choose(cut.learn, cut.check, since, spec.training, say)
    return replace(
        cut,
        learn=recency.apply(cut.learn),
        judged=recency.apply(cut.judged),
        served=recency.apply(cut.served),
    )


def judge(
    spec: ModelSpec, cut: Slices, found: SearchResult, fitted: Fitted, champion: Champion | None, accept: bool = False
) -> Made:
    """Judges a fitted version beside the champion, on rows that neither has seen."""
    same_as = _alike(champion, cut.held, fitted.served)
    held, ours, theirs, unable = _score(champion, cut.held, fitted.judged)
    constant = float(cut.judged.window(found.best.window).labels.mean())
    training = spec.training
    window = spec.monitor.window.total_seconds()
    spanned = (float(held.times[-1] - held.times[0]) / window,) if spec.data.time is not None else ()
    bootstrap = Bootstrap(training.bootstrap, training.seed)
    comparison = compare(held.labels, ours, theirs, spec.decision, bootstrap, constant, *spanned)
    if theirs is not None and spec.data.time is not None:
        differences = (ours - held.labels) ** 2 - (theirs - held.labels) ** 2
        windows, between = between_windows(held.times, differences, window)
        comparison = replace(comparison, windows=windows, between_windows=between)
    reference = cut.served.window(found.best.window)
    return Made(
        found=found,
        fitted=fitted,
        slices=cut,
        reference=reference,
        held=held,
        ours=ours,
        theirs=theirs,
        comparison=comparison,
        ruling=_rule(same_as, len(cut.held), comparison, unable, training.margin, accept),
        profile=Profile.learn(
            spec.features,
            reference.rows,
            ours,
            held.labels,
            label_delay(spec, cut.served),
            len(reference),
            _days(spec, cut.judged, fitted.judged),
        ),
        parent=champion.number if champion else None,
        capped=found.best.rounds >= training.max_rounds,
    )


def _days(spec: ModelSpec, judged: Examples, booster: xgboost.Booster) -> tuple[Block, ...]:
    """Variation between days, as the newest windows that the judged booster learnt from tell it."""
    window = spec.monitor.window.total_seconds()
    if spec.data.time is None or not len(judged):
        return ()
    recent = judged.since(float(judged.times[-1]) - KEPT_BLOCKS * window)
    scores = np.asarray(booster.inplace_predict(recent.rows), np.float64)
    return blocks_of(recent.times, scores, recent.labels, window, KEPT_BLOCKS)


def _score(
    champion: Champion | None, held: Examples, judged: xgboost.Booster
) -> tuple[Examples, Scores, Scores | None, str | None]:
    """The rows both are judged on, both scores, and why there is no second one."""
    unable = champion.unable(held) if champion else None
    if champion and not unable:
        held = champion.unseen(held)
    ours: Scores = judged.inplace_predict(held.rows).astype(np.float64)
    theirs = champion.score(held) if champion and not unable else None
    return held, ours, theirs, unable


def _rule(
    same_as: int | None, rows: int, comparison: OfflineComparison, unable: str | None, margin: float, accepted: bool
) -> OfflineRuling:
    """The offline verdict, or the operator's word against it."""
    if same_as is not None:
        why = f"no change: it scores all {rows} rows held out exactly as champion {same_as}, nothing to roll out"
        ruling = OfflineRuling("rejected", why)
    elif unable is not None:
        ruling = OfflineRuling("candidate", unable)
    else:
        ruling = rule(comparison, margin)
    if accepted and ruling.standing == "rejected":
        standing: Standing = "candidate" if same_as is not None or comparison.champion is not None else "champion"
        return OfflineRuling(standing, f"accepted by the operator; the offline comparison said: {ruling.why}")
    return ruling


def _alike(champion: Champion | None, rows: Examples, served: xgboost.Booster) -> int | None:
    """The champion's number when what it serves is what the candidate would: no label says so, and no row is new."""
    theirs = None if champion is None else champion.served(rows)
    if champion is None or theirs is None:
        return None
    ours: Scores = served.inplace_predict(rows.rows).astype(np.float64)
    return champion.number if float(np.abs(ours - theirs).max(initial=0.0)) <= SAME else None
