"""Third scene: an applicant is erased; what the log shows of them before and after, and that it still verifies."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from windvane.cluster.decision_log.read.lookup import Kept, find
from windvane.cluster.errors import Conflict, Denied
from windvane.examples.demo.scene import LENDING, MODEL, Audit, Case, Office, Scene, question

TITLE = "Who wants to be forgotten is, and the log still holds"
WHY = "asked for by the applicant"
SHOWN = 4  # personal values told one by one


def erased(
    office: Office, audit: Audit, home: Path, case: Case, features: Sequence[str], personal: Sequence[str]
) -> Scene:
    """The applicant of a decision is erased; `personal` are the features that are declared so."""
    logs, applicant = home / "log" / MODEL, case.applicant
    before, held = find(logs, case.name), _held(office, case)
    broken = [*_exposed(before, applicant, personal)]
    if held.get("subject") != applicant:
        broken.append(f"what is held about {applicant} cannot be read before it is erased")
    told = [
        f"{applicant} wants to be forgotten. This is that decision as it lies in the log, and as the applicant's key "
        f"opens it (`windvane privacy export {applicant}`):",
        "",
        f"  on disk       {_plain(before)}",
        f"  with the key  {applicant}: {_values(held, personal)}",
        "",
    ]
    done = office.erase_subject(applicant, WHY)
    after, forgotten = find(logs, case.name), _held(office, case)
    told += [
        f"`windvane privacy erase {applicant}` destroys {_keys(done['keys'])}. Nothing in the log is touched for that:",
        "",
        f"  on disk       {_plain(after)}",
        f"  with the key  there is none: {_told_later(office, case, broken)}",
        f"  the consent   {_asked_again(office, case, features, broken)}",
        "",
        "`windvane audit verify` finds nothing that was changed:",
        "",
    ]
    if after != before:
        broken.append("the record is another one after the erasure")
    if not forgotten.get("erased") or any(forgotten["features"].get(name) is not None for name in personal):
        broken.append(f"what is held about {applicant} can still be read")
    audited = audit.verify(home)
    if audited.exit_code:
        broken.append(f"the log does not verify after the erasure (exit code {audited.exit_code})")
    return Scene(TITLE, (*told, *(f"  {line}" for line in audited.lines)), tuple(broken))


def _held(office: Office, case: Case) -> Mapping[str, Any]:
    """The decision as an export of everything about its subject has it."""
    decisions = office.export_subject(case.applicant, WHY)["models"].get(MODEL, {}).get("decisions", [])
    return next((each for each in decisions if each["decision_id"] == case.name), {})


def _exposed(kept: Kept, applicant: str, personal: Sequence[str]) -> list[str]:
    """Data of a person that a thief of the log would read."""
    found = [f"{name} stands in the log as it is" for name in personal if kept.row[name] is not None]
    named = applicant.encode() in msgspec.msgpack.encode(kept.decision)
    return [*found, f"the name of {applicant} stands in the log"] if named else found


def _plain(kept: Kept) -> str:
    decision = kept.decision
    stated = ", ".join(f"{name} {value}" for name, value in kept.row.items() if value is not None)
    return (
        f"subject {decision.subject[:16]}…, {decision.action}, {stated}, and {len(decision.personal or b'')} bytes "
        "that say nothing without the key"
    )


def _values(held: Mapping[str, Any], personal: Sequence[str]) -> str:
    values = held.get("features", {})
    return ", ".join(f"{name} {values.get(name)}" for name in personal[:SHOWN]) + ", …"


def _keys(count: int) -> str:
    return "the one key there is" if count == 1 else f"the {count} keys there are"


def _told_later(office: Office, case: Case, broken: list[str]) -> str:
    """Answer of `windvane explain` now."""
    try:
        office.explain(MODEL, case.name)
    except Conflict as error:
        return str(error)
    broken.append(f"the decision about {case.applicant} can still be explained")
    return "and still it opens"


def _asked_again(office: Office, case: Case, features: Sequence[str], broken: list[str]) -> str:
    """Whether the consent went the same way."""
    try:
        office.decide(MODEL, question(case.application, features, LENDING))
    except Denied as denied:
        return f"is forgotten too, so the next request is a 403: {denied}"
    broken.append(f"the consent of {case.applicant} outlived its subject")
    return "is still there"
