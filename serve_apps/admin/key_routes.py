"""Routes of the control API about keys, thin, over `KeyAdmin`: for admins of every model only, reading too."""

from datetime import datetime
from typing import Annotated

from fastapi import FastAPI, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from pydantic.types import AwareDatetime

from windvane.cluster.callers.api_key import KeyOrder
from windvane.cluster.callers.rate import Limit
from windvane.configs.access import FASTEST, Role
from windvane.serve_apps.admin.admin_policy import AdminPolicy
from windvane.serve_apps.admin.governance import replies
from windvane.serve_apps.admin.key_admin import KeyAdmin
from windvane.serve_apps.admin.route_auth import caller_of, needs_all_models
from windvane.serve_apps.admin.route_policy import permitted

KEYS = "/api/keys"


class RateAsked(BaseModel):
    """Rate that the key may ask at; `burst` is what it may ask at once after a rest."""

    model_config = ConfigDict(extra="forbid")
    per_second: Annotated[float, Field(gt=0, le=FASTEST)]
    burst: Annotated[int, Field(ge=1, le=FASTEST)]


class KeyAsked(BaseModel):
    """The key that is to be made; without `models` it is for every model, without `expires_at` it does not end."""

    model_config = ConfigDict(extra="forbid")
    name: Annotated[str, Field(min_length=1, max_length=64)]
    roles: Annotated[list[Role], Field(min_length=1, max_length=5)]
    models: Annotated[list[Annotated[str, Field(max_length=64)]], Field(min_length=1, max_length=100)] | None = None
    expires_at: AwareDatetime | None = None
    limit: RateAsked | None = None

    def order(self) -> KeyOrder:
        """As the book takes it."""
        models = None if self.models is None else tuple(self.models)
        limit = None if self.limit is None else Limit(self.limit.per_second, self.limit.burst)
        expires_at: datetime | None = self.expires_at
        return KeyOrder(self.name, tuple(self.roles), models, expires_at, limit)


class RevokeAsked(BaseModel):
    """Reason why the key is revoked; it goes on the record."""

    model_config = ConfigDict(extra="forbid")
    reason: Annotated[str, Field(min_length=1, max_length=500)]


def add_key_routes(app: FastAPI, key_admin: KeyAdmin, admin_policy: AdminPolicy) -> None:
    """Three routes; who has to do with single models only could make a key for the others, and so may use none."""
    may = permitted(admin_policy, "manage_keys")

    @app.post(KEYS, status_code=201, openapi_extra=needs_all_models("admin"), dependencies=may)
    def create_key(request: Request, response: Response, body: KeyAsked) -> replies.KeyMade:
        """Make a key; it is in this reply and can never be shown again."""
        response.headers["cache-control"] = "no-store"
        return key_admin.create(body.order(), caller_of(request).name)

    @app.get(KEYS, openapi_extra=needs_all_models("admin"), dependencies=may)
    def keys() -> replies.Keys:
        """Every key on record, oldest first, without what opens anything."""
        return {"keys": key_admin.keys()}

    @app.post(f"{KEYS}/{{key_id}}/revoke", openapi_extra=needs_all_models("admin"), dependencies=may)
    def revoke_key(request: Request, key_id: str, body: RevokeAsked) -> replies.KeyRevoked:
        """The key opens nothing any more, on any replica, within a second."""
        return key_admin.revoke(key_id, body.reason, caller_of(request).name)
