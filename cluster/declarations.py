"""The declarations that serve: what `windvane deploy` stored of each model, and what tells one from another."""

import hashlib

from windvane.cluster.errors import NotFound
from windvane.cluster.store import DECLARATION, Store
from windvane.configs.schema import ModelSpec


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
    """What tells one declaration from another.

    >>> spec_digest(b"{}")
    '44136fa355b3678a'
    """
    return hashlib.sha256(body).hexdigest()[:16]
