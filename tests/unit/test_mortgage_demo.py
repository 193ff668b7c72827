"""The scenes of the mortgage demo: the letter is made of the reply, and what does not hold is said."""

from collections.abc import Mapping
from typing import Any

from cluster.errors import NotFound
from examples.demo.mortgage import declined, letter

REASON = {"feature": "debt", "value": 54.0, "weight": 0.7, "text": "Debts take 54 % of the income"}
FOUND = {
    "outcome": "found",
    "text": "If debt had been 40 rather than 54, the action would have been refer.",
    "changes": [{"feature": "debt", "before": 54.0, "after": 40.0}],
    "prediction": 0.4,
    "action": "refer",
}


class Office:
    """Declines debts from 50 on, and remembers what it told."""

    def __init__(self, action_after: str = "refer", **later: Any) -> None:
        self._action_after, self._later = action_after, later
        self.told: dict[str, dict[str, Any]] = {}

    def decide(self, model: str, request: Mapping[str, Any]) -> dict[str, Any]:
        if "instances" in request:
            return {"decisions": [self._decide(each) for each in request["instances"]]}
        return self._decide(request)

    def explain(self, model: str, decision_id: str) -> dict[str, Any]:
        if decision_id not in self.told:
            raise NotFound("not there")
        told = self.told[decision_id]
        grounds = {name: told["explanation"][name] for name in ("reasons", "counterfactual")}
        again = {"prediction": told["prediction"], "largest_difference": 0.0}
        return {"version": 1, "grounds": grounds, "again": again | self._later}

    def _decide(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        debt = asked["features"]["debt"]
        decided: dict[str, Any] = {"decision_id": f"id-{asked['subject']}", "prediction": debt / 100.0}
        if debt < 50.0:
            return decided | {"decision": {"action": self._action_after if debt == 40.0 else "approve"}}
        decided["explanation"] = {"reasons": [REASON], "counterfactual": FOUND, "base_value": -2.0}
        self.told[decided["decision_id"]] = decided
        return decided | {"decision": {"action": "decline"}}


ROWS = [{"applicant": f"B{place}", "debt": debt} for place, debt in enumerate((10.0, 54.0, 52.0))]


def test_the_surest_refusal_is_told_tried_again_and_explained_later() -> None:
    scene = declined(Office(), ROWS, ["debt"])
    assert scene.broken == ()
    assert scene.lines == (
        "3 applications: 1 approve, 2 decline",
        "",
        "Your application (id-B1) was declined. The principal reasons:",
        "  1. Debts take 54 % of the income.",
        "If debt had been 40 rather than 54, the action would have been refer.",
        "",
        "Asked again with that: refer.",
        "windvane explain id-B1: version 1 still says the same.",
    )


def test_what_does_not_hold_is_said() -> None:
    assert declined(Office("decline"), ROWS, ["debt"]).broken == (
        "with those changes the action is decline, not refer",
    )
    differs = declined(Office(prediction=0.1, largest_difference=0.5), ROWS, ["debt"]).broken
    assert differs == ("explained later, the score is another one", "explained later, the contributions are others")
    nobody = declined(Office(), ROWS[:1], ["debt"])
    assert nobody.broken == ("no declined application has a counterfactual",)


def test_a_letter_numbers_its_reasons() -> None:
    told = {"decision_id": "d", "explanation": {"reasons": [REASON, REASON], "counterfactual": FOUND}}
    assert letter(told)[1:3] == ["  1. Debts take 54 % of the income.", "  2. Debts take 54 % of the income."]
