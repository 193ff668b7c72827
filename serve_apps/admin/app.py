"""The control API and the console, put together from their routes; each says which roles may ask."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, RedirectResponse
from starlette.exceptions import HTTPException

from windvane.cluster.declarations import Declarations
from windvane.cluster.errors import Invalid, Malformed, NotFound, Problem, WindvaneError
from windvane.configs.access import ROLES
from windvane.serve_apps.admin import replies
from windvane.serve_apps.admin.faults import Faults
from windvane.serve_apps.admin.governance.routes import Governance, add_governance_routes
from windvane.serve_apps.admin.key_admin import KeyAdmin
from windvane.serve_apps.admin.key_routes import add_key_routes
from windvane.serve_apps.admin.model_admin import ModelAdmin
from windvane.serve_apps.admin.model_routes import add_model_routes
from windvane.serve_apps.admin.openapi.docs_page import page
from windvane.serve_apps.admin.openapi.document import document
from windvane.serve_apps.admin.probes import Probes, methods_at, options
from windvane.serve_apps.admin.records.model_history import ModelHistory
from windvane.serve_apps.admin.records.records import RecordsAdmin
from windvane.serve_apps.admin.records.routes import add_records_routes
from windvane.serve_apps.admin.rollout_admin import RolloutAdmin
from windvane.serve_apps.admin.rollout_routes import add_rollout_routes
from windvane.serve_apps.admin.route_auth import RouteAuth, caller_of, needs, open_to_all
from windvane.serve_apps.protocol import strict_json
from windvane.serve_apps.protocol.infer_reply import refusal_at
from windvane.serve_apps.protocol.problem import MethodNotAllowed

CONSOLE = Path(__file__).parent / "console"
CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@dataclass(frozen=True, slots=True)
class Admins:
    """One for each thing that people ask of control; without `records` there are no routes about them."""

    declarations: Declarations
    models: ModelAdmin
    history: ModelHistory
    rollouts: RolloutAdmin
    keys: KeyAdmin
    governance: Governance
    records: RecordsAdmin | None = None


def make_app(
    admins: Admins,
    route_auth: RouteAuth,
    lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]] | None = None,
) -> FastAPI:
    """The ASGI app."""
    # The document below tells of every endpoint, not only of these.
    app = FastAPI(
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        separate_input_output_schemas=False,
        generate_unique_id_function=lambda route: route.name,
        lifespan=lifespan,
    )
    app.router.route_class = route_auth.route_class()
    declarations, admin_policy = admins.declarations, admins.governance.admin_policy
    app.add_middleware(Faults)
    app.add_middleware(Probes)
    add_page_routes(app, declarations)
    add_model_routes(app, declarations, admins.models, admins.history, admin_policy)
    add_rollout_routes(app, admins.rollouts, admin_policy)
    add_key_routes(app, admins.keys, admin_policy)
    add_governance_routes(app, admins.governance)
    if admins.records is not None:
        add_records_routes(app, admins.records, admin_policy)
    app.add_exception_handler(WindvaneError, _windvane_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, partial(_unanswered, route_auth, declarations))
    return app


def add_page_routes(app: FastAPI, declarations: Declarations) -> None:
    """Six routes: health, the console, and the description of the API, with the models that the caller may use."""

    @app.get("/", include_in_schema=False, openapi_extra=open_to_all())
    def root() -> RedirectResponse:
        return RedirectResponse("console")

    @app.get("/api/health", openapi_extra=open_to_all())
    def health() -> replies.Health:
        """Control answers."""
        return {"status": "ok"}

    @app.get("/console", include_in_schema=False, openapi_extra=open_to_all())
    def console() -> FileResponse:
        return FileResponse(CONSOLE / "index.html", headers={"content-security-policy": CONTENT_POLICY})

    @app.get("/console/{name}", include_in_schema=False, openapi_extra=open_to_all())
    def console_file(name: Literal["console.css", "console.js"]) -> FileResponse:
        return FileResponse(CONSOLE / name)

    def described(request: Request) -> dict[str, Any]:
        models = [spec for spec in declarations.all() if caller_of(request).may_use(spec.name)]
        return document(models, app.openapi())

    @app.get("/openapi.json", include_in_schema=False, openapi_extra=needs(*ROLES))
    def openapi(request: Request) -> JSONResponse:
        return JSONResponse(described(request))

    @app.get("/docs", include_in_schema=False, openapi_extra=needs(*ROLES))
    def reference(request: Request) -> HTMLResponse:
        return HTMLResponse(page(described(request)), headers={"content-security-policy": CONTENT_POLICY})


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


async def _unanswered(
    route_auth: RouteAuth, declarations: Declarations, request: Request, error: Exception
) -> Response:
    """Answer what no route answers; whether there is such a model nobody learns who may not use it."""
    assert isinstance(error, HTTPException)
    parts = request.url.path.split("/")
    if request.method == "OPTIONS":
        try:
            answer = await options(request, route_auth)
        except WindvaneError as refused:
            await route_auth.refused(refused, request)
            return _refuse(refused, request.url.path)
        if answer is not None:
            return answer
    if parts[1:3] == ["v2", "models"] and len(parts) > 3 and parts[3]:
        try:
            await route_auth.admit(request, ROLES, parts[3])
        except WindvaneError as refused:
            await route_auth.refused(refused, request)
            return _refuse(refused, request.url.path)
        # Only a path written as the model's own would have gone to its replicas; one with `%2f` or `%61` is nobody's.
        written = request.scope["raw_path"].split(b"/")
        if written[1:4] == [part.encode() for part in parts[1:4]]:
            try:
                await asyncio.to_thread(declarations.demand_gone, parts[3])
            except WindvaneError as unreached:
                return _refuse(unreached, request.url.path)
    return _http_error(request, error)


def _http_error(request: Request, error: HTTPException) -> Response:
    if error.status_code == 405:
        allowed = ", ".join(sorted(methods_at(request.app, request.scope)))
        sentence = f"{request.method} is not answered here; use {allowed}"
        return _refuse(MethodNotAllowed(sentence, allowed), request.url.path)
    if error.status_code == 400:
        return _refuse(Malformed(str(error.detail)), request.url.path)
    return _nothing_there(request)


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


def _refuse(error: WindvaneError, path: str) -> Response:
    answer = refusal_at(error, path)
    headers = {name.decode(): value.decode() for name, value in answer.headers}
    return Response(answer.body, answer.status, headers)
