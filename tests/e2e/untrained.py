"""A model that answers without a training job: a small real bundle, registered and deployed as `windvane` does it."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.e2e.conftest import Place, wait_for
from tests.worlds.bundles import make_bundle
from windvane.cluster.mlflow_registry import MlflowRegistry
from windvane.cluster.registry import Registration, Standing
from windvane.configs.load import load_settings
from windvane.configs.schema import ModelSpec


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


@dataclass(frozen=True)
class Untrained:
    """A model that is wanted, and on how many replicas; the seed makes its version differ from others."""

    spec: ModelSpec
    folder: Path
    seed: int = 1
    replicas: int = 1

    def write(self, place: Place) -> None:
        """Its declaration and its champion."""
        small = {"num_cpus": 0.05, "min_replicas": self.replicas, "max_replicas": self.replicas}
        spec = self.spec.model_copy(update={"serving": self.spec.serving.model_copy(update=small)})
        (place.models / f"{spec.name}.yaml").write_text(spec.model_dump_json(exclude_unset=True))
        register(place, spec, make_bundle(self.folder, self.seed, spec))


def is_ready(place: Place, name: str) -> bool:
    """Tells whether a replica of the model answers."""
    return place.http.get(f"/v2/models/{name}/ready").status_code == 200


@contextmanager
def all_untrained(place: Place, *wanted: Untrained) -> Iterator[None]:
    """Champions of these declarations, deployed at the same time and answering.

    They are taken out of service when the block ends: CPUs that they hold are missed by trainings of other tests.
    """
    for each in wanted:
        each.write(place)
    names = [each.spec.name for each in wanted]
    with ThreadPoolExecutor(len(wanted)) as all_at_once:
        list(all_at_once.map(lambda name: place.windvane("deploy", name), names))
        for name in names:
            wait_for(name, partial(is_ready, place, name))
    yield
    place.leave(*names)


@contextmanager
def untrained(place: Place, spec: ModelSpec, folder: Path) -> Iterator[str]:
    """One of them; the path of its endpoints."""
    with all_untrained(place, Untrained(spec, folder)):
        yield f"/v2/models/{spec.name}"
