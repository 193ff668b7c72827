"""The engine that takes Ray where the work pays for it, and this process where it does not or where no CPU is free."""

from typing import Protocol

from windvane.configs.schema import Training
from windvane.training.fit.engine import Engine, Fitted, SearchResult, Work
from windvane.training.fit.settings import FitSettings
from windvane.training.rows.examples import Examples

SECONDS_A_CELL = 4.5e-7  # of one trial: 150 rounds at 3 ns for each row and feature, as measured on 100,000 x 15
RAY_SECONDS = 45.0  # that Tune's and Train's processes take to begin


class Cluster(Engine, Protocol):
    """An engine that needs CPUs of a cluster."""

    def start(self) -> None:
        """Join the cluster, once."""

    def free_cpus(self) -> float:
        """CPUs that nobody has reserved now."""


class SizedEngine:
    """Searches and fits in this process, or on the cluster when several workers are declared or the work is long."""

    def __init__(self, local: Engine, cluster: Cluster) -> None:
        self._local, self._cluster = local, cluster

    def search(self, learn: Examples, check: Examples, work: Work) -> SearchResult:
        """The best settings for `learn`, compared on the newer `check`."""
        return self._chosen(learn, work).search(learn, check, work)

    def fit(self, judged: Examples, served: Examples, settings: FitSettings, work: Work) -> Fitted:
        """A booster from each of both sets of rows."""
        return self._chosen(served, work).fit(judged, served, settings, work)

    def _chosen(self, examples: Examples, work: Work) -> Engine:
        if not pays(examples.rows.size, work.training):
            return self._local
        self._cluster.start()
        free = self._cluster.free_cpus()
        if free < 1.0:
            work.say(
                f"no whole CPU is free ({free:g}), so this runs in the job's own process, behind whatever else wants "
                "the processor; `windvane undeploy` of a model frees some"
            )
            return self._local
        return self._cluster


def pays(cells: int, training: Training) -> bool:
    """Whether a search over rows x features `cells` takes so long that Ray's workers are worth starting.

    They halve it at best on two CPUs: it pays from twice what they take to begin.

    >>> pays(30_000 * 20, Training()), pays(2_000_000 * 20, Training()), pays(100, Training(workers=2))
    (False, True, True)
    """
    return training.workers > 1 or cells * training.trials * SECONDS_A_CELL > 2 * RAY_SECONDS
