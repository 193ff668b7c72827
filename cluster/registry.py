"""Port to the model registry, the single source of truth for which versions exist and which one is champion."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Literal, Protocol

from windvane.cluster.errors import Invalid, NotFound

# `rejected` lost offline or was refused by a person, `rolled_back` is worse on live requests or was undone; `aborted`
# (by a person), `unproven` (evidence too little or too even), `superseded` (by a fresher one) may be tried as they are
Standing = Literal["candidate", "rejected", "champion", "retired", "rolled_back", "aborted", "unproven", "superseded"]


@dataclass(frozen=True, slots=True)
class Version:
    """One registered version, with why it exists and what it came from."""

    model: str
    number: int
    created_at: datetime
    owner: str
    reason: str  # "first", "manual", "schedule", or the retrain request's sentence
    standing: Standing
    parent: int | None
    run_id: str
    request_id: str | None
    metrics: Mapping[str, float]
    tags: Mapping[str, str] = field(default_factory=dict)  # as its registration had them


@dataclass(frozen=True, slots=True)
class Registration:
    """Facts that `register` needs besides the bundle: lineage, figures, files to keep beside it."""

    model: str
    owner: str
    reason: str
    standing: Standing
    parent: int | None
    request_id: str | None
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]  # data hash, code revision, environment, findings …


class Registry(Protocol):
    """Keeps versions and their bundles; every call may raise `Unavailable`."""

    def register(self, registration: Registration, bundle: Path, extras: Path | None = None) -> Version:
        """Store the bundle folder (and `extras`: plots, reports) and return the version; Invalid when it is empty."""

    def versions(self, model: str) -> tuple[Version, ...]:
        """All versions, oldest first; empty when the model is unknown."""

    def version(self, model: str, number: int) -> Version:
        """That version; raises NotFound with the versions there are."""

    def champion(self, model: str) -> int | None:
        """The number the champion alias points to, or None."""

    def set_champion(self, model: str, number: int) -> None:
        """Move the champion alias; setting it twice is the same as once."""

    def set_standing(self, model: str, number: int, standing: Standing, why: str) -> None:
        """Tag the version with its standing and the sentence that says why."""

    def fetch(self, model: str, number: int, into: Path) -> Path:
        """A local folder that holds the version's bundle, copied below `into` at most once."""


def registry_state(registry: Registry, models: Iterable[str]) -> str:
    """A hash of which versions these models have, how each stands and which is champion, as checkpoints name it."""
    state = [
        (
            model,
            registry.champion(model),
            [(each.number, each.standing, each.run_id) for each in registry.versions(model)],
        )
        for model in sorted(models)
    ]
    return sha256(json.dumps(state).encode()).hexdigest()


def require_files(bundle: Path) -> None:
    """Refuse a bundle folder that is missing or empty, which a tool may log without a word."""
    if not bundle.is_dir() or not any(bundle.iterdir()):
        raise Invalid(f"the bundle {bundle} holds no files; nothing was registered")


def no_version(model: str, number: int, versions: Sequence[Version]) -> NotFound:
    """The error every adapter raises for a version that does not exist."""
    numbers = ", ".join(str(version.number) for version in versions) or "none"
    return NotFound(f"{model} has no version {number}; there are: {numbers}")
