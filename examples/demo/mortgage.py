"""What becomes of mortgage applications, scene by scene: each acts on a running Windvane and says whether it held."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from cluster.errors import WindvaneError

MODEL = "mortgage"
INSTANCES = 100  # applications in one request
CLOSE = 1e-6  # log-odds: what explaining a row alone or among others changes

Application = Mapping[str, Any]  # one row of examples.mortgages
Decision = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Scene:
    """What was shown, line by line, and every promise that was not kept."""

    title: str
    lines: tuple[str, ...]
    broken: tuple[str, ...] = ()


class Office(Protocol):
    """What the scenes need of a running Windvane; `cluster.control_api.ControlApi` is one."""

    def decide(self, model: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Decisions."""

    def explain(self, model: str, decision_id: str) -> dict[str, Any]:
        """Why a recorded decision is what it is."""


def ask(office: Office, applications: Sequence[Application], features: Sequence[str]) -> Iterator[Decision]:
    """A decision about each application, in their order."""
    for start in range(0, len(applications), INSTANCES):
        part = applications[start : start + INSTANCES]
        instances = [{"subject": row["applicant"], "features": {name: row[name] for name in features}} for row in part]
        yield from office.decide(MODEL, {"instances": instances})["decisions"]


def declined(office: Office, applications: Sequence[Application], features: Sequence[str]) -> Scene:
    """The application whose refusal is surest, of those that a change would have helped: the letter, and its proof."""
    decided = list(zip(applications, ask(office, applications, features), strict=True))
    counts = {action: sum(each["decision"]["action"] == action for _, each in decided) for action in _actions(decided)}
    told = [f"{len(decided):,} applications: " + ", ".join(f"{count:,} {action}" for action, count in counts.items())]
    refused = [(row, each) for row, each in decided if "reasons" in each.get("explanation", {})]
    broken = [
        f"{each['decision_id']} was declined without a reason"
        for row, each in decided
        if each["decision"]["action"] == "decline" and not each.get("explanation", {}).get("reasons")
    ]
    helped = [(row, each) for row, each in refused if each["explanation"]["counterfactual"]["outcome"] == "found"]
    if not helped:
        return Scene("A declined application", tuple(told), (*broken, "no declined application has a counterfactual"))
    row, one = max(helped, key=lambda pair: float(pair[1]["prediction"]))
    found = one["explanation"]["counterfactual"]
    changed = {name: row[name] for name in features} | {each["feature"]: each["after"] for each in found["changes"]}
    again = office.decide(MODEL, {"subject": row["applicant"], "features": changed})
    if again["decision"]["action"] != found["action"]:
        broken.append(f"with those changes the action is {again['decision']['action']}, not {found['action']}")
    told += ["", *letter(one), "", f"Asked again with that: {again['decision']['action']}."]
    later, trouble = _explained_later(office, one)
    return Scene("A declined application", (*told, *later), (*broken, *trouble))


def letter(decision: Decision) -> list[str]:
    """What the applicant is told, from the reply alone."""
    told = decision["explanation"]
    return [
        f"Your application ({decision['decision_id']}) was declined. The principal reasons:",
        *(f"  {place}. {reason['text']}." for place, reason in enumerate(told["reasons"], 1)),
        told["counterfactual"]["text"],
    ]


def _explained_later(office: Office, decision: Decision) -> tuple[list[str], list[str]]:
    """The same numbers from the log and the registered version, or what differs."""
    try:
        found = office.explain(MODEL, decision["decision_id"])
    except WindvaneError as error:
        return [], [f"it could not be explained later: {error}"]
    told = decision["explanation"]
    promises = {
        "the score is another one": found["again"]["prediction"] == decision["prediction"],
        "the reasons are others": found["grounds"]["reasons"] == told["reasons"],
        "the counterfactual is another one": found["grounds"]["counterfactual"] == told["counterfactual"],
        "the contributions are others": (found["again"]["largest_difference"] or 0.0) < CLOSE,
    }
    broken = [f"explained later, {trouble}" for trouble, kept in promises.items() if not kept]
    line = f"windvane explain {decision['decision_id']}: version {found['version']} still says the same."
    return ([] if broken else [line]), broken


def _actions(decided: Sequence[tuple[Application, Decision]]) -> list[str]:
    return sorted({each["decision"]["action"] for _, each in decided})
