"""Reads the claims of a verified token: the caller, its roles, its models, and until when."""

import math
from collections.abc import Mapping
from typing import Any

from windvane.cluster.callers.caller import Caller
from windvane.cluster.errors import Unauthorized
from windvane.configs.access import Claims, Role

LONGEST_NAME = 200
EVERY_MODEL = "*"


def caller_of(claims: Mapping[str, Any], where: Claims, roles: Mapping[str, Role]) -> Caller:
    """Caller of the claims; a role that means nothing here is left out, so that none may be left.

    >>> caller_of({"sub": "ann", "roles": ["ml"], "m": "churn fraud"}, Claims(models="m"), {"ml": "client"}).roles
    frozenset({'client'})
    """
    name = _claim(claims, where.name)
    if not isinstance(name, str) or not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
        raise Unauthorized(f"The token's claim {where.name} must name its owner in 1 to {LONGEST_NAME} characters")
    granted = frozenset(roles[role] for role in _texts(claims, where.roles) if role in roles)
    if where.models is None:
        return Caller(name, granted, None, None)
    models = _texts(claims, where.models)
    return Caller(name, granted, None if EVERY_MODEL in models else models, None)


def until(claims: Mapping[str, Any], now: float, skew: float) -> float:
    """The Unix time at which the token is over, `skew` seconds for clocks that differ included.

    Raises Unauthorized when that was before `now`, when it is not good yet, or never ends.
    """
    end = _moment(claims, "exp")
    if end is None:
        raise Unauthorized("The token has no exp: a token that never ends cannot be taken back")
    if end + skew <= now:
        raise Unauthorized("The token is over (exp): get a fresh one from its issuer")
    for claim in ("nbf", "iat"):
        begin = _moment(claims, claim)
        if begin is not None and begin - skew > now:
            raise Unauthorized(f"The token is not good yet ({claim}): set the clocks right, or send it later")
    return end + skew


def _claim(claims: Mapping[str, Any], where: str) -> Any:
    """The claim of that name, or at that JSON pointer (RFC 6901); None when it is not there."""
    if not where.startswith("/"):
        return claims.get(where)
    found: Any = claims
    for step in where[1:].split("/"):
        found = found.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(found, Mapping) else None
    return found


def _texts(claims: Mapping[str, Any], where: str) -> frozenset[str]:
    found = _claim(claims, where)
    if found is None:
        return frozenset()
    parts = found.split() if isinstance(found, str) else found
    if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
        raise Unauthorized(f"The token's claim {where} must be a list of texts, or a text with blanks between them")
    return frozenset(parts)


def _moment(claims: Mapping[str, Any], claim: str) -> float | None:
    found = claims.get(claim)
    if found is None:
        return None
    if isinstance(found, bool) or not isinstance(found, int | float) or not abs(found) < 1e15 or math.isnan(found):
        raise Unauthorized(f"The token's {claim} must be a number of seconds since 1970")
    return float(found)
