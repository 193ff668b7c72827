"""The port's adapter to Cedar (`cedarpy`): every error denies, and equal questions are answered from memory.

What may be remembered, and why. Cedar's evaluation is a function of policies, entities and request and of nothing else:
the language has no clock, no I/O and no state. The policies are those of this object and never change. The entities are
the caller and the model, written from the caller's name, roles and models and from the mandate's fields; the rest of
the request is the action and the context. So the verdict is the same whenever all of these are, and all of these are in
the key: the caller and the mandate whole, the action, and of the context every name with its value *and its type*, for
Python holds `True == 1`, where Cedar lets one pass and refuses the other. A risk stands in the key by its cell, where
`cedar_cuts` proves that the rules cannot tell the risks of a cell apart. Anything else in a context (no bool, int or
short text) is evaluated every time.
"""

import logging
from dataclasses import dataclass, field, replace

import cedarpy

from windvane.cluster.errors import Invalid
from windvane.cluster.policies.cedar_cuts import RISK, bounds, cell, cuts
from windvane.cluster.policies.cedar_entities import Uid, caller_uid, entities, question, resource_uid
from windvane.cluster.policies.cedar_rules import Compiled, compile_policies
from windvane.cluster.policies.policy import (
    UNEVALUATED,
    WHOLE,
    Closed,
    Mandate,
    Policy,
    PolicyDecision,
    Principal,
    Request,
)
from windvane.cluster.policies.policy_replay import Weighed
from windvane.cluster.policies.policy_set import PolicySet, Rule

MOST_KEPT = 16_384  # verdicts remembered before all are forgotten: a caller who makes purposes up cannot fill memory
_LONGEST_TEXT = 128  # of a text in a key
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Pair:
    """One caller and one model, as Cedar takes them, and what was said about them."""

    principal: Uid
    resource: Uid
    entities: cedarpy.Entities
    cuts: tuple[int, ...] | None
    verdicts: dict[tuple[object, ...], PolicyDecision] = field(default_factory=dict)


