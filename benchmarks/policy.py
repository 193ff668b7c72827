"""Cost of the policy step for one decision: microseconds, medians over single calls; and of taking a set.

python -m benchmarks.policy
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

from windvane.cluster.policies.cedar_policy import CedarPolicy
from windvane.cluster.policies.policy import CallerFacts, Mandate, Request, act_context, decide_context, require
from windvane.cluster.policies.policy_set import read_policies
from windvane.configs.load import PACKAGED

FOLDER = PACKAGED / "policies"
MANDATE = Mandate(
    "credit",
    purposes=frozenset({"lending", "marketing"}),
    consent_for=frozenset({"marketing"}),
    actions=frozenset({"approve", "decline"}),
    adverse=frozenset({"decline"}),
    refer_from_ppm=900_000,
)
CALLER = CallerFacts("shop", frozenset({"client"}), frozenset({"credit"}))
CALLS, BATCH = 20_000, 64


@dataclass(frozen=True, slots=True)
class Cost:
    """One row of the table."""

    step: str
    microseconds: float


def main() -> None:
    """Measure and print."""
    for cost in costs():
        sys.stdout.write(f"{cost.microseconds:9.2f} us  {cost.step}\n")


def costs(calls: int = CALLS) -> list[Cost]:
    """Every step, the request made anew each time as an endpoint would."""
    written = read_policies(FOLDER)
    policy = CedarPolicy(written)

    def decide(_: int) -> None:
        policy.judge(Request(CALLER, "decide", MANDATE, decide_context("marketing", True)))

    def act(number: int) -> None:
        policy.judge(Request(CALLER, "act", MANDATE, act_context("lending", "approve", number % 997 / 997)))

    def first_of_a_kind(_: int) -> None:
        policy.forget()
        decide(0)

    def unseen(number: int) -> None:
        policy.judge(Request(CALLER, "decide", MANDATE, decide_context(f"made up {number:0150d}", None)))

    def both(number: int) -> None:
        for row in range(BATCH):
            decide(row)
            act(number + row)

    for asked in (
        Request(CALLER, "decide", MANDATE, decide_context("marketing", True)),
        Request(CALLER, "act", MANDATE, act_context("lending", "approve", 0.5)),
    ):
        require(policy.judge(asked))  # a denial is cheaper than what is to be measured
    return [
        Cost("before the model, from memory", _median(decide, calls)),
        Cost("after the model, a risk of its own each time, from memory", _median(act, calls)),
        Cost(f"both, a row of a batch of {BATCH}", _median(both, max(calls // BATCH, 1)) / BATCH),
        Cost("evaluated, caller and model known", _median(unseen, max(calls // 5, 1))),
        Cost("evaluated, caller and model new", _median(first_of_a_kind, max(calls // 5, 1))),
        Cost(
            f"a set of {len(policy.rules)} rules taken: parsed and held to its schema", _median(lambda _: _take(), 20)
        ),
    ]


def _take() -> None:
    CedarPolicy(read_policies(FOLDER))


def _median(call: Callable[[int], None], calls: int) -> float:
    for number in range(min(calls, 100)):
        call(number)
    spent: list[int] = []
    for number in range(calls):
        began = time.perf_counter_ns()
        call(number)
        spent.append(time.perf_counter_ns() - began)
    return median(spent) / 1000.0


if __name__ == "__main__":
    main()
