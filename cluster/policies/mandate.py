"""A declaration's mandate, as policies see it; kept by digest, so that a decision can be judged again. Pure."""

import hashlib
from contextlib import suppress

import msgspec

from windvane.cluster.decoders import json_decoder
from windvane.cluster.errors import Conflict
from windvane.cluster.policies.policy import WHOLE, Mandate
from windvane.cluster.store import Store
from windvane.configs.schema import ModelSpec

MANDATE = "mandate"  # kind in the store; the key is the digest


def mandate_of(spec: ModelSpec) -> Mandate:
    """The mandate that a declaration gives its model."""
    rule = spec.decision
    return Mandate(
        spec.name,
        purposes=frozenset(purpose.name for purpose in spec.purposes),
        consent_for=frozenset(purpose.name for purpose in spec.purposes if purpose.consent),
        actions=frozenset(action.name for action in rule.actions),
        adverse=frozenset(rule.adverse),
        manual=frozenset(action.name for action in rule.actions if action.manual),
        refer_from_ppm=None if rule.refer_from is None else round(rule.refer_from * WHOLE),
    )


def encode_mandate(mandate: Mandate) -> bytes:
    """The same bytes for the same mandate, in whatever order its sets came."""
    return msgspec.json.encode(mandate, order="deterministic")


def digest_of(mandate: Mandate) -> str:
    """Digest by which records name it.

    >>> digest_of(Mandate("credit")) == digest_of(Mandate("credit", manual=frozenset()))
    True
    """
    return hashlib.sha256(encode_mandate(mandate)).hexdigest()[:32]


def keep_mandate(store: Store, mandate: Mandate) -> str:
    """See that it is in the store, and return its digest; doing it twice changes nothing."""
    digest = digest_of(mandate)
    if store.get(MANDATE, digest) is None:
        with suppress(Conflict):  # another replica kept the same a moment ago
            store.put(MANDATE, digest, encode_mandate(mandate), 0)
    return digest


def kept_mandate(store: Store, digest: str) -> Mandate | None:
    """The mandate of that digest; None when nobody kept it."""
    saved = store.get(MANDATE, digest)
    return None if saved is None else json_decoder(Mandate).decode(saved.body)