class CedarPolicy:
    """One policy set in force; raises Invalid at once with everything that is wrong with it."""

    def __init__(self, written: PolicySet) -> None:
        self._compiled: Compiled = compile_policies(written)
        self._cuts = cuts(self._compiled.templates)
        self._pairs: dict[tuple[Principal, Mandate | None], _Pair] = {}
        self._kept = 0

    @property
    def version(self) -> str:
        """The hash of the policy set."""
        return self._compiled.version

    @property
    def rules(self) -> tuple[Rule, ...]:
        """Every rule of the set, in the order of the files."""
        return tuple(self._compiled.rules.values())

    def judge(self, request: Request) -> PolicyDecision:
        """The verdict, from memory where the same was asked before; whatever goes wrong denies."""
        try:
            pair = self._pairs.get((request.caller, request.mandate)) or self._meet(request)
            key = _key(request, pair.cuts)
            if key is None:
                return self._evaluate(request, pair)
            verdict = pair.verdicts.get(key)
            if verdict is None:
                verdict = replace(self._evaluate(request, pair), alike=_alike(request, pair.cuts))
                self._keep()
                pair.verdicts[key] = verdict
        except Exception as error:  # whatever it is, nobody gets through by causing it
            logger.exception("A request to %r could not be judged", request.action)
            return self._failed((f"{type(error).__name__}: {error}",))
        return verdict

    def forget(self) -> None:
        """Remember nothing of what was judged so far; no verdict changes by it."""
        self._pairs.clear()
        self._kept = 0

    def weigh(self, request: Request) -> tuple[Weighed, ...]:
        """Evaluates each rule by itself on the request; ValueError or TypeError when nothing can be made of it."""
        pair = self._meet(request)
        alone = {id: cedarpy.PolicySet.from_str(text) for id, text in self._compiled.texts.items()}
        asked = ((rule, self._ask(request, pair, alone[rule.id]).diagnostics) for rule in self.rules)
        return tuple(Weighed(rule, bool(said.reasons), "; ".join(said.errors)) for rule, said in asked)

    def _meet(self, request: Request) -> _Pair:
        """Write caller and model as entities that fit the schema; ValueError or TypeError when they do not."""
        caller, mandate = request.caller, request.mandate
        parsed = entities(caller, mandate, self._compiled.schema)
        numbers = None
        if self._cuts is not None:
            limit = None if mandate is None else mandate.refer_from_ppm
            numbers = tuple(sorted(self._cuts if limit is None else self._cuts | {limit}))
        pair = _Pair(caller_uid(caller), resource_uid(mandate), parsed, numbers)
        self._keep()
        self._pairs[caller, mandate] = pair
        return pair

    def _keep(self) -> None:
        self._kept += 1
        if self._kept > MOST_KEPT:
            self.forget()
            self._kept = 1

    def _evaluate(self, request: Request, pair: _Pair) -> PolicyDecision:
        result = self._ask(request, pair, self._compiled.policies)
        diagnostics = result.diagnostics
        if diagnostics.errors:  # Cedar skips a rule that fails: a forbid that was skipped must not become a permit
            return self._failed(tuple(diagnostics.errors))
        rules = sorted((self._compiled.rules[name] for name in diagnostics.reasons), key=lambda rule: rule.id)
        ids = tuple(rule.id for rule in rules)
        if result.decision is cedarpy.Decision.Allow and rules:
            requires = tuple(sorted({rule.requires for rule in rules if rule.requires}))
            return PolicyDecision(True, ids, "", self.version, requires=requires)
        if not rules:
            # On record; what stands in the place of a model's name may be a person's.
            about = "" if request.model is None else " on this model"
            return PolicyDecision(
                False, (), f"No policy allows {request.caller.name} to {request.action}{about}.", self.version
            )
        # Where one rule blocks and another would refer, it is blocked.
        blocking = [rule for rule in rules if rule.otherwise != "refer"]
        reason = " ".join(dict.fromkeys(rule.reason for rule in blocking or rules))
        return PolicyDecision(False, ids, reason, self.version, refer=not blocking)

    def _ask(self, request: Request, pair: _Pair, policies: cedarpy.PolicySet) -> cedarpy.AuthzResult:
        asked = question(pair.principal, request.action, pair.resource, request.context)
        return cedarpy.is_authorized(asked, policies, pair.entities, self._compiled.schema)

    def _failed(self, errors: tuple[str, ...]) -> PolicyDecision:
        return PolicyDecision(False, (), UNEVALUATED, self.version, errors=errors)


def taken(written: PolicySet) -> Policy:
    """The policy set in force, or, where it cannot be taken, one that denies everything and says why to operators."""
    try:
        return CedarPolicy(written)
    except Invalid as error:
        why = "; ".join([str(error), *(f"{problem.pointer}: {problem.detail}" for problem in error.problems)])
        logger.error("Everything is denied: %s", why)
        return Closed(why, written.version)


def _key(request: Request, sorted_cuts: tuple[int, ...] | None) -> tuple[object, ...] | None:
    """All of the request that a verdict can depend on, beside caller and mandate; None when it must not be kept."""
    parts: list[object] = [request.action]
    for name, value in request.context.items():
        if type(value) is int:
            if name == RISK and sorted_cuts is not None and 0 <= value <= WHOLE:
                parts += (name, "cell", cell(value, sorted_cuts))
                continue
        elif type(value) is str:
            if len(value) > _LONGEST_TEXT:
                return None
        elif type(value) is not bool:
            return None
        parts += (name, type(value), value)
    return tuple(parts)


def _alike(request: Request, sorted_cuts: tuple[int, ...] | None) -> tuple[int, int] | None:
    """The risks that the rules cannot tell from the request's own; None where each is judged for itself."""
    risk = request.context.get(RISK)
    if type(risk) is not int or sorted_cuts is None or not 0 <= risk <= WHOLE:
        return None
    return bounds(risk, sorted_cuts)
