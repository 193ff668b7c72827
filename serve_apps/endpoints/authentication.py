"""Admits known callers to one model's endpoints, no faster than they may, for models that their key names."""

from collections.abc import Iterable

from windvane.cluster.callers.authenticator import Authenticator
from windvane.cluster.callers.caller import Caller, demand_model
from windvane.cluster.callers.credential import credentials_in
from windvane.cluster.errors import WindvaneError
from windvane.configs.access import Role
from windvane.serve_apps.endpoints.refusal_log import RefusalLog

CLIENTS: tuple[Role, ...] = ("client", "owner", "admin")  # who may ask for decisions and report outcomes
CHOOSERS: tuple[Role, ...] = ("owner", "admin")  # who may say which version answers


def chooses(caller: Caller) -> bool:
    """Whether the caller may say which version answers."""
    return not caller.roles.isdisjoint(CHOOSERS)


class Authentication:
    """Admits the callers of one replica, over HTTP and over gRPC."""

    def __init__(self, model: str, authenticator: Authenticator, refusal_log: RefusalLog | None = None) -> None:
        self._model = model
        self._authenticator = authenticator
        self._refusal_log = refusal_log or RefusalLog()

    async def admit(self, headers: Iterable[tuple[bytes, bytes]]) -> Caller:
        """Sender of these headers, names in lower case; raises Unauthorized, Unavailable while none can be known."""
        return await self._authenticator.admit(*credentials_in(headers))

    def demand(self, caller: Caller) -> None:
        """One request less for the caller; raises TooFast, or Forbidden when this is another's model."""
        self._authenticator.charge(caller)
        demand_model(caller, self._model)

    def debit(self, caller: Caller, rows: int) -> None:
        """The request that was let in turned out to ask for so many rows."""
        if rows > 1:
            self._authenticator.debit(caller, rows - 1)

    def refused(self, error: WindvaneError, route: str, caller: Caller | None) -> None:
        """Put it on record when it was for who calls."""
        self._refusal_log.note(error, route, caller)
