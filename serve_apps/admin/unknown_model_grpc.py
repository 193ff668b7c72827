"""Answers gRPC about models that are not deployed: callers that may not ask learn nothing."""

import asyncio
import logging
from collections.abc import Callable
from typing import TypeVar

from windvane.cluster.callers.authenticator import Authenticator
from windvane.cluster.callers.caller import demand_model
from windvane.cluster.callers.credential import credentials_in
from windvane.cluster.errors import NotFound, WindvaneError
from windvane.cluster.runtime.grpc_frontend import ASKED_APPLICATION
from windvane.serve_apps.admin.admin_audit import AdminAudit
from windvane.serve_apps.endpoints.oip_grpc import Context, demand_local, headers_of, refuse
from windvane.serve_apps.endpoints.refusal_log import RefusalLog
from windvane.serve_apps.protocol.unforeseen import told

Reply = TypeVar("Reply")
ROUTE = "gRPC of a model that is not here"  # on record; what it was called may be a person's name
logger = logging.getLogger(__name__)


class UnknownModelGrpc:
    """Refuses in the words of a model's own endpoint, whether there is such a model or not."""

    def __init__(
        self,
        authenticator: Authenticator,
        refusal_log: RefusalLog,
        local: bool,
        demand_gone: Callable[[str], None],
        admin_audit: AdminAudit | None = None,
    ) -> None:
        """`local` refuses callers on other machines, as the `OipGrpc` does; `admin_audit` puts refusals on the log.

        `demand_gone` is `Declarations.demand_gone`; it blocks.
        """
        self._authenticator = authenticator
        self._refusal_log = refusal_log
        self._local = local
        self._demand_gone = demand_gone
        self._admin_audit = admin_audit

    async def answer(self, model: str, empty: Reply, context: Context) -> Reply:
        """`empty`, under the status that says why there is nothing else."""
        caller = None
        try:
            if self._local:
                demand_local(context)
            caller = await self._authenticator.admit(*credentials_in(headers_of(context)))
            self._authenticator.charge(caller)
            application = dict(context.invocation_metadata()).get(ASKED_APPLICATION)
            demand_model(caller, model if application is None else application)
            if application is not None:
                sentence = f"No application {application[:64]!a} is deployed here: leave the metadata application out"
            else:
                await asyncio.to_thread(self._demand_gone, model)
                sentence = f"No model {model[:64]!a} is deployed here: run windvane deploy"
            raise NotFound(sentence)
        except WindvaneError as error:
            noted = self._refusal_log.note(error, ROUTE, caller)
            if noted and self._admin_audit is not None:
                await self._admin_audit.refused_at(ROUTE, model, "" if caller is None else caller.name, error)
            refuse(error, context)
        except Exception as error:
            logger.exception("A gRPC request about a model that is not here was not answered")
            refuse(told(error), context)
        return empty
