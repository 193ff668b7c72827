"""The control API and the console: FastAPI over the Desk; changing anything needs the owner's token, and policy."""

from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from fastapi import Depends, FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.routing import Match

from cluster.access import is_owner
from cluster.errors import Forbidden, Invalid, Malformed, NotFound, Problem, WindvaneError
from cluster.policy import Principal, Standing
from configs.schema import ModelSpec
from serve_apps import replies
from serve_apps.desk import Desk
from serve_apps.governance_routes import Governance, add_routes
from serve_apps.openapi.document import document
from serve_apps.protocol import strict_json
from serve_apps.protocol.infer_reply import refusal_at
from serve_apps.protocol.problem import MethodNotAllowed, UnsupportedMediaType
from serve_apps.reference import page

CONSOLE = Path(__file__).parent / "console"
OWNER = "owner"  # who did it, on the record; one token, one owner
# Who that is to policies: the one place to change when keys say who asks.
OWNER_CALLER = Standing(OWNER, frozenset({"owner", "operator", "compliance", "admin"}))
VERBS = Literal["pause", "resume", "promote", "abort", "undo"]
STEERING = {"pause": "roll_back", "abort": "roll_back", "undo": "roll_back"}  # as policies name it; the others promote
CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

DECLARATION = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ModelSpec"}}},
    }
}  # what `deploy` validates itself, so that it names every wrong field as `windvane validate` does

Number: TypeAlias = Annotated[int, Field(ge=1, le=10**9)]  # of a version


class Reason(BaseModel):
    """Why somebody does this by hand; it goes on the record."""

    model_config = ConfigDict(extra="forbid")
    reason: Annotated[str, Field(min_length=1, max_length=500)]


class StartOrder(Reason):
    """A rollout started by hand."""

    version: Number
    skip_shadow: bool = False
    override_gate: bool = False


class Pins(BaseModel):
    """Versions that are always scored as shadows."""

    model_config = ConfigDict(extra="forbid")
    versions: Annotated[list[Number], Field(max_length=8)]


def make_app(desk: Desk, governance: Governance, owner_digest: Callable[[], str | None], open_reading: bool) -> FastAPI:
    """The ASGI app; with `open_reading` (loopback only) GET needs no token."""

    def demand_owner(request: Request) -> None:
        if not is_owner(request.headers.get("authorization"), owner_digest()):
            raise Forbidden(
                "This needs the owner's token as `Authorization: Bearer …`; it lies in WINDVANE_HOME/token."
            )

    def caller_of(request: Request) -> Principal:
        demand_owner(request)
        return OWNER_CALLER

    def may(action: str) -> Any:
        """A dependency: policy allows this of the model in the path."""

        def demand(request: Request) -> None:
            asked = STEERING.get(request.path_params.get("verb", ""), action)
            governance.gate.demand(caller_of(request), asked, request.path_params.get("model"))

        return Depends(demand)

    def reader(request: Request) -> None:
        if not open_reading:
            demand_owner(request)

    class Guarded(APIRoute):
        """Whatever can change something asks who calls before it reads a byte of the body, then reads it strictly."""

        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            answer = super().get_route_handler()
            if self.methods == {"GET"}:
                return answer

            async def guarded(request: Request) -> Response:
                demand_owner(request)
                _demand_json(request.headers.get("content-type", ""))
                strict_json.parse(await request.body())
                return await answer(request)

            return guarded

    app = FastAPI(
        openapi_url=None,
        docs_url=None,
        separate_input_output_schemas=False,
        generate_unique_id_function=lambda route: route.name,
    )  # the document below tells of every door, not only of these
    app.router.route_class = Guarded
    reading = [Depends(reader)]

    @app.get("/", include_in_schema=False)
    def root() -> RedirectResponse:
        return RedirectResponse("console")

    @app.get("/api/health")
    def health() -> replies.Health:
        """Control answers."""
        return {"status": "ok"}

    @app.get("/api/status", dependencies=reading)
    def status() -> replies.Overview:
        """Champion, split, phase and why, findings, jobs and rates of every model."""
        return desk.status()

    @app.put("/api/models/{model}", openapi_extra=DECLARATION, dependencies=[may("deploy")])
    def deploy(model: str, spec: dict[str, Any]) -> replies.Deployed:
        """Make this declaration the one that serves."""
        return desk.deploy(model, spec, OWNER)

    @app.post("/api/models/{model}/undeploy", dependencies=[may("undeploy")])
    def undeploy(model: str, body: Reason) -> replies.Undeployed:
        """Take the model out of service; its versions, its history and its decision log stay."""
        return desk.undeploy(model, body.reason, OWNER)

    @app.get("/api/models/{model}", dependencies=reading)
    def describe(model: str) -> ModelSpec:
        """The deployed declaration."""
        return desk.spec(model)

    @app.get("/api/models/{model}/versions", dependencies=reading)
    def versions(model: str) -> replies.Versions:
        """All registered versions, oldest first."""
        return {"versions": desk.versions(model)}

    @app.get("/api/models/{model}/events", dependencies=reading)
    def events(
        model: str,
        after: Annotated[int, Query(ge=0, le=2**53)] = 0,
        limit: Annotated[int, Query(ge=1, le=1000)] = 1000,
    ) -> replies.Events:
        """What happened, oldest first."""
        return {"events": desk.events(model, after, limit)}

    @app.post("/api/models/{model}/retrain", status_code=202, dependencies=[may("train")])
    def retrain(model: str, body: Reason) -> replies.RetrainStatus:
        """Open a retrain request by hand, or return the one that is open."""
        return desk.retrain(model, body.reason, OWNER)

    @app.get("/api/models/{model}/rollout", dependencies=reading)
    def rollout(model: str) -> replies.RolloutStatus:
        """The current or last rollout."""
        return desk.rollout(model)

    @app.post("/api/models/{model}/rollout", status_code=202, dependencies=[may("promote")])
    def start(model: str, body: StartOrder) -> replies.RolloutStatus:
        """Begin to prove a version."""
        return desk.start(model, body.version, body.reason, OWNER, body.skip_shadow, body.override_gate)

    @app.post("/api/models/{model}/rollout/{verb}", dependencies=[may("promote")])
    def steer(model: str, verb: VERBS, body: Reason) -> replies.RolloutStatus:
        """Pause, resume, promote, abort or undo."""
        return desk.steer(model, verb, body.reason, OWNER)

    @app.put("/api/models/{model}/pins", dependencies=[may("promote")])
    def pin(model: str, body: Pins) -> replies.Pinned:
        """Score these versions as shadows in every split."""
        return desk.pin(model, tuple(body.versions))

    add_routes(app, governance, caller_of, reading)

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

    @app.get("/openapi.json", dependencies=reading, include_in_schema=False)
    def described() -> JSONResponse:
        return JSONResponse(document(desk.models(), app.openapi(), open_reading))

    @app.get("/docs", dependencies=reading, include_in_schema=False)
    def reference() -> HTMLResponse:
        written = page(document(desk.models(), app.openapi(), open_reading))
        return HTMLResponse(written, headers={"content-security-policy": CONTENT_POLICY})

    app.add_exception_handler(WindvaneError, _windvane_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http_error)
    return app


