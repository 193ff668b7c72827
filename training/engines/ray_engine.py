"""The engine on Ray: Tune searches, Train fits; attaches to the cluster that runs the job, or starts one."""

from pathlib import Path

from windvane.training.fit.engine import Fitted, SearchResult, Work
from windvane.training.fit.settings import FitSettings
from windvane.training.rows.examples import Examples


class RayEngine:
    """Searches with Ray Tune and fits with Ray Train; imports them late, since that takes seconds."""

    def __init__(self, address: str | None) -> None:
        """`address` of the cluster; None follows RAY_ADDRESS, which Ray sets for its jobs, or starts a local one."""
        self._address = address

    def start(self) -> None:
        """Connect to the cluster."""
        import ray

        if not ray.is_initialized():
            ray.init(address=self._address, log_to_driver=False, logging_level="ERROR")

    def search(self, learn: Examples, check: Examples, work: Work) -> SearchResult:
        """The best settings found by Ray Tune."""
        from windvane.training.search.tune import search

        return search(learn, check, work.training, _needed(work.scratch), work.say)

    def fit(self, judged: Examples, served: Examples, settings: FitSettings, work: Work) -> Fitted:
        """Both boosters from Ray Train."""
        from windvane.training.fit.train import fit

        return fit(judged, served, settings, work.training, _needed(work.scratch))

    def free_cpus(self) -> float:
        """CPUs that nobody has reserved now."""
        import ray

        return float(ray.available_resources().get("CPU", 0.0))


def _needed(scratch: Path | None) -> Path:
    if scratch is None:
        raise ValueError("Ray's workers exchange files: give a scratch folder, or take the LocalEngine")
    return scratch
