"""Explaining picks its rows, stays on the loop while it is quick, leaves it when not, and forgets who is gone."""

import asyncio
import gc
import threading
from typing import Any
from weakref import WeakSet

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.worlds.bundles import SPEC, spec_of
from windvane.cluster.decision_log.grounds import Grounds
from windvane.cluster.encoding import Rows
from windvane.cluster.errors import Unavailable
from windvane.cluster.policies.policy import PolicyDecision
from windvane.configs.schema import ModelSpec
from windvane.serve_apps.pipeline import explaining
from windvane.serve_apps.pipeline.cost_estimate import CostEstimate
from windvane.serve_apps.pipeline.explaining import Explaining
from windvane.serve_apps.pipeline.pending import ActionTaken, Row, Scored
from windvane.serve_apps.protocol.question import Question
from windvane.serve_apps.versions.reasons.adverse_action import Explained

PLAIN: Any = None
ALLOWED = PolicyDecision(True, (), "", "")
Told = tuple[list[int], list[Explained] | None, BaseException | None]  # places, explanations, error


class Version:
    """Explains a row as its own values, or cannot; remembers the threads it was asked in."""

    def __init__(self, number: int = 1, broken: bool = False) -> None:
        self.number = number
        self.threads: list[threading.Thread] = []
        self.adverse_action = self
        self._broken = broken

    def explain(self, rows: Rows) -> NDArray[np.float64]:
        self.threads.append(threading.current_thread())
        if self._broken:
            raise Unavailable("Version 1 cannot explain")
        return rows.astype(np.float64)

    def explained(self, questions: list[Question], actions: list[str], contributions: Rows) -> list[Explained]:
        told = zip(contributions.tolist(), actions, questions, strict=True)
        return [Explained(tuple(each), (), Grounds(()) if action == "warn" else None) for each, action, _ in told]


def scored(version: Version, explain: tuple[bool, ...] = (True, True), adverse: tuple[int, ...] = ()) -> Scored:
    encoded = np.arange(2.0 * len(explain), dtype=np.float32).reshape(-1, 2)
    rows = [Row(PLAIN, place, Question("s", (), explain=asked), 0) for place, asked in enumerate(explain)]
    actions = ["warn" if place in adverse else "keep" for place in range(len(rows))]
    actions_taken = [ActionTaken(action, action, (), ALLOWED) for action in actions]
    loaded: Any = version
    return Scored(PLAIN, "champion", loaded, rows, encoded, np.zeros(len(rows)), actions_taken)


def take(given: Scored, spec: ModelSpec = SPEC) -> list[Told]:
    """Explanations of the rows, in the order in which they are told."""

    async def run() -> list[Told]:
        told: list[Told] = []
        done = asyncio.Event()

        def tell(part: Scored, explanations: Any, error: BaseException | None) -> None:
            told.append(([row.place for row in part.rows], explanations, error))
            if sum(len(places) for places, *_ in told) == len(given.rows):
                done.set()

        Explaining(spec, asyncio.get_running_loop(), tell).take(given)
        await done.wait()
        return told

    return asyncio.run(run())


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CostEstimate, "expected", lambda *_: explaining.LONGEST_HELD_SECONDS * 1.01)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CostEstimate, "expected", lambda *_: explaining.LONGEST_HELD_SECONDS)


def places(told: list[Told]) -> list[tuple[list[int], bool]]:
    return [(rows, explanations is not None) for rows, explanations, _ in told]


@pytest.mark.usefixtures("quick")
def test_what_is_quick_is_done_at_once_where_it_was_asked() -> None:
    version = Version()
    assert take(scored(version)) == [([0, 1], [Explained((0.0, 1.0), (), None), Explained((2.0, 3.0), (), None)], None)]
    assert version.threads == [threading.main_thread()]


@pytest.mark.usefixtures("slow")
def test_what_is_slow_is_done_in_a_thread_and_told_on_the_loop() -> None:
    version = Version()
    [(rows, explanations, error)] = take(scored(version))
    assert (rows, error) == ([0, 1], None)
    assert explanations is not None
    assert explanations[1].weights == (2.0, 3.0)
    assert version.threads[0] is not threading.main_thread()


@pytest.mark.parametrize("pace", ["quick", "slow"])
def test_a_version_that_cannot_is_told_on_the_loop(pace: str, request: pytest.FixtureRequest) -> None:
    request.getfixturevalue(pace)
    [(rows, explanations, error)] = take(scored(Version(broken=True)))
    assert (rows, explanations, str(error)) == ([0, 1], None, "Version 1 cannot explain")


@pytest.mark.usefixtures("quick")
def test_whatever_goes_wrong_in_telling_is_the_versions_fault_and_nobody_waits_for_ever() -> None:
    version = Version()
    version.explained = None  # type: ignore[assignment, method-assign]
    [(rows, _, error)] = take(scored(version))
    assert (rows, isinstance(error, Unavailable)) == ([0, 1], True)


@pytest.mark.usefixtures("quick")
def test_only_who_asked_is_explained_and_the_others_are_answered_first() -> None:
    version = Version()
    assert places(take(scored(version, (True, False, True)))) == [([1], False), ([0, 2], True)]
    assert places(take(scored(version, (False, False)))) == [([0, 1], False)]
    assert len(version.threads) == 1


@pytest.mark.usefixtures("quick")
def test_all_are_explained_where_that_is_declared() -> None:
    assert places(take(scored(Version(), (True, False)), spec_of(every=True))) == [([0, 1], True)]


@pytest.mark.usefixtures("quick")
def test_an_adverse_action_is_explained_whether_anybody_asked_or_not() -> None:
    told = take(scored(Version(), (False, False, True), adverse=(1,)), spec_of(adverse=True))
    assert places(told) == [([0], False), ([1, 2], True)]
    assert told[1][1] == [Explained((2.0, 3.0), (), Grounds(())), Explained((4.0, 5.0), (), None)]


@pytest.mark.usefixtures("quick")
def test_a_search_is_never_on_the_loop_and_one_row_at_a_time() -> None:
    version = Version()
    spec = spec_of(adverse=True, counterfactual=True)
    told = take(scored(version, (False, True, False, True), adverse=(2, 3)), spec)
    assert places(told) == [([0], False), ([1], True), ([2], True), ([3], True)]
    assert version.threads[0] is threading.main_thread()
    assert all(thread is not threading.main_thread() for thread in version.threads[1:])
    assert len({thread.ident for thread in version.threads[1:]}) == 1


@pytest.mark.usefixtures("quick")
def test_a_search_that_fails_is_told_as_its_row() -> None:
    spec = spec_of(adverse=True, counterfactual=True)
    told = take(scored(Version(broken=True), (False, False), adverse=(1,)), spec)
    assert [(rows, str(error or "")) for rows, _, error in told] == [([0], ""), ([1], "Version 1 cannot explain")]


@pytest.mark.usefixtures("quick")
def test_a_version_that_is_let_go_takes_its_estimate_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    estimates: WeakSet[CostEstimate] = WeakSet()

    def estimate() -> CostEstimate:
        made = CostEstimate()
        estimates.add(made)
        return made

    monkeypatch.setattr(explaining, "CostEstimate", estimate)
    loop = asyncio.new_event_loop()
    explaining_ = Explaining(SPEC, loop, lambda *_: None)
    kept = Version(0)
    for version in (kept, *map(Version, range(1, 5))):
        explaining_.take(scored(version))
    assert len(estimates) == 5
    del version
    gc.collect()
    assert len(estimates) == 1
    loop.close()
