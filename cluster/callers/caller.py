"""Callers as every endpoint knows them, and what their roles and models let them do."""

from dataclasses import dataclass

from windvane.cluster.errors import Forbidden
from windvane.configs.access import Role


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who is known; nothing of the credential is in it, so it may be logged."""

    name: str
    roles: frozenset[Role]
    models: frozenset[str] | None  # None: all
    key_id: str | None  # of the key that was shown; None for a bearer token and for anybody

    def may_use(self, model: str) -> bool:
        """Whether the model is within the caller's scope."""
        return self.models is None or model in self.models


ANYBODY = Caller("anybody", frozenset({"client"}), None, None)  # with access `open`, who sends no credential


def demand_role(caller: Caller, *roles: Role) -> None:
    """Raise Forbidden unless the caller has one of the roles.

    >>> demand_role(ANYBODY, "admin")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    windvane.cluster.errors.Forbidden: This needs the role admin; 'anybody' is client: ask an admin...
    """
    if caller.roles.isdisjoint(roles):
        has = ", ".join(sorted(caller.roles)) or "without a role"
        needed = " or ".join(roles)
        raise Forbidden(
            f"This needs the role {needed}; {caller.name[:80]!a} is {has}: ask an admin for a key with that role"
        )


def demand_all_models(caller: Caller) -> None:
    """Raise Forbidden when the caller's key is for single models: who makes keys could make one for the others."""
    if caller.models is not None:
        raise Forbidden(
            f"{caller.name[:80]!a} has to do with single models only, and this is about all of them: "
            "ask an admin for a key without --model"
        )


def demand_model(caller: Caller, model: str) -> None:
    """Raise Forbidden unless the model is within the caller's scope; does not tell which models there are.

    Nor does it repeat the name: it goes on record, and what stands in the place of a model's may be a person's.
    """
    if not caller.may_use(model):
        raise Forbidden(f"{caller.name[:80]!a} may not use this model: ask an admin for a key that names it")
