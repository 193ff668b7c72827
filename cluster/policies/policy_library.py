"""Keeps policy sets, each under its hash for ever, and the one register that says which is in force."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from windvane.cluster.decoders import json_decoder
from windvane.cluster.errors import Conflict, Invalid, NotFound
from windvane.cluster.policies import policy_register
from windvane.cluster.policies.policy_register import LivePolicySet, PolicyProposal, Register
from windvane.cluster.policies.policy_set import PolicySet
from windvane.cluster.store import Event, Shelf, Store

POLICY_SET, POLICY_REGISTER = "policy_set", "policy_register"  # kinds in the store
REGISTER = "register"  # the one key of its kind
EVERY_MODEL = "*"  # stands for the model in events that are about all of them; no model can be called so
_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class PolicyInForce:
    """The set that replicas are handed, and its number, which rises."""

    number: int
    written: PolicySet


class PolicyLibrary:
    """Every change is one compare-and-set of the register and one event; `check` raises Invalid for a set unfit to be.

    A set is stored before the register names it, so a kill in between leaves a set that nobody names, and no more. The
    event comes last: the register itself says who asked for every set that was ever in force, and who approved it.
    """

    def __init__(self, store: Store, check: Callable[[PolicySet], object]) -> None:
        self._store = store
        self._check = check
        self._sets = Shelf(store, POLICY_SET, PolicySet)
        self._registers = Shelf(store, POLICY_REGISTER, Register)

    def register(self) -> Register:
        """The sets in force and waiting."""
        return self._registers.load(REGISTER)[0] or Register()

    def written(self, version: str) -> PolicySet:
        """The set with that hash, or with that prefix of it; NotFound, or Invalid when the store changed it since."""
        found = self._store.list(POLICY_SET, version) if len(version) >= 8 else ()
        if len(found) != 1:
            raise NotFound(f"{len(found) or 'No'} policy sets begin with {version[:12]!a}; give more of the hash")
        written = json_decoder(PolicySet).decode(found[0].body)
        if written.version != found[0].key:
            raise Invalid(f"Policy set {found[0].key[:12]} in the store is not what was published: its hash differs")
        return written

    def in_force(self) -> PolicyInForce | None:
        """The set in force; None before the first one. Raises as `written` does when it is lost or was changed."""
        live = self.register().live
        return None if live is None else PolicyInForce(live.number, self.written(live.version))

    def hashes(self) -> Mapping[str, str]:
        """Hashes of the sets in force and waiting, for whoever signs what holds now."""
        register = self.register()
        known: dict[str, LivePolicySet | PolicyProposal | None] = {
            "in_force": register.live,
            "proposed": register.proposal,
        }
        return {name: found.version for name, found in known.items() if found is not None}

    def install(self, written: PolicySet, by: str, reason: str, now: datetime) -> Register:
        """Put a set in force and ask nobody: the first one, or by whoever holds the store, if all else fails."""
        self._keep(written)
        version = written.version

        def change(before: Register) -> Register:
            if before.live is not None and before.live.version == version:
                return before
            free = replace(before, proposal=None)
            return policy_register.propose(free, version, by, reason, now, second_person=False)

        return self._change(change, lambda _: f"{by} put policy set {version[:12]} in force: {reason}", now)

    def propose(self, written: PolicySet, by: str, reason: str, now: datetime, *, second_person: bool) -> Register:
        """See `policy_register.propose`; raises Invalid too, with everything that is wrong with the set."""
        self._keep(written)
        version = written.version
        return self._change(
            lambda before: policy_register.propose(before, version, by, reason, now, second_person=second_person),
            lambda live: (
                f"{by} {'put' if live else 'proposed'} policy set {version[:12]}{' in force' * live}: {reason}"
            ),
            now,
        )

    def approve(self, version: str, by: str, reason: str, now: datetime) -> Register:
        """See `policy_register.approve`; checked again, since a newer release may refuse what an older one took."""
        self._check(self.written(policy_register.proposed(self.register(), version).version))
        return self._change(
            lambda before: policy_register.approve(before, version, by, reason, now),
            lambda _: f"{by} approved policy set {version[:12]}, which is in force: {reason}",
            now,
        )

    def withdraw(self, version: str, by: str, reason: str, now: datetime) -> Register:
        """See `policy_register.withdraw`."""
        return self._change(
            lambda before: policy_register.withdraw(before, version),
            lambda _: f"{by} withdrew the proposal of policy set {version[:12]}: {reason}",
            now,
        )

    def _keep(self, written: PolicySet) -> None:
        self._check(written)
        if self._sets.load(written.version)[0] is None:
            try:
                self._sets.save(written.version, written, 0)
            except Conflict:  # somebody kept the same a moment ago: the key is its hash
                return

    def _change(self, how: Callable[[Register], Register], sentence: Callable[[bool], str], now: datetime) -> Register:
        """Load, decide, save; anew when somebody was quicker, for what they did may forbid this."""
        for attempt in range(_ATTEMPTS):
            before, revision = self._registers.load(REGISTER)
            after = how(before or Register())
            if after == before:
                return after
            try:
                self._registers.save(REGISTER, after, revision)
            except Conflict:
                if attempt + 1 == _ATTEMPTS:
                    raise
                continue
            self._tell(before or Register(), after, sentence, now)
            break
        return after

    def _tell(self, before: Register, after: Register, sentence: Callable[[bool], str], now: datetime) -> None:
        goes_live = after.live != before.live
        kind = "policy_live" if goes_live else "policy_proposed" if after.proposal else "policy_withdrawn"
        facts = _facts(after.live) if goes_live else {}
        proposal = after.proposal or before.proposal
        if proposal is not None and not goes_live:
            facts = {"policy_version": proposal.version, "requested_by": proposal.requested_by}
        self._store.append(Event(now, kind, EVERY_MODEL, None, sentence(goes_live), facts=facts))


def _facts(live: LivePolicySet | None) -> Mapping[str, str | float | int | None]:
    if live is None:
        return {}
    return {
        "policy_version": live.version,
        "number": live.number,
        "requested_by": live.requested_by,
        "approved_by": live.approved_by,
    }
