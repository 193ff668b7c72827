"""Explaining stays on the loop while it is quick, leaves it when it is not, and forgets versions that are gone."""

import asyncio
import gc
import threading
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from cluster.encoding import Rows
from cluster.errors import Unavailable
from serve_apps import explaining
from serve_apps.explaining import Explaining, Explanations
from serve_apps.pace import Pace
from serve_apps.pending import Scored


class Version:
    """Explains a row as its own values, or cannot; remembers the threads it was asked in."""

    def __init__(self, number: int = 1, broken: bool = False) -> None:
        self.number = number
        self.threads: list[threading.Thread] = []
        self._broken = broken

    def explain(self, rows: Rows) -> NDArray[np.float64]:
        self.threads.append(threading.current_thread())
        if self._broken:
            raise Unavailable("Version 1 cannot explain")
        return rows.astype(np.float64)


def scored(version: Version, rows: int = 2) -> Scored:
    encoded = np.arange(2.0 * rows, dtype=np.float32).reshape(rows, 2)
    parts: Any = (None, "champion", version, [None] * rows)
    return Scored(*parts, encoded, np.zeros(rows), [])


def explain(version: Version) -> tuple[Explanations | None, BaseException | None]:
    async def run() -> tuple[Explanations | None, BaseException | None]:
        told: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        Explaining(asyncio.get_running_loop(), lambda _, *found: told.set_result(found)).explain(scored(version))
        return cast(tuple[Explanations | None, BaseException | None], await told)

    return asyncio.run(run())


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Pace, "expected", lambda *_: explaining.LONGEST_HELD_SECONDS * 1.01)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Pace, "expected", lambda *_: explaining.LONGEST_HELD_SECONDS)


@pytest.mark.usefixtures("quick")
def test_what_is_quick_is_done_at_once_where_it_was_asked() -> None:
    version = Version()
    assert explain(version) == ([(0.0, 1.0), (2.0, 3.0)], None)
    assert version.threads == [threading.main_thread()]


@pytest.mark.usefixtures("slow")
def test_what_is_slow_is_done_in_a_thread_and_told_on_the_loop() -> None:
    version = Version()
    assert explain(version) == ([(0.0, 1.0), (2.0, 3.0)], None)
    assert version.threads[0] is not threading.main_thread()


@pytest.mark.usefixtures("quick")
def test_a_version_that_cannot_is_told_on_the_loop() -> None:
    explanations, error = explain(Version(broken=True))
    assert (explanations, str(error)) == (None, "Version 1 cannot explain")


@pytest.mark.usefixtures("slow")
def test_a_version_that_cannot_is_told_from_the_thread() -> None:
    explanations, error = explain(Version(broken=True))
    assert (explanations, str(error)) == (None, "Version 1 cannot explain")


@pytest.mark.usefixtures("quick")
def test_a_version_that_is_let_go_takes_its_pace_with_it() -> None:
    loop = asyncio.new_event_loop()
    explaining_ = Explaining(loop, lambda *_: None)
    kept = Version(0)
    for version in (kept, *map(Version, range(1, 5))):
        explaining_.explain(scored(version))
    del version
    gc.collect()
    assert [each.number for each in explaining_._paces] == [0]
    loop.close()
