"""The size of the work and a free CPU decide which engine takes it."""

import numpy as np
import pyarrow as pa
import pytest

from windvane.configs.schema import Training
from windvane.training.engines.sized_engine import SizedEngine
from windvane.training.fit.engine import Fitted, SearchResult, Work
from windvane.training.fit.settings import FitSettings
from windvane.training.rows.examples import Examples

FOUND = SearchResult(FitSettings(), ())


class Told:
    """An engine that remembers what it was asked to do."""

    def __init__(self, free: float = 2.0) -> None:
        self.asked: list[str] = []
        self._free = free

    def start(self) -> None:
        self.asked.append("start")

    def free_cpus(self) -> float:
        return self._free

    def search(self, learn: Examples, check: Examples, work: Work) -> SearchResult:
        self.asked.append("search")
        return FOUND

    def fit(self, *_: object) -> Fitted:
        self.asked.append("fit")
        return None  # type: ignore[return-value]


def rows(n: int, features: int) -> Examples:
    wide = np.broadcast_to(np.float32(0), (n, features))  # of any size, without the memory
    return Examples(pa.table({}), wide, np.zeros(n, bool), np.zeros(n))


@pytest.mark.parametrize(
    ("size", "training", "where"),
    [
        ((5_000, 10), Training(), "local"),
        ((300_000, 24), Training(), "local"),
        ((300_000, 24), Training(trials=40), "cluster"),
        ((5_000, 10), Training(workers=2), "cluster"),
        ((5_000_000, 24), Training(), "cluster"),
    ],
)
def test_the_cluster_is_asked_only_where_the_work_pays_for_its_start(
    size: tuple[int, int], training: Training, where: str
) -> None:
    local, cluster = Told(), Told()
    engine = SizedEngine(local, cluster)
    engine.search(rows(*size), rows(1, 1), Work(training))
    engine.fit(rows(1, 1), rows(*size), FitSettings(), Work(training))
    assert (local.asked, cluster.asked) == (
        (["search", "fit"], []) if where == "local" else ([], ["start", "search", "start", "fit"])
    )


def test_without_a_free_cpu_it_does_not_wait_but_says_where_it_runs() -> None:
    local, cluster, lines = Told(), Told(free=0.75), list[str]()
    SizedEngine(local, cluster).search(rows(1, 1), rows(1, 1), Work(Training(workers=2), say=lines.append))
    assert local.asked == ["search"]
    assert lines[0].startswith("no whole CPU is free (0.75), so this runs in the job's own process")
