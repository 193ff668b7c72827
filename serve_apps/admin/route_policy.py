"""Asks the policy set in force about a route, once the roles that the route names have let the caller in."""

from collections.abc import Callable
from typing import Any

from fastapi import Depends, Request

from windvane.serve_apps.admin.admin_policy import AdminPolicy
from windvane.serve_apps.admin.route_auth import caller_of

VIEW = "view"  # as policies name it


def permitted(admin_policy: AdminPolicy, action: str) -> list[Any]:
    """A route's `dependencies`: policy lets the caller do this to the model in the path, or to Windvane as a whole."""

    def demand(request: Request) -> None:
        admin_policy.demand(caller_of(request), action, request.path_params.get("model"))

    return [Depends(demand)]


def seen_by(admin_policy: AdminPolicy, request: Request) -> Callable[[str], bool]:
    """Tell which models the caller may look at, for replies that are about all of them."""
    caller = caller_of(request)
    return lambda model: caller.may_use(model) and admin_policy.allows(caller, VIEW, model)
