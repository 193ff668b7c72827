"""Explains a recorded decision again, from the log and the registered version alone.

The words are those of the declaration that the version was trained with; what was told at the time is on record.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, cast

import msgspec
import numpy as np

from windvane.cluster.bundle import Bundle
from windvane.cluster.decision_log.grounds import Counterfactual, Grounds, NoneFound
from windvane.cluster.decision_log.read.lookup import Kept, find
from windvane.cluster.decision_log.record import Value
from windvane.cluster.decision_log.vault.personal import open_personal, restored
from windvane.cluster.decision_log.vault.vault import Vault
from windvane.cluster.errors import Conflict, Invalid
from windvane.cluster.registry import Registry
from windvane.serve_apps.admin.records.replies import ReasonStatus, Retold

if TYPE_CHECKING:
    from windvane.serve_apps.versions.loaded_version import LoadedVersion

MOST_HELD = 2  # versions kept loaded


def load_as_trained(number: int, folder: Path) -> "LoadedVersion":
    """The version under its own declaration, whatever is declared today."""
    # ONNX Runtime and numba: memory that only who explains pays for.
    from windvane.serve_apps.versions.loaded_version import load_version

    return load_version(number, folder, Bundle.open(folder).spec)


@dataclass(frozen=True, slots=True)
class _Again:
    """The version's score and explanation of a record now."""

    prediction: float
    weights: tuple[float, ...]
    grounds: Grounds | None


class ReExplanation:
    """Explains decisions of any model whose log lies under `logs`; blocking, from any thread, one at a time."""

    def __init__(
        self,
        registry: Registry,
        logs: Path,
        cache: Path,
        vault: Callable[[], Vault],
        load: Callable[[int, Path], "LoadedVersion"] = load_as_trained,
    ) -> None:
        self._registry = registry
        self._logs = logs
        self._cache = cache
        self._open = vault
        self._vault: Vault | None = None
        self._load = load
        self._held: OrderedDict[tuple[str, int], LoadedVersion] = OrderedDict()
        self._lock = Lock()

    def explain(self, model: str, decision_id: str) -> Retold:
        """One decision of a registered model; raises NotFound, Conflict when it cannot be explained (any more), or
        what keeps its version from being loaded.
        """
        kept = find(self._logs / model, decision_id)
        if kept.decision.prediction is None:
            raise Conflict(
                f"Decision {decision_id} was denied before a model was asked: "
                f"`windvane policy explain {model} {decision_id}` says why"
            )
        with self._lock:
            version = self._version(model, kept.decision.version)
            return re_explained(model, self._revealed(kept, version), version)

    def _revealed(self, kept: Kept, version: "LoadedVersion") -> Kept:
        """As it was before it was protected; raises Conflict where that cannot be known any more."""
        decision = kept.decision
        if decision.personal is None:
            return kept
        if self._vault is None:
            self._vault = self._open()
        (content,) = self._vault.reveal_all([(decision.subject, decision.decision_id, decision.personal)])
        if content is not None:
            names = [column.name for column in kept.features]
            return replace(kept, decision=restored(decision, open_personal(content), names))
        if any(feature.personal for feature in version.bundle.spec.features):
            raise Conflict(
                f"The subject of decision {decision.decision_id} was erased, and with it what it was decided by"
            )
        return kept

    def _version(self, model: str, number: int) -> "LoadedVersion":
        key = (model, number)
        if key not in self._held:
            self._held[key] = self._load(number, self._registry.fetch(model, number, self._cache))
            while len(self._held) > MOST_HELD:
                self._held.popitem(last=False)
        self._held.move_to_end(key)
        return self._held[key]


def re_explained(model: str, kept: Kept, version: "LoadedVersion") -> Retold:
    """Compare the record with what the version says of it now."""
    decision, row = kept.decision, _row(kept, version)
    again = _again(row, decision.action, version)
    weights = decision.explanation if decision.explanation is not None else again.weights
    grounds = decision.grounds if decision.grounds is not None else again.grounds
    told = version.adverse_action.told(row, weights)
    contributions: list[ReasonStatus] = [msgspec.to_builtins(reason) for reason in told]
    return {
        "decision_id": decision.decision_id,
        "model": model,
        "version": decision.version,
        "at": datetime.fromtimestamp(decision.at, UTC).isoformat(),
        "subject": decision.subject,
        "action": decision.action,
        "prediction": cast(float, decision.prediction),  # who was denied before the model is not told of here
        "base_value": weights[0],
        "contributions": contributions,
        "grounds": None if grounds is None else msgspec.to_builtins(grounds),
        "recorded": {
            "explanation": decision.explanation is not None,
            "grounds": decision.grounds is not None,
        },
        "again": {
            "prediction": again.prediction,
            "largest_difference": _difference(decision.explanation, again.weights),
            "same_grounds": None if decision.grounds is None else _alike(decision.grounds, again.grounds),
        },
    }


def _row(kept: Kept, version: "LoadedVersion") -> tuple[Value, ...]:
    values = kept.row
    absent = [name for name in version.names if name not in values]
    if absent:
        raise Invalid(
            f"The record of {kept.decision.decision_id} holds no {', '.join(map(repr, absent))}, which version "
            f"{version.number} decides by: it cannot have made this decision"
        )
    return tuple(values[name] for name in version.names)


def _again(row: tuple[Value, ...], action: str, version: "LoadedVersion") -> _Again:
    encoded, scores = version.score([row])
    weights = tuple(version.explain(encoded)[0].tolist())
    adverse_action = version.adverse_action
    return _Again(
        float(scores[0]), weights, adverse_action.grounds(row, weights) if adverse_action.owes(action) else None
    )


def _difference(recorded: tuple[float, ...] | None, again: tuple[float, ...]) -> float | None:
    """The largest of any contribution's, in log-odds."""
    return None if recorded is None else float(np.abs(np.subtract(recorded, again)).max())


def _alike(recorded: Grounds, again: Grounds | None) -> bool:
    """Whether both tell the same: rows are explained in batches of any size, which changes the last digits."""
    return again is not None and _gist(recorded) == _gist(again)


def _gist(grounds: Grounds) -> tuple[object, ...]:
    found: Counterfactual | NoneFound | None = grounds.counterfactual
    return [reason.text for reason in grounds.reasons], None if found is None else found.text
