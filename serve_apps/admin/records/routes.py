"""The control API's part about records: thin routes over the RecordsAdmin, for compliance only, reading too."""

from datetime import datetime
from functools import partial
from typing import Annotated, Literal

from fastapi import FastAPI, Query, Request, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from windvane.cluster.callers.caller import demand_model
from windvane.cluster.decision_log.read.selection import Selection
from windvane.configs.access import Role
from windvane.serve_apps.admin.admin_policy import AdminPolicy
from windvane.serve_apps.admin.records import replies
from windvane.serve_apps.admin.records.records import RecordsAdmin
from windvane.serve_apps.admin.route_auth import caller_of, needs, needs_all_models
from windvane.serve_apps.admin.route_policy import permitted

AUDITORS: tuple[Role, ...] = ("compliance", "admin")
READ_LOG = "read_log"  # as policies name it
MOST_ROWS, MOST_EXPORTED = 1000, 1_000_000
_FORMS = {
    200: {
        "content": {
            "text/csv": {"schema": {"type": "string"}},
            "application/vnd.apache.parquet": {"schema": {"type": "string", "format": "binary"}},
        }
    }
}
_Name = Annotated[str, Field(min_length=1, max_length=200)]


class SubjectAsked(BaseModel):
    """Subject of a request, and its reason; the reason goes on the record, the name does not."""

    model_config = ConfigDict(extra="forbid")
    subject: _Name
    reason: Annotated[str, Field(min_length=1, max_length=500)]


def add_records_routes(app: FastAPI, records_admin: RecordsAdmin, admin_policy: AdminPolicy) -> None:
    """A subject and a decision's id may be of any model, so who asks by these has to do with all of them."""
    may = partial(permitted, admin_policy)

    @app.get("/api/decisions", responses=_FORMS, openapi_extra=needs(*AUDITORS))  # type: ignore[arg-type]
    def decisions(
        request: Request,
        model: _Name,
        since: AwareDatetime | None = None,
        until: AwareDatetime | None = None,
        version: Annotated[int | None, Query(ge=0, le=10**9)] = None,
        action: Annotated[str | None, Query(max_length=64)] = None,
        verdict: Literal["allow", "refer", "deny"] | None = None,
        decision_id: Annotated[str | None, Query(max_length=64)] = None,
        after: Annotated[str | None, Query(max_length=200)] = None,
        limit: Annotated[int, Query(ge=1, le=MOST_EXPORTED)] = 100,
        form: Annotated[Literal["json", "csv", "parquet"], Query(alias="format")] = "json",
        personal: bool = False,
    ) -> replies.DecisionsPage:
        """Decisions as they were logged, denied ones too, oldest first; `personal` decrypts.

        As JSON a page has at most 1000. Version 0 is what was denied before any model was asked.
        """
        caller = caller_of(request)
        demand_model(caller, model)
        admin_policy.demand(caller, READ_LOG, model)
        most = min(limit, MOST_ROWS) if form == "json" else limit
        wanted = Selection(_unix(since), _unix(until), version, action, verdict, decision_id, None, after, most)
        if form == "json":
            return records_admin.page(model, wanted, personal, caller.name)
        content = records_admin.export(model, wanted, personal, form, caller.name)
        kind = "text/csv" if form == "csv" else "application/vnd.apache.parquet"
        return Response(content, media_type=kind)  # type: ignore[return-value]

    @app.get(
        "/api/decisions/{decision_id}/lineage",
        openapi_extra=needs_all_models(*AUDITORS),
        dependencies=may(READ_LOG),
    )
    def lineage(request: Request, decision_id: str) -> replies.Lineage:
        """Origin of a decision: version, run, data, code, policy, and what caused the version."""
        return records_admin.lineage(decision_id, caller_of(request).name)

    @app.post("/api/privacy/export", openapi_extra=needs_all_models(*AUDITORS), dependencies=may("export"))
    def export_subject(request: Request, body: SubjectAsked) -> replies.SubjectHeld:
        """Everything that is held about a subject, readable."""
        return records_admin.export_subject(body.subject, body.reason, caller_of(request).name)

    @app.post("/api/privacy/erase", openapi_extra=needs_all_models(*AUDITORS), dependencies=may("erase"))
    def erase_subject(request: Request, body: SubjectAsked) -> replies.Erased:
        """Destroy the subject's keys: what is personal in the log can be read by nobody any more."""
        return records_admin.erase(body.subject, body.reason, caller_of(request).name)


def _unix(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()
