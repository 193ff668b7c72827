"""The tick that signs what stands in all logs; run it about once a minute, in one process."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from windvane.cluster.decision_log.audit.chain_heads import ChainHeads
from windvane.cluster.decision_log.audit.checkpoint import Checkpoint, Vouched
from windvane.cluster.decision_log.audit.checkpoints import Checkpoints
from windvane.cluster.decision_log.audit.fault import Fault


class Auditor:
    """Follows every log under `logs`, also those of models that are not deployed any more."""

    def __init__(self, logs: Path, checkpoints: Checkpoints) -> None:
        self._logs = logs
        self._checkpoints = checkpoints
        self._heads: dict[str, ChainHeads] = {}

    def check(self) -> list[Fault]:
        """Faults of the checkpoints so far, each told once; raises as `tick` does."""
        self._checkpoints.refresh()
        return self._checkpoints.take_faults()

    def tick(
        self, at: float, *, policies: Mapping[str, str] | None = None, registry: str = ""
    ) -> tuple[Checkpoint | None, list[Fault]]:
        """Sign what is new at `at` (Unix seconds), if anything is; and what must not be signed, each told once.

        Raises Unavailable when the checkpoints cannot be kept, Conflict when they were tampered with.
        """
        standing = self._checkpoints.refresh()
        news: list[Vouched] = []
        faults: list[Fault] = []
        for root in sorted(path for path in self._logs.iterdir() if path.is_dir()) if self._logs.is_dir() else []:
            found, wrong = self._heads.setdefault(root.name, ChainHeads(root)).news(standing)
            news += found
            faults += wrong
        policies = dict(policies or {})
        if not news and standing.number and (policies, registry) == (standing.policies, standing.registry):
            return None, faults
        return self._checkpoints.append(at, news, policies=policies, registry=registry), faults

    def retire(self, at: float, segments: Sequence[tuple[str, str]]) -> Checkpoint:
        """Sign that these (log, segment) are deleted because their time is over; to be called before they are."""
        standing = self._checkpoints.refresh()
        policies, registry = standing.policies, standing.registry
        return self._checkpoints.append(at, retired=segments, policies=policies, registry=registry)
