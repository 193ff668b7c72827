"""Answers compliance from the decision log; every question is on the log before its answer."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from threading import RLock
from typing import Any, Literal, Protocol

from windvane.cluster.decision_log.read import tabular
from windvane.cluster.decision_log.read.columns import Table
from windvane.cluster.decision_log.read.logs import find_decision, models_of, query_of
from windvane.cluster.decision_log.read.lookup import DECISION_ID
from windvane.cluster.decision_log.read.query import Query
from windvane.cluster.decision_log.read.selection import Selection, mark, place_of
from windvane.cluster.decision_log.record import Value
from windvane.cluster.decision_log.vault.vault import Vault
from windvane.cluster.decision_log.write.trail import TRAIL, Trail
from windvane.cluster.registry import Registry
from windvane.cluster.store import Store
from windvane.monitoring.loop.requests import shelf
from windvane.serve_apps.admin.admin_audit import without
from windvane.serve_apps.admin.records.lineage import lineage
from windvane.serve_apps.admin.records.replies import DecisionsPage, Erased, Lineage, SubjectHeld, SubjectLog

Format = Literal["json", "csv", "parquet"]
MOST_OF_A_SUBJECT = 100_000  # decisions that one export holds of each model
_ABOUT = """SELECT * FROM {view} WHERE decision_id IN (SELECT decision_id FROM asked WHERE subject = '{subject}')
            ORDER BY recorded_at"""


class Holder(Protocol):
    """Another place that holds something about subjects, such as their consents."""

    @property
    def name(self) -> str:
        """Its name in an export."""

    def export(self, subject: str) -> Any:
        """Everything it holds about the subject, as JSON takes it; None for nothing."""

    def erase(self, subject: str) -> None:
        """Forget the subject; doing it twice is doing it once."""


class RecordsAdmin:
    """One per control replica; `vault` opens keys, so it may raise."""

    def __init__(
        self,
        logs: Path,
        vault: Callable[[], Vault],
        trail: Trail,
        store: Store,
        registry: Registry,
        holders: Sequence[Holder] = (),
    ) -> None:
        self._logs = logs
        self._open = vault
        self._trail = trail
        self._store = store
        self._registry = registry
        self._holders = list(holders)
        # Over opening the vault and erasing with it, since a vault is one thread's; holders ask for names meanwhile.
        self._lock = RLock()
        self._opened: Vault | None = None

    def also(self, holder: Holder) -> None:
        """Ask this one too."""
        self._holders.append(holder)

    def name_of(self, subject: str) -> str:
        """This subject's name in the log, and for whoever keeps something about it; may raise as the vault does."""
        return self._vault().hash(subject)

    def page(self, model: str, wanted: Selection, personal: bool, by: str) -> DecisionsPage:
        """Decisions, oldest first; with `personal` decrypted. `next` is what asks for the page after."""
        found = self._read(model, wanted, personal, "json", by)
        rows = tabular.revealed_rows(found, self._vault()) if personal else tabular.rows(found)
        return {"decisions": rows, "next": mark(rows[-1]) if len(rows) == wanted.limit else None}

    def export(self, model: str, wanted: Selection, personal: bool, form: Literal["csv", "parquet"], by: str) -> bytes:
        """The same as a file."""
        found = self._read(model, wanted, personal, form, by)
        if personal and found.num_rows:
            found = tabular.table_of(tabular.revealed_rows(found, self._vault()))
        return tabular.csv(found) if form == "csv" else tabular.parquet(found)

    def lineage(self, decision_id: str, by: str) -> Lineage:
        """Trace the decision: version, run, data, code, policy, and what caused the version."""
        model, found = find_decision(self._logs, decision_id)
        self._trail.tell(
            "read", by, f"asked where decision {decision_id} came from", model, {"decision_id": decision_id}
        )
        (row,) = tabular.rows(found)
        version = self._registry.version(model, row["version"]) if row["version"] else None
        request = None
        if version is not None and version.request_id:
            request = shelf(self._store).load(f"{model}/{version.request_id}")[0]
        return lineage(model, row, version, request)

    def export_subject(self, subject: str, reason: str, by: str) -> SubjectHeld:
        """Everything that is held about the subject, readable."""
        vault = self._vault()
        hashed = vault.hash(subject)
        self._trail.tell("exported", by, without(subject, reason, "the subject"), facts={"subject": hashed})
        models: dict[str, SubjectLog] = {}
        for model in models_of(self._logs):
            query = query_of(self._logs, model)
            decisions = query.select(Selection(subject=hashed, limit=MOST_OF_A_SUBJECT))
            if decisions.num_rows:
                models[model] = {
                    "decisions": tabular.revealed_rows(decisions, vault),
                    "outcomes": _plain(query, "outcomes", hashed),
                    "shadows": _plain(query, "shadows", hashed),
                }
        told = {holder.name: holder.export(subject) for holder in self._holders}
        elsewhere = {name: found for name, found in told.items() if found is not None}
        about = f"SELECT * FROM acts WHERE json_extract_string(facts, '$.subject') = '{hashed}' ORDER BY recorded_at"  # noqa: S608
        acts = Query(self._logs / TRAIL, ()).sql(about).to_pylist()
        return {"subject": subject, "subject_hash": hashed, "models": models, "elsewhere": elsewhere, "acts": acts}

    def erase(self, subject: str, reason: str, by: str) -> Erased:
        """Destroy the subject's keys, here and in every process within a second or two; erasing again does no harm.

        That it was ordered is on record before, that it was done after: an order without its end is to be given again.
        """
        vault = self._vault()
        hashed = vault.hash(subject)
        self._trail.tell("erasure_ordered", by, without(subject, reason, "the subject"), facts={"subject": hashed})
        with self._lock:
            for holder in self._holders:
                holder.erase(subject)
            erasure = vault.erase(subject, self._trail.now())
        facts: dict[str, Value] = {
            "subject": hashed,
            "number": erasure.number,
            "keys": erasure.keys,
            "digest": erasure.digest,
        }
        self._trail.tell("erased", by, f"{erasure.keys} keys of a subject were destroyed", facts=facts)
        return {
            "number": erasure.number,
            "at": datetime.fromtimestamp(erasure.at, UTC).isoformat(),
            "subject": hashed,
            "keys": erasure.keys,
            "digest": erasure.digest,
        }

    def _read(self, model: str, wanted: Selection, personal: bool, form: Format, by: str) -> Table:
        query = query_of(self._logs, model)
        asked: dict[str, Value] = {
            "since": wanted.since,
            "until": wanted.until,
            "version": wanted.version,
            "action": wanted.action,
            "verdict": wanted.verdict,
            "decision_id": wanted.decision_id if DECISION_ID.fullmatch(wanted.decision_id or "") else None,
            "after": None if wanted.after is None else place_of(wanted.after)[0],
            "limit": wanted.limit,
            "format": form,
            "personal": personal,
        }
        facts = {name: value for name, value in asked.items() if value is not None}
        self._trail.tell("read", by, "read the decision log", model, facts)
        return query.select(wanted)

    def _vault(self) -> Vault:
        with self._lock:
            if self._opened is None:
                self._opened = self._open()
            return self._opened


def _plain(query: Query, view: str, subject: str) -> list[dict[str, Any]]:
    """Rows of `view` on the subject's decisions; both arguments are our own, the hash hexadecimal."""
    found = query.sql(_ABOUT.format(view=view, subject=subject))
    return [{name: tabular.plain(value) for name, value in row.items()} for row in found.to_pylist()]