async def _windvane_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, WindvaneError)
    return _refuse(error, request.url.path)


async def _invalid(request: Request, error: Exception) -> Response:
    """FastAPI's validation errors as the same problem document; a path that names no choice leads nowhere."""
    assert isinstance(error, RequestValidationError)
    places = error.errors()
    if any(each["loc"][0] == "path" for each in places):
        return _nothing_there(request)
    invalid = Invalid(
        "The request does not fit its schema", tuple(_problem(each["loc"], each["msg"]) for each in places)
    )
    return _refuse(invalid, request.url.path)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 405:
        told = (error.headers or {}).get("Allow", "").split(", ")  # of the first route only
        allowed = ", ".join(sorted(_methods_at(request).union(told)))
        sentence = f"{request.method} is not answered here; use {allowed}"
        return _refuse(MethodNotAllowed(sentence, allowed), request.url.path)
    if error.status_code == 400:
        return _refuse(Malformed(str(error.detail)), request.url.path)
    return _nothing_there(request)


def _methods_at(request: Request) -> set[str]:
    """Every method that one of the app's own routes answers at this path."""
    found: set[str] = set()
    for route in request.app.routes:
        if isinstance(route, APIRoute) and route.matches(request.scope)[0] is not Match.NONE:
            found |= route.methods or set()
    return found


def _nothing_there(request: Request) -> Response:
    path = request.url.path
    parts = path.split("/")
    if path.startswith("/v2/models/") and parts[3]:
        sentence = f"No model {parts[3][:80]!r} is deployed here; `windvane status` lists those that are"
    else:
        sentence = f"There is nothing at {path[:200]}; the API is described at /docs"
    return _refuse(NotFound(sentence), path)


def _problem(location: Sequence[str | int], message: str) -> Problem:
    """A pointer into the body, or the name of the query parameter."""
    where, *path = location
    if where != "body":
        return Problem("", f"{where} parameter {'.'.join(map(str, path))}: {message}")
    return Problem(strict_json.pointer_to(path), message)


def _demand_json(kind: str) -> None:
    if kind.partition(";")[0].strip().lower() != "application/json":
        raise UnsupportedMediaType(f"Content-Type is {kind[:60]!a}; send application/json in UTF-8")


def _refuse(error: WindvaneError, path: str) -> Response:
    answer = refusal_at(error, path)
    headers = {name.decode(): value.decode() for name, value in answer.headers}
    return Response(answer.body, answer.status, headers)
