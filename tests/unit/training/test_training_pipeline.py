"""One version made in memory, beside a champion in memory."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pytest

from windvane.configs.schema import ModelSpec
from windvane.training.engines.local_engine import LocalEngine
from windvane.training.evaluate.evaluate import Estimate, auc
from windvane.training.evaluate.incomparable import incomparable
from windvane.training.rows.examples import Examples
from windvane.training.training_pipeline import Made, make

SPEC = ModelSpec.model_validate(
    {
        "name": "loans",
        "owner": "credit",
        "unit": "customer",
        "target": {"name": "bad"},
        "features": [{"name": "income", "type": "number"}],
        "data": {"source": "rows.csv", "time": "day"},
        "decision": {"actions": [{"name": "grant", "at_least": 0.0}]},
        "training": {"trials": 1, "max_rounds": 40, "bootstrap": 50},
    }
)


@dataclass(frozen=True)
class Remembered:
    """A champion without files that always says the same."""

    chance: float
    number: int = 3
    judged_until: float | None = 500.0
    said: list[int] = field(default_factory=list)

    def unable(self, held: Examples) -> str | None:
        return None if len(held) > 100 else "champion 3 knows these rows: not compared"

    def unseen(self, held: Examples) -> Examples:
        return held.since(900.0)

    def score(self, unseen: Examples) -> np.ndarray:
        self.said.append(len(unseen))
        return np.full(len(unseen), self.chance)

    def served(self, examples: Examples) -> np.ndarray | None:
        return np.full(len(examples), self.chance)


@dataclass(frozen=True)
class Before(Remembered):
    """The version that was made before as champion; `lacks` a column that it needs."""

    made: Made | None = None
    unlike: float = 0.0
    lacks: bool = False

    def unable(self, held: Examples) -> str | None:
        return incomparable(self.number, self.unseen(held))

    def unseen(self, held: Examples) -> Examples:
        assert self.judged_until is not None
        return held.since(self.judged_until)

    def score(self, unseen: Examples) -> np.ndarray:
        assert self.made is not None
        return self.made.fitted.judged.inplace_predict(unseen.rows).astype(np.float64)

    def served(self, examples: Examples) -> np.ndarray | None:
        if self.lacks:
            return None
        assert self.made is not None
        return self.made.fitted.served.inplace_predict(examples.rows).astype(np.float64) + self.unlike


def examples(n: int, seed: int = 1) -> Examples:
    random = np.random.default_rng(seed)
    rows = random.normal(size=(n, 1)).astype(np.float32)
    labels = random.random(n) < 1 / (1 + np.exp(-3 * rows[:, 0]))
    return Examples(pa.table({"income": rows[:, 0]}), rows, labels, np.arange(n, dtype=np.float64))


def test_the_first_version_is_judged_on_the_newest_rows_alone() -> None:
    rows = examples(1000)
    made = make(SPEC, rows, rows, None, LocalEngine())
    assert (made.judged_until, made.trained_until, len(made.held), made.parent) == (800.0, 999.0, 200, None)
    assert (made.slices.learn.times[-1], made.slices.check.times[0]) == (639.0, 640.0)
    assert made.ruling.standing == "champion"
    assert made.comparison.candidate["auc"].value > 0.8
    assert made.ours.tolist() == made.fitted.judged.inplace_predict(made.held.rows).tolist()
    assert sum(made.profile.features[0].counts) == 1000


def test_a_champion_in_memory_is_faced_on_the_rows_it_has_not_seen() -> None:
    rows, champion = examples(1000), Remembered(0.5)
    made = make(SPEC, rows, rows, champion, LocalEngine())
    assert champion.said == [100]
    assert (len(made.held), made.parent, made.ruling.standing) == (100, 3, "candidate")
    assert made.comparison.champion is not None
    assert made.comparison.champion["log_loss"].value == pytest.approx(np.log(2))


def test_a_champion_that_knows_every_row_is_not_compared() -> None:
    rows = examples(400)
    made = make(SPEC, rows, rows, Remembered(0.5), LocalEngine())
    assert (len(made.held), made.theirs) == (80, None)
    assert made.ruling.why == "champion 3 knows these rows: not compared"


def test_a_version_that_learnt_nothing_is_no_champion_until_somebody_accepts_it() -> None:
    rows = examples(2000)
    noise = replace(rows, labels=np.random.default_rng(9).random(2000) < 0.3)
    made = make(SPEC, noise, noise, None, LocalEngine())
    assert made.ruling.standing == "rejected"
    assert "is not surely lower than that of saying 0.294 to every row" in made.ruling.why
    accepted = make(SPEC, noise, noise, None, LocalEngine(), accept=True)
    assert accepted.ruling.standing == "champion"
    assert accepted.ruling.why.startswith("accepted by the operator; the offline comparison said: log loss")


def test_rows_held_out_with_one_outcome_judge_nobody() -> None:
    rows = examples(1000)
    late = replace(rows, labels=rows.labels & (rows.times < 790))
    made = make(SPEC, late, late, None, LocalEngine())
    assert made.ruling.standing == "rejected"
    assert made.ruling.why.startswith("all 200 rows held out are false, so nothing says how good it is")


def test_the_champion_over_again_is_no_change() -> None:
    rows = examples(1000)
    first = make(SPEC, rows, rows, None, LocalEngine())
    again = make(SPEC, rows, rows, Before(0.5, judged_until=800.0, made=first), LocalEngine())
    assert again.ruling.standing == "rejected"
    assert again.ruling.why.startswith("no change: it scores all 200 rows held out exactly as champion 3")


@pytest.mark.parametrize("judged_until", [960.0, 1000.0])
def test_no_change_is_told_although_too_few_rows_or_none_are_left_to_compare_on(judged_until: float) -> None:
    rows = examples(1000)
    first = make(SPEC, rows, rows, None, LocalEngine())
    champion = Before(0.5, judged_until=judged_until, made=first)
    again = make(SPEC, rows, rows, champion, LocalEngine())
    assert (again.ruling.standing, again.theirs) == ("rejected", None)
    assert again.ruling.why.startswith("no change: it scores all 200 rows held out exactly as champion 3")
    accepted = make(SPEC, rows, rows, champion, LocalEngine(), accept=True)
    assert accepted.ruling.standing == "candidate"
    assert accepted.ruling.why.startswith("accepted by the operator; the offline comparison said: no change")
    for other in (replace(champion, unlike=1e-5), replace(champion, lacks=True)):
        assert make(SPEC, rows, rows, other, LocalEngine()).ruling.why.endswith("not compared")


def test_what_the_judged_boosters_share_is_no_excuse_when_the_served_ones_differ() -> None:
    rows = examples(1000)
    first = make(SPEC, rows, rows, None, LocalEngine())
    champion = Before(0.5, judged_until=800.0, made=first, unlike=0.01)
    again = make(SPEC, rows, rows, champion, LocalEngine())
    assert again.comparison.differences["log_loss"].value == 0.0
    assert again.ruling.standing == "candidate"


def test_a_champion_is_compared_on_fifty_new_rows_of_both_outcomes() -> None:
    rows = examples(60)
    one_kind = replace(rows, labels=np.ones(60, bool))
    assert incomparable(3, rows) is None
    assert incomparable(3, rows.since(11.0)) == (
        "champion 3 has learnt from all but 49 of the rows held out: not compared"
    )
    assert incomparable(3, one_kind) == (
        "all 60 rows held out that champion 3 has not learnt from are true: not compared"
    )


def test_what_makes_figures_doubtful_is_told() -> None:
    rows = examples(1000)
    assert make(SPEC, rows, rows, None, LocalEngine()).doubts == ()
    moved = replace(rows, labels=rows.labels & ((rows.times < 800) | (rows.times % 3 == 0)), doubt="it drifts")
    made = make(SPEC, moved, moved, None, LocalEngine())
    sorted_file, off = made.doubts
    assert sorted_file.startswith("Rows have no time, and it drifts: held out at random")
    assert off.startswith("Its scores are off: it says 0.4")
    few = replace(made, found=replace(made.found, planned=6, why_fewer="training.tune_budget was used up"))
    assert few.doubts[1] == "Of 6 settings 1 were tried: training.tune_budget was used up."
    perfect = {**made.comparison.candidate, "auc": Estimate(0.9993, 0.999, 1.0)}
    betrayed = replace(made, comparison=replace(made.comparison, candidate=perfect)).doubts
    assert betrayed[1].startswith("Its AUC is 0.9993, too good for a decision that is made before its outcome")
    cut = replace(made.slices, served=replace(made.slices.served, left_out="3 of 9 decisions lack income"))
    assert replace(made, slices=cut).doubts[1] == "3 of 9 decisions lack income."
    capped = replace(made, capped=True).doubts[-1]
    assert capped.startswith("The best setting ended at max_rounds (")


def test_other_rows_teach_while_the_declared_ones_judge() -> None:
    declared, upside_down = examples(1000), examples(1000, seed=2)
    upside_down = Examples(upside_down.table, upside_down.rows, ~upside_down.labels, upside_down.times)
    made = make(SPEC, declared, upside_down, None, LocalEngine())
    assert made.held.labels.tolist() == declared.labels[800:].tolist()
    assert made.comparison.candidate["auc"].value < 0.2


@pytest.mark.parametrize("bend", [lambda x: 2 * x, lambda x: 3 * np.abs(x)], ids=["straight", "bent"])
def test_one_true_row_in_a_hundred_is_told_from_others_at_default_settings(
    bend: Callable[[np.ndarray], np.ndarray],
) -> None:
    random = np.random.default_rng(9)

    def rare(n: int) -> Examples:
        rows = random.normal(size=(n, 2)).astype(np.float32)
        margin = bend(rows[:, 0]) + random.logistic(size=n)
        labels = margin >= np.sort(margin)[-n // 100]
        return Examples(pa.table({"a": rows[:, 0], "b": rows[:, 1]}), rows, labels, np.arange(n, dtype=np.float64))

    fields = SPEC.model_dump(exclude={"training"}, exclude_unset=True)
    spec = ModelSpec.model_validate({**fields, "features": [{"name": name, "type": "number"} for name in "ab"]})
    learnt, unseen = rare(1500), rare(10_000)
    made = make(spec, learnt, learnt, None, LocalEngine())
    assert (int(learnt.labels.sum()), int(unseen.labels.sum())) == (15, 100)
    assert auc(unseen.labels, made.fitted.served.inplace_predict(unseen.rows).astype(np.float64)) > 0.75
