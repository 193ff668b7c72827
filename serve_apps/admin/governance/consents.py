"""Records and shows what subjects consent to; answers a withdrawal once it holds."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from windvane.cluster.errors import Invalid, Problem, Unavailable
from windvane.cluster.policies.consent import Consent, ConsentRecords
from windvane.cluster.policies.policy import Mandate, Principal
from windvane.serve_apps.admin.admin_policy import AdminPolicy
from windvane.serve_apps.admin.governance.policies import PATIENCE_SECONDS, Post
from windvane.serve_apps.admin.governance.replies import ConsentStatus
from windvane.serve_apps.sync.consents import encode_change
from windvane.serve_apps.sync.topics import CONSENTS

RECORD_CONSENT = "record_consent"  # as policies name it


class ConsentAdmin:
    """One per control replica."""

    def __init__(
        self,
        records: ConsentRecords,
        admin_policy: AdminPolicy,
        mandate_of: Callable[[str], Mandate | None],
        post: Post,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`post` may raise Unavailable."""
        self._records = records
        self._admin_policy = admin_policy
        self._mandate_of = mandate_of
        self._post = post
        self._clock = clock

    @property
    def name(self) -> str:
        """Its name in exports."""
        return "consents"

    def export(self, subject: str) -> Any:
        """Everything the subject said, as JSON takes it; None for nothing."""
        return _said(self._records.of(subject), None)["purposes"] or None

    def erase(self, subject: str) -> None:
        """Forget what the subject said, here and on every replica."""
        self._post(CONSENTS, encode_change(self._records.forget(subject)), PATIENCE_SECONDS)

    def of(self, subject: str, caller: Principal) -> ConsentStatus:
        """The subject's consents to purposes of the caller's models; raises Denied where it has to do with none."""
        return _said(self._records.of(subject), self._purposes_of(caller))

    def record(self, subject: str, purposes: Mapping[str, bool], model: str | None, caller: Principal) -> ConsentStatus:
        """Note the subject's word on these purposes; returns once every replica goes by it.

        With `model` a caller for single models may do so, for purposes of that model, and is answered about those of
        its own models. Raises Denied, Invalid, and Unavailable when it is noted and not known to be in force
        everywhere: saying it again does no harm.
        """
        self._admin_policy.demand(caller, RECORD_CONSENT, model)
        shown = self._purposes_of(caller, *([] if model is None else [model]))
        if model is not None:
            declared = self._declared(model)
            strange = sorted(set(purposes) - declared)
            if strange:
                known = ", ".join(sorted(declared)) or "none"
                raise Invalid(
                    f"{model} declares other purposes: {known}",
                    tuple(Problem(f"/purposes/{each}", f"is no purpose of {model}") for each in strange),
                )
        change = self._records.record(subject, purposes, caller.name, self._clock())
        if not self._post(CONSENTS, encode_change(change), PATIENCE_SECONDS):
            raise Unavailable("It is noted, and not every replica is known to go by it yet: send it again")
        return _said(self._records.of(subject), shown)

    def _purposes_of(self, caller: Principal, *also: str) -> frozenset[str] | None:
        """The purposes whose consents the caller may know, those of models in `also` too; None is every one."""
        if self._admin_policy.allows(caller, RECORD_CONSENT, None):
            return None
        scope = caller.models or frozenset()
        models = [*also, *(each for each in scope if self._admin_policy.allows(caller, RECORD_CONSENT, each))]
        if not models:
            self._admin_policy.demand(caller, RECORD_CONSENT)
        return frozenset[str]().union(*map(self._declared, models))

    def _declared(self, model: str) -> frozenset[str]:
        mandate = self._mandate_of(model)
        return frozenset() if mandate is None else mandate.purposes


def _said(consent: Consent, shown: frozenset[str] | None) -> ConsentStatus:
    return {
        "purposes": {
            purpose: {"given": said.given, "at": said.at.isoformat(), "by": said.by}
            for purpose, said in sorted(consent.purposes.items())
            if shown is None or purpose in shown
        }
    }
