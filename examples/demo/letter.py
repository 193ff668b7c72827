"""Second scene: a declined application is told why and what would have helped, and the same much later."""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

from windvane.cluster.errors import WindvaneError
from windvane.examples.demo.scene import COMPARING, LENDING, MODEL, Case, Decision, Office, Scene, question

TITLE = "Who is declined is told why, and what would have helped"
CLOSE = 1e-6  # log-odds: what explaining a row alone or among others changes
ADDITIVE = 1e-4  # log-odds by which base value and contributions may miss the score's
SHOWN = 4  # contributions told one by one


def declined(office: Office, cases: Sequence[Case], features: Sequence[str]) -> tuple[Scene, Case | None]:
    """The refusal that is surest, of those that a change would have helped, asked for again in earnest."""
    told = [*counted(cases), ""]
    broken = [f"{each.name} was declined without a reason" for each in cases if _unexplained(each)]
    helped = [each for each in cases if _told(each).get("counterfactual", {}).get("outcome") == "found"]
    if not helped:
        return Scene(TITLE, tuple(told), (*broken, "no declined application has a counterfactual")), None
    surest = max(helped, key=lambda each: float(each.decision["prediction"]))
    office.record_consent(surest.applicant, {LENDING: True}, MODEL)
    asked = question(surest.application, features, LENDING)
    case = Case(surest.application, office.decide(MODEL, asked))
    told += [
        f"Of those that a change would have helped, {case.applicant}'s is the surest refusal. {case.applicant} agrees "
        f"to {LENDING!r}, a decision is asked for in earnest, and this is what the reply holds for the letter:",
        "",
        *letter(case.decision),
        "",
        *_tried(office, case, asked, broken),
        "",
        *_later(office, case.decision, broken),
    ]
    return Scene(TITLE, tuple(told), tuple(broken)), case


def counted(cases: Sequence[Case]) -> list[str]:
    """Counts what became of all applications, and of whose."""
    counts = Counter(each.action for each in cases)
    actions = ", ".join(f"{count:,} {action}" for action, count in counts.most_common())
    groups = Counter(str(each.application["race"]) for each in cases)
    refused = Counter(str(each.application["race"]) for each in cases if each.action == "decline")
    shares = ", ".join(f"{refused[name] / size:.0%} of {size:,} {name}" for name, size in groups.most_common())
    return [
        f"All {len(cases):,} applications of the file, asked about for the purpose {COMPARING!r}, which needs no "
        f"consent because nothing follows from it for anybody: {actions}.",
        f"Declined are {shares} applicants. The model sees nobody's race; it learnt from who was rejected, these very "
        "applicants among them. So few rows show a difference, and not what it comes from.",
    ]


def letter(decision: Decision) -> list[str]:
    """Letter to the applicant, from the reply alone."""
    told = decision["explanation"]
    return [
        f"  Your application ({decision['decision_id']}) was declined. The principal reasons:",
        *(f"    {place}. {reason['text']}." for place, reason in enumerate(told["reasons"], 1)),
        f"  {told['counterfactual']['text']}",
    ]


def _tried(office: Office, case: Case, asked: dict[str, Any], broken: list[str]) -> list[str]:
    """The model's own answer to the change that the letter names."""
    found = _told(case)["counterfactual"]
    changed = asked["features"] | {each["feature"]: each["after"] for each in found["changes"]}
    again = office.decide(MODEL, asked | {"features": changed})
    action, score = again["decision"]["action"], again["prediction"]
    if action != found["action"]:
        broken.append(f"with those changes the action is {action}, not {found['action']}")
    return [f"Asked again with exactly that: {action}, score {score:.3f} instead of {case.decision['prediction']:.3f}."]


def _later(office: Office, decision: Decision, broken: list[str]) -> list[str]:
    """The same numbers from the log and the registered version; what differs goes to `broken`."""
    name = decision["decision_id"]
    try:
        found = office.explain(MODEL, name)
    except WindvaneError as error:
        broken.append(f"it could not be explained later: {error}")
        return []
    told, weights = decision["explanation"], [each["weight"] for each in found["contributions"]]
    whole, score = found["base_value"] + sum(weights), found["again"]["prediction"]
    promises = {
        "the score is another one": score == decision["prediction"],
        "the reasons are others": found["grounds"]["reasons"] == told["reasons"],
        "the counterfactual is another one": found["grounds"]["counterfactual"] == told["counterfactual"],
        "the contributions are others": (found["again"]["largest_difference"] or 0.0) < CLOSE,
        "the parts do not add up to the score": abs(whole - math.log(score / (1.0 - score))) < ADDITIVE,
    }
    broken += [f"explained later, {trouble}" for trouble, kept in promises.items() if not kept]
    rest = weights[SHOWN:]
    return [
        f"Whoever has to answer for it later asks `windvane explain {name}`. It reads the log, loads version "
        f"{found['version']} from the registry, and adds up in log-odds:",
        "",
        f"  {found['base_value']:+.4f}  what the average application gets",
        *(f"  {each['weight']:+.4f}  {each['text']}" for each in found["contributions"][:SHOWN]),
        *([f"  {sum(rest):+.4f}  {len(rest)} more"] if rest else []),
        f"  {whole:+.4f}  in all, which is the score {score:.3f} that was answered",
    ]


def _told(case: Case) -> dict[str, Any]:
    found: dict[str, Any] = case.decision.get("explanation", {})
    return found


def _unexplained(case: Case) -> bool:
    return case.action == "decline" and not _told(case).get("reasons")
