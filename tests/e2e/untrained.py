"""A model that answers without a training job: a small real bundle, registered and deployed as `windvane` does it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cluster.mlflow_registry import MlflowRegistry
from cluster.registry import Registration, Standing
from configs.load import load_settings
from configs.schema import ModelSpec
from tests.bundles import make_bundle
from tests.e2e.conftest import Place, wait_for


def register(place: Place, spec: ModelSpec, *bundles: Path) -> None:
    """A version of the model for each bundle; the first is its champion, the others are candidates."""
    settings = load_settings(place.environment)
    registry = MlflowRegistry(settings.mlflow_uri, settings.artifacts)
    for bundle in bundles:
        first = bundle is bundles[0]
        standing: Standing = "champion" if first else "candidate"
        order = Registration(spec.name, spec.owner, "made for a test", standing, None, None, {}, {}, {})
        version = registry.register(order, bundle)
        if first:
            registry.set_champion(spec.name, version.number)


@contextmanager
def untrained(place: Place, spec: ModelSpec, folder: Path, seed: int = 1, replicas: int = 1) -> Iterator[str]:
    """A champion of this declaration, deployed and answering; the path of its doors.

    It is taken out of service when the block ends: CPUs that it holds are missed by trainings of other tests.
    """
    small = {"num_cpus": 0.05, "min_replicas": replicas, "max_replicas": replicas}
    spec = spec.model_copy(update={"serving": spec.serving.model_copy(update=small)})
    (place.models / f"{spec.name}.yaml").write_text(spec.model_dump_json(exclude_unset=True))
    register(place, spec, make_bundle(folder, seed, spec))
    place.windvane("deploy", spec.name)
    door = f"/v2/models/{spec.name}"
    wait_for(spec.name, lambda: place.http.get(f"{door}/ready").status_code == 200)
    yield door
    place.windvane("undeploy", spec.name)
