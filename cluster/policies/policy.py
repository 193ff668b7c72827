"""Port to whoever says what may be done: a request goes in, a verdict with its reason comes out. Pure.

No policy, no decision: an adapter denies whatever it cannot evaluate, and so does `Closed`, which stands where a policy
set should be and none could be taken.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import msgspec

from windvane.cluster.errors import Denied, Invalid

Value: TypeAlias = bool | int | str  # Cedar has no floats: a risk is a whole number of millionths
UNEVALUATED = "The policy could not be evaluated, and without its answer nothing is allowed."
WHOLE = 1_000_000  # ppm

DECIDE, ACT, APPROVE = "decide", "act", "approve"  # the actions that are judged by a context
EXPLANATION, APPROVAL = "explanation", "approval"  # what a verdict can require: of `act`, and of `change_policy`
# What else may be asked about one model, and what about Windvane itself.
ON_MODEL = frozenset(
    {"report_outcome", "train", "deploy", "undeploy", "promote", "roll_back", "choose_version", "explain"}
    | {"view", "read_log", "record_consent"}
)
ON_SYSTEM = frozenset({"view", "read_log", "record_consent", "erase", "export", "manage_keys", "change_policy"})


class Principal(Protocol):
    """A caller as policies know it; a frozen record, since verdicts are remembered by it."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def roles(self) -> frozenset[str]:
        """Its roles, of client, owner, operator, compliance, admin."""

    @property
    def models(self) -> frozenset[str] | None:
        """The models it may have to do with; None is all of them."""


@dataclass(frozen=True, slots=True)
class CallerFacts:
    """Exactly what policies see of a caller: as it is asked for in a case, or stood on record at the time."""

    name: str
    roles: frozenset[str]
    models: frozenset[str] | None = None


class Mandate(msgspec.Struct, frozen=True, gc=False):
    """Purposes and limits of a model, as its declaration says."""

    model: str
    purposes: frozenset[str] = frozenset()  # uses that are permitted
    consent_for: frozenset[str] = frozenset()  # those of them to which the subject must have agreed
    actions: frozenset[str] = frozenset()  # what its decisions can be
    adverse: frozenset[str] = frozenset()  # those of them that go against the subject, and are explained
    manual: frozenset[str] = frozenset()  # those of them that only a person may take
    refer_from_ppm: int | None = None  # the risk from which a person takes any action

    def __post_init__(self) -> None:
        limit = self.refer_from_ppm
        if limit is not None and (type(limit) is not int or not 0 <= limit <= WHOLE):
            raise Invalid(
                f"refer_from_ppm of {self.model} is {limit!r}; write a whole number of millionths up to {WHOLE}"
            )


class Request(msgspec.Struct, frozen=True, gc=False):
    """May this caller do this? `mandate` is that of the model it is about; None when it is about Windvane itself."""

    caller: Principal
    action: str
    mandate: Mandate | None = None
    context: Mapping[str, Value] = {}

    @property
    def model(self) -> str | None:
        """The name of the model it is about."""
        return None if self.mandate is None else self.mandate.model


@dataclass(frozen=True, slots=True)
class PolicyDecision:
    """Answer of one policy set: yes or no, by which policies, and a reason that may be shown to the caller."""

    allowed: bool
    policies: tuple[str, ...]  # ids of those that determined it; none when nothing allowed it, or on an error
    reason: str  # empty when it is allowed
    version: str  # of the policy set: its hash
    refer: bool = False  # not allowed to be automated, but a person may decide it
    requires: tuple[str, ...] = ()  # what an allowed action brings with it: `EXPLANATION`, `APPROVAL`

    errors: tuple[str, ...] = ()  # for operators only: may quote what was sent
    alike: tuple[int, int] | None = None  # risks, from and to, at which the same request has this same verdict

    @property
    def outcome(self) -> str:
        """`allow`, `refer` or `deny`."""
        return "allow" if self.allowed else "refer" if self.refer else "deny"

    @property
    def category(self) -> str:
        """Category of a counted denial: the first policy that determined it, or why none did; of no person's making.

        >>> Closed("no set").judge(Request(None, "decide")).category
        'not evaluated'
        """
        return "not evaluated" if self.errors else self.policies[0] if self.policies else "no policy allows it"


class Policy(Protocol):
    """One policy set, ready to judge; a new set is a new Policy."""

    @property
    def version(self) -> str:
        """The hash of the policy set."""

    def judge(self, request: Request, /) -> PolicyDecision:
        """The verdict; never raises for what a request holds, but denies."""


@dataclass(frozen=True, slots=True)
class Closed:
    """Denies everything: what is in force when a policy set is missing, broken or empty.

    >>> Closed("admin.cedar:3: unexpected token").judge(Request(None, "decide")).allowed
    False
    """

    why: str  # for operators
    version: str = "closed"

    def judge(self, _: Request, /) -> PolicyDecision:
        """Always a denial, whatever is asked."""
        return PolicyDecision(False, (), UNEVALUATED, self.version, errors=(self.why,))


def decide_context(purpose: str, consent: bool | None) -> dict[str, Value]:
    """Context of `decide`; `consent` is None when the subject never said, and then policies see none.

    >>> decide_context("credit", None)
    {'purpose': 'credit'}
    """
    return {"purpose": purpose} if consent is None else {"purpose": purpose, "consent": consent}


def act_context(purpose: str, action: str, risk: float) -> dict[str, Value]:
    """Context of `act`; `risk` as `ppm` has it.

    >>> act_context("credit", "decline", 0.25)
    {'purpose': 'credit', 'action': 'decline', 'risk_ppm': 250000}
    """
    return {"purpose": purpose, "action": action, "risk_ppm": ppm(risk)}


def ppm(risk: float) -> int:
    """A risk in [0, 1] in whole millionths; whatever else it is, NaN too, is -1.

    >>> ppm(0.25), ppm(1.5)
    (250000, -1)
    """
    return round(risk * WHOLE) if 0.0 <= risk <= 1.0 else -1


def approve_context(requester: str) -> dict[str, Value]:
    """Context of `approve`: who asked for the change."""
    return {"requester": requester}


def require(verdict: PolicyDecision) -> None:
    """Raise Denied unless it is allowed."""
    if not verdict.allowed:
        raise Denied(verdict.reason, verdict.policies, verdict.version)
