"""The engine on Ray: Tune searches, Train fits; attaches to the cluster that runs the job, or starts one."""

from collections.abc import Callable
from pathlib import Path

from configs.schema import Training
from training.engine import Fitted, Search
from training.examples import Examples
from training.settings import FitSettings


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

    def warm_up(self) -> None:
        """Import what the search needs: three seconds."""
        import training.tune  # noqa: F401

    def search(
        self, learn: Examples, check: Examples, training: Training, scratch: Path | None, say: Callable[[str], None]
    ) -> Search:
        """The best settings found by Ray Tune."""
        from training.tune import search

        return search(learn, check, training, _needed(scratch), say)

    def fit(
        self,
        judged: Examples,
        served: Examples,
        settings: FitSettings,
        training: Training,
        scratch: Path | None,
        _: Callable[[str], None],
    ) -> Fitted:
        """Both boosters from Ray Train."""
        from training.train import fit

        return fit(judged, served, settings, training, _needed(scratch))

    def free_cpus(self) -> float:
        """CPUs that nobody has reserved now."""
        import ray

        return float(ray.available_resources().get("CPU", 0.0))


def _needed(scratch: Path | None) -> Path:
    if scratch is None:
        raise ValueError("Ray's workers exchange files: give a scratch folder, or take the LocalEngine")
    return scratch
