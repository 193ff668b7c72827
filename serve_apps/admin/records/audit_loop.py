"""Keeps the audit trail: tells it the store's events, signs checkpoints, deletes what is too old."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from windvane.cluster.decision_log.audit.auditor import Auditor
from windvane.cluster.decision_log.audit.fault import Fault
from windvane.cluster.decision_log.audit.retention import delete, expired
from windvane.cluster.decision_log.record import Act
from windvane.cluster.decision_log.write.trail import TRAIL, Trail
from windvane.cluster.errors import Conflict, Unavailable
from windvane.cluster.store import Event, Shelf, Store
from windvane.configs.schema import ModelSpec
from windvane.monitoring.notices import Notice, tell

SIGN_EVERY, CLEAR_EVERY = timedelta(minutes=1), timedelta(hours=1)
WINDVANE = "windvane"  # who did what nobody ordered
_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Followed:
    """Position up to which the store's events are in the trail."""

    number: int = 0


class AuditLoop:
    """One per control replica; every step may be killed and is then done again."""

    def __init__(
        self,
        logs: Path,
        store: Store,
        trail: Trail,
        auditor: Callable[[], Auditor],
        registry: Callable[[], str] = str,
        policies: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        """`auditor` opens keys and checkpoints, so it may raise; `registry` and `policies` say what holds now."""
        self._logs = logs
        self._store = store
        self._followed = Shelf(store, "audit", Followed)
        self._trail = trail
        self._open = auditor
        self._auditor: Auditor | None = None
        self._registry = registry
        self._state = ""
        self._policies = policies
        self._signed: datetime | None = None
        self._cleared: datetime | None = None

    def tick(self, models: Sequence[ModelSpec], now: datetime) -> None:
        """Whatever is due; raises Unavailable, Conflict, Forbidden … and then the rest comes with the next tick."""
        self._trail.roll()
        self.follow()
        if _is_due(self._signed, SIGN_EVERY, now):
            self.sign(now)
            self._signed = now
        if _is_due(self._cleared, CLEAR_EVERY, now):
            self.clear(models, now)
            self._cleared = now

    def follow(self) -> None:
        """Bring the events that are new, whoever wrote them, into the trail.

        A kill between the two writes tells them again, with the same number in their facts.
        """
        followed, revision = self._followed.load("events")
        after = followed.number if followed else 0
        while page := self._store.events(None, after, _PAGE):
            self._trail.record(*map(_act, page))
            after = page[-1].number
            revision = self._followed.save("events", Followed(after), revision)

    def sign(self, now: datetime) -> None:
        """The next checkpoint; what must not be signed becomes a finding of the model it is about."""
        try:
            if self._auditor is None:
                self._auditor = self._open()
            self._tell(self._auditor.check(), now)
            with suppress(Unavailable):  # a registry that is away stops no signature: what it last said holds
                self._state = self._registry()
            _, faults = self._auditor.tick(now.timestamp(), policies=self._policies(), registry=self._state)
            self._tell(faults, now)
        except Conflict as error:
            self._tell([Fault("changed", "checkpoints", str(error))], now)
            raise

    def clear(self, models: Sequence[ModelSpec], now: datetime) -> None:
        """Delete segments that are older than their model's `retention`, whole, once that is signed."""
        for spec in models:
            if spec.retention is None or self._auditor is None:
                continue
            root = self._logs / spec.name
            names = expired(root, (now - spec.retention).timestamp())
            if names:
                self._auditor.retire(now.timestamp(), [(spec.name, name) for name in names])
                sentence = f"{len(names)} segments are deleted: their records are older than {spec.retention}"
                self._trail.tell("retired", WINDVANE, sentence, spec.name, {"segments": " ".join(names)})
                delete(root, names)

    def _tell(self, faults: Sequence[Fault], now: datetime) -> None:
        """As events that are told once however often they are found; those of checkpoints stand with control's."""
        for model in sorted({fault.log or TRAIL for fault in faults}):
            notices = [_notice(fault, now) for fault in faults if (fault.log or TRAIL) == model]
            tell(self._store, model, notices, recovered=True)


def _is_due(last: datetime | None, every: timedelta, now: datetime) -> bool:
    """Also when the clock was set back to before the last time: else nothing would be signed until it is there again.

    >>> noon = datetime(2026, 1, 1, 12)
    >>> [_is_due(noon, SIGN_EVERY, noon + timedelta(seconds=late)) for late in (-3600, 0, 59, 60)]
    [True, False, False, True]
    """
    return last is None or not last <= now < last + every


def _act(event: Event) -> Act:
    facts = {**event.facts, "event": event.number}
    return Act(event.at.timestamp(), event.kind, WINDVANE, event.model, event.version, event.detail, facts)


def _notice(fault: Fault, now: datetime) -> Notice:
    return Notice(
        key=f"tampered:{fault.place}:{fault.position}:{fault.kind}",
        at=now,
        kind="finding",
        version=None,
        detail=f"The audit trail is not what was written. {fault}",
        facts={
            "monitor": "audit_trail",
            "subject": fault.place,
            "severity": "critical",
            "fault": fault.kind,
            "position": fault.position,
            "decision_id": fault.decision_id,
        },
    )
