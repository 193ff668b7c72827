"""A small Windvane that writes everything that has to survive, and what has to be found of it after a crash."""

import asyncio
import time
from collections.abc import Iterator, Sequence, Set
from contextlib import closing, contextmanager, suppress
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from tests.worlds.log.open_writer import FEATURES, decision, records
from windvane.cluster.audit_paths import AuditPaths
from windvane.cluster.decision_log.audit.auditor import Auditor
from windvane.cluster.decision_log.audit.checkpoints import Checkpoints
from windvane.cluster.decision_log.audit.fault import Fault
from windvane.cluster.decision_log.audit.retention import delete
from windvane.cluster.decision_log.audit.verify import VerifyReport, Witnesses, verify
from windvane.cluster.decision_log.read.sealer import Sealer
from windvane.cluster.decision_log.read.tail import Tail
from windvane.cluster.decision_log.record import Act, Decision
from windvane.cluster.decision_log.vault.key_file import signing_key
from windvane.cluster.decision_log.vault.personal import Protection, open_personal
from windvane.cluster.decision_log.vault.rotation import FRESH
from windvane.cluster.decision_log.vault.vault import Vault
from windvane.cluster.decision_log.write.limits import WriterLimits
from windvane.cluster.decision_log.write.segment import Durability, header_for
from windvane.cluster.decision_log.write.trail import TRAIL
from windvane.cluster.decision_log.write.writer import Writer
from windvane.cluster.errors import NotFound, WindvaneError
from windvane.cluster.sql_store import SqlStore
from windvane.cluster.store import Event
from windvane.configs.settings import Settings

LOG = "flight-delay"
LONG = "x" * 1500  # a group of several sectors


@dataclass(slots=True)
class Promised:
    """Data that somebody was told is kept."""

    decisions: dict[str, str] = field(default_factory=dict)  # by id: subject
    acts: list[str] = field(default_factory=list)
    erased: set[str] = field(default_factory=set)
    documents: dict[str, bytes] = field(default_factory=dict)
    events: int = 0
    signed: int = 0  # checkpoints


def place_of(home: Path) -> AuditPaths:
    """As a Windvane with its home there finds it."""
    copy = home / "elsewhere" / "checkpoints.jsonl"
    settings = Settings(home=str(home), store_url=_url(home), mlflow_uri="", models_dir="", checkpoint_copy=str(copy))
    return AuditPaths(settings)


def _url(home: Path) -> str:
    return f"sqlite:///{home}/windvane.db"


