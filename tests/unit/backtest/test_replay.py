"""A history replayed: what is learnt, answered and counted is what was known at the time."""

import numpy as np
import pytest

from benchmarks.loop.worlds import DAY, EPOCH, Story, make, spec_of
from windvane.backtest.history import History
from windvane.backtest.inject import inject
from windvane.backtest.replay import Replay
from windvane.backtest.report import report
from windvane.backtest.run import Run, Trained
from windvane.backtest.schedules import schedules
from windvane.cluster.errors import Invalid
from windvane.cluster.registry import Standing
from windvane.monitoring.counts.profile import Profile
from windvane.training.order import Order

SPEC = spec_of([{"name": "a", "type": "number"}], monitor={"window": "1d"}, retrain={"growth": None})
START = EPOCH + 10 * DAY


def history(days: int = 30, per_day: int = 200, delay: float = 1.0, flip: float | None = 20.0) -> History:
    rng = np.random.default_rng(3)
    n = days * per_day
    times = EPOCH + np.arange(n) * DAY / per_day
    a = rng.normal(size=n)
    direction = np.ones(n) if flip is None else np.where(times >= EPOCH + flip * DAY, -1.0, 1.0)
    labels = rng.random(n) < 1 / (1 + np.exp(-3.0 * direction * a))
    return History(a[:, None].astype(np.float32), labels, times, times + delay * DAY)


class SignTrainer:
    """Learns one thing: which way `a` points in the newest rows it may see."""

    def __init__(self, told: History) -> None:
        self._history = told
        self.orders: list[tuple[Order, float, float]] = []

    def train(self, order: Order, number: int, champion: int | None, until: float, now: float) -> Trained:
        self.orders.append((order, until, now))
        known = self._history.learnable(until, now)
        known = known.since(order.since.timestamp()) if order.since else known
        sign = np.sign(np.corrcoef(known.rows[:, 0], known.labels)[0, 1])

        def score(rows: np.ndarray) -> np.ndarray:
            return 1 / (1 + np.exp(-3.0 * sign * rows[:, 0].astype(np.float64)))

        profile = Profile.learn(SPEC.features, known.rows, score(known.rows), known.labels)
        standing: Standing = "champion" if champion is None else "candidate"
        return Trained(standing, f"sign {sign:+.0f}", profile, score, len(known))


@pytest.fixture(scope="module")
def flipped() -> tuple[Run, SignTrainer]:
    told = history()
    trainer = SignTrainer(told)
    return Replay(SPEC, told, trainer, START).run(), trainer


def test_a_flip_is_found_retrained_proven_and_promoted(flipped: tuple[Run, SignTrainer]) -> None:
    run, _ = flipped
    kinds = [event.kind for event in run.events]
    story = ["deployed", "finding", "assessment", "retrain_requested", "job_succeeded", "promoted"]
    assert [kinds.index(kind) for kind in story] == sorted(kinds.index(kind) for kind in story)
    asked = next(request for request in run.requests if request.cause == "findings")
    assert asked.since is not None
    assert asked.since.timestamp() == EPOCH + 20 * DAY
    assert run.by[-1] == asked.version


def test_every_row_from_the_start_on_is_answered_once(flipped: tuple[Run, SignTrainer]) -> None:
    run, _ = flipped
    assert run.first == 2_000
    assert np.isnan(run.answered[: run.first]).all()
    assert not np.isnan(run.answered[run.first :]).any()
    assert (run.by[: run.first] == 0).all()


def test_no_training_sees_a_label_before_it_is_known(flipped: tuple[Run, SignTrainer]) -> None:
    _, trainer = flipped
    for _, until, now in trainer.orders:
        assert until <= now
        assert history().learnable(until, now).times[-1] <= now - DAY


def test_the_same_history_is_replayed_the_same() -> None:
    told = history(days=24)
    runs = [Replay(SPEC, told, SignTrainer(told), START).run() for _ in range(2)]
    assert [event.detail for event in runs[0].events] == [event.detail for event in runs[1].events]
    np.testing.assert_array_equal(runs[0].answered, runs[1].answered)


def test_a_world_that_stays_is_left_alone() -> None:
    told = history(flip=None)
    run = Replay(SPEC, told, SignTrainer(told), START).run()
    assert [request for request in run.requests if request.cause == "findings"] == []


def test_a_history_without_a_single_label_asks_for_nothing() -> None:
    told = history(delay=0.0)
    silent = History(told.rows, told.labels, told.times, np.where(told.times < START, told.times, np.inf))
    run = Replay(SPEC, silent, SignTrainer(silent), START).run()
    assert run.requests == ()


def test_what_a_version_was_worth_is_what_its_predecessor_would_have_lost_more(
    flipped: tuple[Run, SignTrainer],
) -> None:
    run, _ = flipped
    told = history()
    beside = schedules(SPEC, told, START, period=10 * DAY, step=5 * DAY)
    found = report("world", told, run, beside, START, 10 * DAY)
    cure = next(each for each in found.worth if each.version == run.by[-1])
    assert cure.gained_each > 1.0
    assert found.loop < found.never
    assert found.regret == pytest.approx(found.loop - found.hindsight)
    assert sum(each.answered for each in found.worth) == found.rows


def test_hindsight_is_no_worse_than_any_schedule_on_its_grid() -> None:
    told = history(days=40)
    beside = schedules(SPEC, told, START, period=10 * DAY, step=5 * DAY)
    best = beside.hindsight.sum()
    assert best <= min(beside.never.sum(), beside.recent.sum(), beside.everything.sum()) + 1e-9


def test_faults_are_put_in_from_their_moment_on() -> None:
    told, at = history(flip=None), EPOCH + 15 * DAY
    flipped = inject(SPEC, told, "flip", at)
    later = told.times >= at
    assert (flipped.labels[later] != told.labels[later]).all()
    assert (flipped.labels[~later] == told.labels[~later]).all()
    fewer = inject(SPEC, told, "prior", at)
    assert fewer.labels[fewer.times >= at].mean() < 0.3
    assert (inject(SPEC, told, "unit", at).rows[later] == 60 * told.rows[later]).all()
    with pytest.raises(Invalid, match="did you mean 'flip'"):
        inject(SPEC, told, "flipp", at)


def test_a_told_world_has_its_story_in_it() -> None:
    world = make(Story("x", "flip", cold=20, days=20, per_day=50, change=5.0), seed=1)
    assert world.change == world.start + 5 * DAY
    assert len(world.history) == 2_000
    assert world.history.chance is not None
