"""The declarations that serve: what `windvane deploy` stored of each model, and what tells one from another."""

import hashlib
from collections.abc import Callable

from windvane.cluster.errors import NotFound, Unavailable
from windvane.cluster.policies.mandate import mandate_of
from windvane.cluster.policies.policy import Mandate
from windvane.cluster.store import DECLARATION, Saved, Store
from windvane.configs.schema import ModelSpec


class Declarations:
    """Reads the deployed declarations and parses each when it changes; keeps those deployed now, for any thread.

    A stored body tells whether it changed: revisions begin at 1 again for a model that comes back into service.
    """

    def __init__(self, store: Store, parse: Callable[[bytes], ModelSpec] = ModelSpec.model_validate_json) -> None:
        self._store = store
        self._parse = parse
        self._parsed: dict[str, tuple[bytes, ModelSpec]] = {}

    def all(self) -> tuple[ModelSpec, ...]:
        """Every deployed declaration, by name."""
        # A new dictionary: what is not deployed any more goes, and no other thread sees one that changes.
        self._parsed = {saved.key: (saved.body, self._spec(saved)) for saved in self._store.list(DECLARATION)}
        return tuple(spec for _, spec in self._parsed.values())

    def find(self, model: str) -> ModelSpec | None:
        """The deployed declaration of that model; None when it is not deployed."""
        saved = self._store.get(DECLARATION, model)
        return None if saved is None else self._spec(saved)

    def spec(self, model: str) -> ModelSpec:
        """The deployed declaration of that model; raises NotFound with the names of those that are deployed."""
        found = self.find(model)
        if found is None:
            names = ", ".join(each.name for each in self.all()) or "none"
            raise NotFound(f"No model {model!r} is deployed; deployed are: {names}. `windvane deploy NAME` serves one")
        return found

    def demand_gone(self, model: str) -> None:
        """Raise Unavailable where that model is deployed, for whoever asked elsewhere than at its replicas.

        HAProxy answers the next request on a connection that was open before a deploy by the routes of then.
        """
        if self.find(model) is not None:
            raise Unavailable(
                f"{model} is deployed and this request did not reach it: it may be starting, or its connection is "
                "older than its route. Send it again; `windvane status` says how it stands"
            )

    def mandate(self, model: str) -> Mandate | None:
        """The mandate of the deployed declaration; None when none is deployed."""
        spec = self.find(model)
        return None if spec is None else mandate_of(spec)

    def _spec(self, saved: Saved) -> ModelSpec:
        kept = self._parsed.get(saved.key)
        return kept[1] if kept is not None and kept[0] == saved.body else self._parse(saved.body)


def load_spec(store: Store, model: str) -> ModelSpec:
    """The deployed declaration; raises NotFound when the model was never deployed."""
    saved = store.get(DECLARATION, model)
    if saved is None:
        raise NotFound(f"No model {model!r} is deployed: run `windvane deploy {model}`")
    return ModelSpec.model_validate_json(saved.body)


def deployed_models(store: Store) -> list[tuple[str, str]]:
    """Deployed models with the digest of their declaration: after `down`, `up` serves them again."""
    return [(saved.key, spec_digest(saved.body)) for saved in store.list(DECLARATION)]


def spec_digest(body: bytes) -> str:
    """Digest that tells declarations apart.

    >>> spec_digest(b"{}")
    '44136fa355b3678a'
    """
    return hashlib.sha256(body).hexdigest()[:16]
