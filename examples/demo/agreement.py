"""First scene: nothing is decided about a person who did not agree to it, and it is once they have."""

from collections.abc import Sequence

from windvane.cluster.errors import Denied
from windvane.examples.demo.scene import LENDING, MODEL, Application, Case, Office, Scene, question

TITLE = "Nobody is decided about without their consent"


def agreement(office: Office, application: Application, features: Sequence[str]) -> Scene:
    """The same request before and after its applicant agrees."""
    applicant, asked = application["applicant"], question(application, features, LENDING)
    told = [
        f"Applicant {applicant} has sent an application. Somebody asks for a decision for the purpose {LENDING!r}, "
        "which the declaration ties to the applicant's consent:"
    ]
    try:
        office.decide(MODEL, asked)
    except Denied as denied:
        by = f"by policy {', '.join(denied.policies)} of set {denied.version[:12]}"
        told += ["", f"  403  {denied}", f"       {by}, on record as {', '.join(denied.decision_ids)}"]
        broken = _blameless(denied)
    else:
        broken = [f"{applicant} was decided about without consent"]
    said = {LENDING: True}
    office.record_consent(applicant, said, MODEL)
    told += [
        "",
        f'{applicant} agrees: PUT /api/subjects/{applicant}/consent {{"purposes": {{"{LENDING}": true}}}}. '
        "It is answered once every replica goes by it, so the very next request is decided:",
    ]
    try:
        case = Case(application, office.decide(MODEL, asked))
    except Denied as denied:
        return Scene(TITLE, tuple(told), (*broken, f"{applicant} agreed, and still: {denied}"))
    told += ["", f"  200  {case.action}, score {case.decision['prediction']:.3f}, on record as {case.name}"]
    return Scene(TITLE, tuple(told), tuple(broken))


def _blameless(denied: Denied) -> list[str]:
    """Faults of a denial for want of consent."""
    wrong = [] if denied.policies == ("consent",) else [f"it was denied by {denied.policies}, not for want of consent"]
    return wrong if denied.decision_ids else [*wrong, "the denial is not on record"]
