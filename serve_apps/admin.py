"""The control API and the console: FastAPI over the Desk; changing anything needs the owner's token."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import Depends, FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, PlainTextResponse, RedirectResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from cluster.access import is_owner
from cluster.errors import Forbidden, Invalid, NotFound, Problem, WindvaneError
from serve_apps.desk import Desk
from serve_apps.protocol import problem as protocol
from serve_apps.protocol.problem import MethodNotAllowed, problem

CONSOLE = Path(__file__).parent / "console"
VERBS = Literal["pause", "resume", "promote", "abort", "undo"]
CONTENT_POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:"


class Reason(BaseModel):
    """Why somebody does this by hand; it goes on the record."""

    model_config = ConfigDict(extra="forbid")
    reason: Annotated[str, Field(min_length=1, max_length=500)]


class StartOrder(Reason):
    """A rollout started by hand."""

    version: Annotated[int, Field(ge=1)]
    skip_shadow: bool = False
    override_gate: bool = False


class Pins(BaseModel):
    """Versions that are always scored as shadows."""

    model_config = ConfigDict(extra="forbid")
    versions: Annotated[list[Annotated[int, Field(ge=1)]], Field(max_length=8)]


def make_app(desk: Desk, owner_digest: Callable[[], str | None], open_reading: bool) -> FastAPI:
    """The ASGI app; with `open_reading` (loopback only) GET needs no token."""

    def owner(request: Request) -> str:
        if not is_owner(request.headers.get("authorization"), owner_digest()):
            raise Forbidden(
                "This needs the owner's token as `Authorization: Bearer …`; it lies in WINDVANE_HOME/token."
            )
        return "owner"

    def reader(request: Request) -> None:
        if not open_reading:
            owner(request)

    app = FastAPI(title="Windvane control", version="1", redoc_url=None, dependencies=None)
    reading = [Depends(reader)]

    @app.get("/", include_in_schema=False)
    def root() -> RedirectResponse:
        return RedirectResponse("console")

    @app.get("/api/health")
    def health() -> dict[str, str]:
        """Control answers; the loop's last error, if any, is in the status."""
        return {"status": "ok"}

    @app.get("/api/status", dependencies=reading)
    def status() -> dict[str, Any]:
        """Champion, split, phase and why, findings, jobs and rates of every model."""
        return desk.status()

    @app.put("/api/models/{model}")
    def deploy(model: str, spec: dict[str, Any], by: Annotated[str, Depends(owner)]) -> dict[str, Any]:
        """Make this declaration the one that serves."""
        return desk.deploy(model, spec, by)

    @app.get("/api/models/{model}", dependencies=reading)
    def describe(model: str) -> dict[str, Any]:
        """The deployed declaration."""
        return desk.spec(model).model_dump(mode="json")

    @app.get("/api/models/{model}/versions", dependencies=reading)
    def versions(model: str) -> dict[str, Any]:
        """All registered versions, oldest first."""
        return {"versions": desk.versions(model)}

    @app.get("/api/models/{model}/events", dependencies=reading)
    def events(
        model: str,
        after: Annotated[int, Query(ge=0)] = 0,
        limit: Annotated[int, Query(ge=1, le=1000)] = 1000,
    ) -> dict[str, Any]:
        """What happened, oldest first."""
        return {"events": desk.events(model, after, limit)}

    @app.post("/api/models/{model}/retrain", status_code=202)
    def retrain(model: str, body: Reason, by: Annotated[str, Depends(owner)]) -> dict[str, Any]:
        """Open a retrain request by hand, or return the one that is open."""
        return desk.retrain(model, body.reason, by)

    @app.get("/api/models/{model}/rollout", dependencies=reading)
    def rollout(model: str) -> dict[str, Any]:
        """The current or last rollout."""
        return desk.rollout(model)

    @app.post("/api/models/{model}/rollout", status_code=202)
    def start(model: str, body: StartOrder, by: Annotated[str, Depends(owner)]) -> dict[str, Any]:
        """Begin to prove a version."""
        return desk.start(model, body.version, body.reason, by, body.skip_shadow, body.override_gate)

    @app.post("/api/models/{model}/rollout/{verb}")
    def steer(model: str, verb: VERBS, body: Reason, by: Annotated[str, Depends(owner)]) -> dict[str, Any]:
        """Pause, resume, promote, abort or undo."""
        return desk.steer(model, verb, body.reason, by)

    @app.put("/api/models/{model}/pins", dependencies=[Depends(owner)])
    def pin(model: str, body: Pins) -> dict[str, Any]:
        """Score these versions as shadows in every split."""
        return desk.pin(model, tuple(body.versions))

    @app.get("/metrics", dependencies=reading, response_class=PlainTextResponse)
    def metrics() -> Response:
        """Prometheus metrics of every model."""
        return Response(desk.metrics(), media_type="text/plain; version=0.0.4; charset=utf-8")

    @app.get("/console", include_in_schema=False)
    def console() -> FileResponse:
        return FileResponse(CONSOLE / "index.html", headers={"content-security-policy": CONTENT_POLICY})

    @app.get("/console/{name}", include_in_schema=False)
    def console_file(name: Literal["console.css", "console.js"]) -> FileResponse:
        return FileResponse(CONSOLE / name)

    app.add_exception_handler(WindvaneError, _windvane_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http_error)
    return app


async def _windvane_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, WindvaneError)
    return _reply(problem(error, request.url.path))


async def _invalid(request: Request, error: Exception) -> Response:
    """FastAPI's validation errors as the same problem document."""
    assert isinstance(error, RequestValidationError)
    problems = tuple(
        Problem("/" + "/".join(str(part) for part in each["loc"][1:]), str(each["msg"])) for each in error.errors()
    )
    return _reply(problem(Invalid("The request does not fit its schema", problems), request.url.path))


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    path = request.url.path
    if error.status_code == 405:
        return _reply(problem(MethodNotAllowed(str(error.detail), (error.headers or {}).get("Allow", "")), path))
    parts = path.split("/")
    if path.startswith("/v2/models/") and len(parts) > 3:
        sentence = f"No model {parts[3][:80]!r} is deployed here; `windvane status` lists those that are"
    else:
        sentence = f"There is nothing at {path[:200]}; the API is described at /docs"
    return _reply(problem(NotFound(sentence), path))


def _reply(answer: protocol.Response) -> Response:
    headers = {name.decode(): value.decode() for name, value in answer.headers}
    return Response(answer.body, answer.status, headers)
