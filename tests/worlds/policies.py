"""Policy sets and requests for tests: the packaged set, and small ones written in one line."""

from collections.abc import Mapping
from pathlib import Path

from windvane.cluster.policies.cedar_policy import CedarPolicy
from windvane.cluster.policies.policy import CallerFacts, Mandate, Principal, Request, Value
from windvane.cluster.policies.policy_set import PolicySet, read_policies

FOLDER = Path("configs/policies")
PACKAGED = read_policies(FOLDER)
SCHEMA = PACKAGED.schemas()[0][1]

CREDIT = Mandate(
    "credit",
    purposes=frozenset({"lending", "marketing"}),
    consent_for=frozenset({"marketing"}),
    actions=frozenset({"approve", "decline", "offer"}),
    adverse=frozenset({"decline"}),
    manual=frozenset({"offer"}),
    refer_from_ppm=900_000,
)
CLIENT = CallerFacts("shop", frozenset({"client"}), frozenset({"credit"}))


def rule(text: str, id: str = "only", reason: str = "Not so.", **said: str) -> str:
    """One complete policy around its effect, scope and conditions."""
    reasons = f'@reason("{reason}") ' if text.startswith("forbid") else ""
    extra = "".join(f'@{name}("{value}") ' for name, value in said.items() if name not in ("owner", "review_by"))
    owner, review_by = said.get("owner", "a@example.org"), said.get("review_by", "2027-01-01")
    return f'@id("{id}") @owner("{owner}") @review_by("{review_by}") {reasons}{extra}{text};\n'


def written(*rules: str, schema: str = SCHEMA) -> PolicySet:
    """A policy set of one file."""
    return PolicySet({"all.cedar": "".join(rules), "windvane.cedarschema": schema})


def cedar(*rules: str) -> CedarPolicy:
    """A policy set in force."""
    return CedarPolicy(written(*rules))


def asks(verb: str, caller: Principal = CLIENT, mandate: Mandate | None = CREDIT, /, **context: Value) -> Request:
    """A request with its context as keywords."""
    return Request(caller, verb, mandate, context)


def asks_with(action: str, context: Mapping[str, object], caller: Principal = CLIENT) -> Request:
    """A request about the credit model whose context may hold what no context should."""
    return Request(caller, action, CREDIT, context)  # type: ignore[arg-type]
