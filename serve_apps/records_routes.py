"""The control API's part about records: thin routes over the RecordsDesk, for compliance only, reading too."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.routing import APIRoute
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from cluster.decision_log.selection import Selection
from serve_apps import replies
from serve_apps.records_desk import RecordsDesk

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
    """Who it is about, and why; the reason goes on the record, the name does not."""

    model_config = ConfigDict(extra="forbid")
    subject: _Name
    reason: Annotated[str, Field(min_length=1, max_length=500)]


def records_routes(
    desk: RecordsDesk,
    route_class: type[APIRoute],
    allow: Callable[[Request], None],
    name_of: Callable[[Request], str],
    told: dict[str, Any] | None = None,
) -> APIRouter:
    """`allow` raises unless the request may be made, `name_of` says whose it is, `route_class` reads its body.

    `told` is what the document says of every one of these routes beside the rest.
    """
    router = APIRouter(route_class=route_class, dependencies=[Depends(allow)])

    @router.get("/api/decisions", responses=_FORMS, openapi_extra=told)  # type: ignore[arg-type]
    def decisions(
        request: Request,
        model: _Name,
        since: AwareDatetime | None = None,
        until: AwareDatetime | None = None,
        version: Annotated[int | None, Query(ge=1, le=10**9)] = None,
        action: Annotated[str | None, Query(max_length=64)] = None,
        decision_id: Annotated[str | None, Query(max_length=64)] = None,
        after: Annotated[str | None, Query(max_length=200)] = None,
        limit: Annotated[int, Query(ge=1, le=MOST_EXPORTED)] = 100,
        form: Annotated[Literal["json", "csv", "parquet"], Query(alias="format")] = "json",
        personal: bool = False,
    ) -> replies.DecisionsPage:
        """Decisions as they were logged, oldest first; `personal` decrypts. As JSON a page has at most 1000."""
        most = min(limit, MOST_ROWS) if form == "json" else limit
        wanted = Selection(_unix(since), _unix(until), version, action, decision_id, None, after, most)
        if form == "json":
            return desk.page(model, wanted, personal, name_of(request))
        content = desk.export(model, wanted, personal, form, name_of(request))
        kind = "text/csv" if form == "csv" else "application/vnd.apache.parquet"
        return Response(content, media_type=kind)  # type: ignore[return-value]

    @router.get("/api/decisions/{decision_id}/lineage", openapi_extra=told)
    def lineage(request: Request, decision_id: str) -> replies.Lineage:
        """Where the decision came from: version, run, data, code, policy, and what caused the version."""
        return desk.lineage(decision_id, name_of(request))

    @router.post("/api/privacy/export", openapi_extra=told)
    def export_subject(request: Request, body: SubjectAsked) -> replies.SubjectHeld:
        """Everything that is held about a subject, readable."""
        return desk.export_subject(body.subject, body.reason, name_of(request))

    @router.post("/api/privacy/erase", openapi_extra=told)
    def erase_subject(request: Request, body: SubjectAsked) -> replies.Erased:
        """Destroy the subject's keys: what is personal in the log can be read by nobody any more."""
        return desk.erase(body.subject, body.reason, name_of(request))

    return router


def _unix(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()
