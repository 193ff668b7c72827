"""Policy on what people ask of control: who may train, promote, roll back, read, erase, change the policies."""

from collections.abc import Callable, Mapping

from windvane.cluster.errors import Unavailable
from windvane.cluster.policies.policy import Closed, Mandate, Policy, PolicyDecision, Principal, Request, Value, require
from windvane.cluster.policies.policy_library import PolicyLibrary
from windvane.cluster.policies.policy_set import PolicySet


class AdminPolicy:
    """Asks the store at every request which set is in force: people ask rarely, and a new set counts at once."""

    def __init__(
        self,
        library: PolicyLibrary,
        take: Callable[[PolicySet], Policy],
        mandate_of: Callable[[str], Mandate | None],
    ) -> None:
        """`take` makes a set ready; `mandate_of` is that of a deployed model."""
        self._library = library
        self._take = take
        self._mandate_of = mandate_of
        self._policy: Policy = Closed("no policy set was put in force yet")

    def demand(
        self, caller: Principal, action: str, model: str | None = None, context: Mapping[str, Value] | None = None
    ) -> PolicyDecision:
        """The verdict that allows it; raises Denied, and Unavailable when no set is in force or the store is away.

        A model that is not deployed is asked about by its name alone: policies see a scope, and no purposes.
        """
        verdict = self._judge(caller, action, model, context or {})
        require(verdict)
        return verdict

    def allows(self, caller: Principal, action: str, model: str | None) -> bool:
        """Whether the caller may do this to the model, or to Windvane itself; raises Unavailable as `demand` does."""
        return self._judge(caller, action, model, {}).allowed

    def demand_open(self) -> None:
        """Raise Unavailable where no set is in force: whatever is asked would be refused."""
        self._open()

    def policy(self) -> Policy:
        """The set in force, or one that denies everything."""
        live = self._library.register().live
        if live is not None and live.version != self._policy.version:
            self._policy = self._take(self._library.written(live.version))
        return self._policy

    def _judge(self, caller: Principal, action: str, model: str | None, context: Mapping[str, Value]) -> PolicyDecision:
        policy = self._open()
        mandate = None if model is None else self._mandate_of(model) or Mandate(model)
        return policy.judge(Request(caller, action, mandate, context))

    def _open(self) -> Policy:
        policy = self.policy()
        if isinstance(policy, Closed):
            raise Unavailable("No policy set is in force, and without one nothing is: `windvane policy install DIR`")
        return policy