class Story:
    """One process that does each thing once, and goes on when something is refused; `promised` is what it was told."""

    def __init__(self, home: Path, durability: Durability = "committed") -> None:
        self.home, self.durability = home, durability
        self.place = place_of(home)
        self.root = self.place.logs / LOG
        self.promised = Promised()
        self.refused: list[str] = []
        self._unsigned: dict[str, str] = {}  # in `buffered`, all that were answered
        self._checkpoints: Checkpoints | None = None

    def told(self) -> Promised:
        """Copy of what was promised so far."""
        return deepcopy(self.promised)

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Counts a refusal in words as no promise; whatever else is raised is a fault of ours."""
        try:
            yield
        except WindvaneError as error:
            self.refused.append(str(error))

    def decisions(self, *, seals: bool = True) -> None:
        """Two segments of decisions with their subjects' keys, checkpoints, a seal, an erasure."""
        asyncio.run(self._decisions(seals))

    async def _decisions(self, seals: bool) -> None:
        vault: Vault | None = None
        auditor: Auditor | None = None
        with self.attempt():
            vault = self.place.vault()
        if vault is None:
            return
        with self.attempt():
            self._checkpoints = self.place.checkpoints()
            auditor = Auditor(self.place.logs, self._checkpoints)
        with self._writer("gateway-1", vault) as writer:
            await self._decide(writer, vault, ("d1", "Ana", ""), ("d2", "Ben", LONG))
            self._sign(auditor)
            await self._decide(writer, vault, ("d3", "Ana", LONG))
            await self._decide(writer, vault, ("d4", "Ben", ""))
            self._sign(auditor)
        if not seals:
            self._sign(auditor)
            return
        with self._writer("gateway-2", vault) as writer:
            await self._decide(writer, vault, ("d5", "Cid", LONG))
            with self.attempt():
                Sealer(self.root).seal()
            self._sign(auditor)
            with self.attempt():
                vault.erase("Ben", time.time())
                self.promised.erased.add("Ben")

    def asked_by_two(self, asked: Sequence[tuple[str, bool]]) -> None:
        """Decisions about these subjects, each of whom another process may have met a moment before it was killed."""

        async def ask() -> None:
            vault = self.place.vault()
            with self._writer("gateway-1", vault) as writer:
                for number, (subject, elsewhere) in enumerate(asked):
                    if elsewhere:
                        other = self.place.vault()
                        other.protect(subject, "d", b"")
                        other.flush()
                    await self._decide(writer, vault, (f"d{number}", subject, ""))

        asyncio.run(ask())

    @contextmanager
    def _writer(self, name: str, vault: Vault) -> Iterator[Writer]:
        header, limits = header_for(LOG, name, FEATURES, self.durability), WriterLimits(probe_seconds=60.0)
        writer = Writer(self.root, header, asyncio.get_running_loop(), limits=limits, write_ahead=vault)
        try:
            yield writer
        finally:
            writer.close()

    async def _decide(self, writer: Writer, vault: Vault, *asked: tuple[str, str, str]) -> None:
        """One group; in `buffered` nobody is promised anything before the log was signed."""
        group = [msgspec.structs.replace(decision(name, note), subject=subject) for name, subject, note in asked]
        with self.attempt():
            writer.extend(Protection(vault, FEATURES).protect_all(group))
            await writer.commit(alone=True)
            answered = {name: subject for name, subject, _ in asked}
            if self.durability == "committed":
                self.promised.decisions |= answered
            else:
                while not (writer.lost or (self._stands(answered.keys()) and not vault.is_due())):
                    await asyncio.sleep(0)  # the thread has it
                self._unsigned |= {} if writer.lost else answered

    def _stands(self, names: Set[str]) -> bool:
        return names <= {record.decision_id for record in records(self.root) if isinstance(record, Decision)}

    def _sign(self, auditor: Auditor | None) -> None:
        if auditor is not None:
            with self.attempt():
                made, faults = auditor.tick(time.time())
                assert faults == [], "an honest disk is called tampering"
                self.promised.signed = self.promised.signed if made is None else made.number
                signed = self._checkpoints.standing.segments.items()  # type: ignore[union-attr]
                if sum(each.records for (log, _), each in signed if log == LOG) >= len(self._unsigned):
                    self.promised.decisions |= self._unsigned

    def acts(self) -> None:
        """Control's log, one act a group."""
        trail = self.place.trail("control")
        for number in range(3):
            with self.attempt():
                trail.tell("phase", "windvane", f"act {number}")
                self.promised.acts.append(f"act {number}")
        with self.attempt():
            trail.close()

    def documents(self) -> None:
        """The store."""
        with self.attempt(), closing(SqlStore(_url(self.home))) as store:
            for number in range(3):
                with self.attempt():
                    store.put("model", f"m{number}", b"{}", 0)
                    self.promised.documents[f"m{number}"] = b"{}"
                with self.attempt():
                    event = Event(datetime.now(UTC), "deployed", LOG, number, "…")
                    self.promised.events = store.append(event)

    def rotation(self) -> None:
        """A fresh master key."""
        with self.attempt():
            self.place.rotate_master_key()

    def retirement(self) -> None:
        """The first sealed segment's time is over."""
        with self.attempt():
            auditor = Auditor(self.place.logs, self.place.checkpoints())
            name = min(path.stem for path in (self.root / "sealed").rglob("*.parquet"))
            self.promised.signed = auditor.retire(time.time(), [(LOG, name)]).number
            for each in ("d1", "d2", "d3", "d4"):
                self.promised.decisions.pop(each, None)
            delete(self.root, [name])


def checked(home: Path) -> VerifyReport:
    """Audit report of the home, as it stands."""
    place = place_of(home)
    key = signing_key(home / "keys" / "signing.pem").public_key()
    return verify(place.logs, place.checkpoints_file, [key], witnesses=Witnesses(place.copy), processes=1)


def recover(home: Path, *, seals: bool = True) -> list[Fault]:
    """Another process finds what the crash left: it goes on signing and sealing; returns what it calls tampering."""
    place = place_of(home)
    if (home / "keys" / f"master.key{FRESH}").exists() and (home / "vault").exists():
        place.rotate_master_key()
    auditor = Auditor(place.logs, place.checkpoints())
    found: list[Fault] = auditor.check()
    found += auditor.tick(time.time())[1]
    for root in place.logs.iterdir() if seals and place.logs.is_dir() else ():
        Sealer(root).seal()
    return found + auditor.tick(time.time())[1]


def missing(home: Path, promised: Promised) -> list[str]:
    """Promises that cannot be read back."""
    place, found = place_of(home), []
    vault = place.vault()
    subjects: dict[str, str] = {}
    for record in Tail(place.logs / LOG).read():
        if isinstance(record, Decision) and record.personal is not None:
            with suppress(NotFound):
                revealed = vault.reveal(record.subject, record.decision_id, record.personal)
                subjects[record.decision_id] = open_personal(revealed).subject
    kept = {name: subject for name, subject in promised.decisions.items() if subject not in promised.erased}
    found += [f"decision {name}" for name, subject in kept.items() if subjects.get(name) != subject]
    found += [f"{name} is not erased" for name in promised.erased & set(subjects.values())]
    acts = [record.detail for record in Tail(place.logs / TRAIL).read() if isinstance(record, Act)]
    found += [act for act in promised.acts if act not in acts]
    if promised.documents or promised.events:
        with closing(SqlStore(_url(home))) as store:
            documents = {saved.key: saved.body for saved in store.list("model")}
            found += [name for name, body in promised.documents.items() if documents.get(name) != body]
            found += [] if len(store.events()) >= promised.events else ["events"]
    if promised.signed:
        lines = place.checkpoints_file.read_bytes().count(b"\n") if place.checkpoints_file.exists() else 0
        found += [] if lines >= promised.signed else ["checkpoints"]
    return found
