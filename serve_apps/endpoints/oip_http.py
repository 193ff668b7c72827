"""Serves the Open Inference Protocol over HTTP, under the model's path: metadata, readiness, infer; raw ASGI."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from windvane.cluster.callers.caller import Caller
from windvane.cluster.errors import Invalid
from windvane.configs.access import ROLES, Role
from windvane.serve_apps.endpoints.authentication import CLIENTS, chooses
from windvane.serve_apps.endpoints.data_plane import DataPlane
from windvane.serve_apps.endpoints.deadline import deadline_of, waited
from windvane.serve_apps.endpoints.disconnects import Disconnects
from windvane.serve_apps.endpoints.http_request import Headers, Receive, json_length, read_body
from windvane.serve_apps.protocol.infer_body import read_infer
from windvane.serve_apps.protocol.infer_reply import infer_reply
from windvane.serve_apps.protocol.inference import Inference
from windvane.serve_apps.protocol.metadata import metadata
from windvane.serve_apps.protocol.problem import Response
from windvane.serve_apps.traffic.chosen_version import choose, loaded_number

Answer: TypeAlias = Callable[[Headers, Receive, Caller], Awaitable[Response]]
JSON = ((b"content-type", b"application/json"),)


@dataclass(frozen=True, slots=True)
class Route:
    """An answering function, and the roles of which a caller needs one."""

    answer: Answer
    roles: tuple[Role, ...]


Methods: TypeAlias = Mapping[str, Route]


class OipHttp:
    """`routes` by path for the version that the split picks; `version_routes` finds those that name one."""

    def __init__(
        self,
        data_plane: DataPlane,
        disconnects: Disconnects,
        override: Callable[[Headers, Caller], int | None],
    ) -> None:
        """`override` says which version an owner's header wants."""
        spec = data_plane.model.spec
        self._spec = spec
        self._loaded_versions = data_plane.model.loaded_versions
        self._decider = data_plane.decider
        self._disconnects = disconnects
        self._authentication = data_plane.authentication
        self._counts = data_plane.counts
        self._override = override
        self._now = data_plane.clock.now
        self._ticks = data_plane.clock.ticks
        self._inference = Inference(spec)
        self._most_bytes = spec.serving.max_body_bytes
        prefix = f"/v2/models/{spec.name}"
        self._versions = f"{prefix}/versions/"
        self.routes: dict[str, Methods] = {
            prefix: {"GET": Route(self._metadata, ROLES)},
            f"{prefix}/": {"GET": Route(self._metadata, ROLES)},
            f"{prefix}/ready": {"GET": Route(self._ready, ROLES)},
            f"{prefix}/infer": {"POST": Route(self._infer, CLIENTS)},
        }
        self._of_a_version: dict[str, tuple[str, Callable[..., Awaitable[Response]], tuple[Role, ...]]] = {
            "": ("GET", self._metadata, ROLES),
            "ready": ("GET", self._ready, ROLES),
            "infer": ("POST", self._infer, CLIENTS),
        }

    def version_templates(self) -> dict[str, frozenset[str]]:
        """The methods of every path that names a version, which stands as `{version}`."""
        return {
            f"{self._versions}{{version}}{'/' if verb else ''}{verb}": frozenset((method,))
            for verb, (method, _, _) in self._of_a_version.items()
        }

    def version_template(self, path: str) -> str | None:
        """The one of `version_templates` that the path is of, if any."""
        version, _, verb = path.removeprefix(self._versions).partition("/")
        known = path.startswith(self._versions) and verb in self._of_a_version
        return f"{self._versions}{{version}}{path.removeprefix(self._versions + version)}" if known else None

    def version_routes(self, path: str) -> Methods | None:
        """The routes of a path such as `/v2/models/trips/versions/3/infer`; None for any other."""
        if not path.startswith(self._versions):
            return None
        version, _, verb = path.removeprefix(self._versions).partition("/")
        found = self._of_a_version.get(verb)
        return None if found is None else {found[0]: Route(partial(found[1], version=version), found[2])}

    async def _metadata(
        self, _headers: Headers, _receive: Receive, _caller: Caller, version: str | None = None
    ) -> Response:
        if version is not None:
            loaded_number(version, self._loaded_versions)
        return Response(200, json.dumps(metadata(self._spec, self._loaded_versions.loaded)).encode(), JSON)

    async def _ready(
        self, _headers: Headers, _receive: Receive, _caller: Caller, version: str | None = None
    ) -> Response:
        self._decider.demand_ready()
        if version is not None:
            loaded_number(version, self._loaded_versions)
        return Response(200, b'{"ready":true}', JSON)

    async def _infer(self, headers: Headers, receive: Receive, caller: Caller, version: str | None = None) -> Response:
        arrived = self._ticks() - waited(headers, self._now)
        override = self._override(headers, caller)
        if version is not None:
            chosen = choose(version, self._loaded_versions, lambda: chooses(caller))
            if override is not None and str(override) != version:
                raise Invalid(f"The path asks for version {version[:20]!a} and the header for {override}: send one")
            override = chosen if override is None else override
        json_bytes = json_length(headers)
        deadline = deadline_of(headers, arrived)
        raw = await read_body(headers, receive, self._most_bytes)
        await self._decider.body_queue.turn(len(raw))
        body = read_infer(raw, json_bytes, self._spec.name)
        asked = self._inference.ask(body.request, self._now())
        self._authentication.debit(caller, len(asked.questions))
        with self._disconnects.watch(headers, receive):
            answers = await self._decider.decide(asked.questions, arrived, override, deadline, asked.encoded, caller)
        if asked.warnings:
            self._counts.answered(asked.warnings)
        return infer_reply(self._spec.name, self._inference, body, asked, answers)
