"""Paths, bodies and problems of the control API."""

from collections.abc import Iterator
from typing import Any

import httpx
from fastapi import FastAPI
from fastapi.routing import APIRoute

from tests.worlds.admin.world import AdminWorld, Client, ControlClient
from tests.worlds.rollout.world import MODEL, SPEC

JSON = {"content-type": "application/json"}
MODELS = f"/api/models/{MODEL}"
DECLARATION = SPEC.model_dump(mode="json")
REASON = {"reason": "because"}
# Values that stand in a path.
NAMES = {
    "model": MODEL,
    "verb": "abort",
    "name": "console.js",
    "decision_id": "d1",
    "version": 1,
    "key_id": "x",
    "subject": "ann",
}


def problem_of(reply: httpx.Response, status: int) -> dict[str, Any]:
    assert (reply.status_code, reply.headers["content-type"]) == (status, "application/problem+json"), reply.text
    found: dict[str, Any] = reply.json()
    assert found["status"] == status
    return found


def routes(app: FastAPI, mutating: bool) -> Iterator[tuple[str, str]]:
    """Method and path of every route that can, or cannot, change something."""
    for route in app.routes:
        if isinstance(route, APIRoute):
            for method in sorted(route.methods or ()):
                if (method != "GET") == mutating:
                    yield method, route.path_format.format(**NAMES)


TRIPS = "/v2/models/trips"


def api_of(world: AdminWorld) -> Client:
    return ControlClient(world, switchboard=world.switchboard)
