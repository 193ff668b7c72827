"""A table of cases that a policy set has to judge as it says: read from YAML, run, and told by file and line. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import StrictBool, StrictInt, StrictStr, ValidationError

from windvane.cluster.policies.policy import WHOLE, CallerFacts, Mandate, Policy, PolicyDecision, Request
from windvane.configs.complaint import BadDeclaration, Complaint, faults, nearest, spelled
from windvane.configs.document import Unreadable, read
from windvane.configs.quantities import Flag, Share
from windvane.configs.schema import Declared

Outcome = Literal["allow", "refer", "deny"]


class CaseCaller(Declared):
    """A caller by its roles and the models its key is good for; all of them without `models`."""

    roles: tuple[str, ...] = ()
    models: tuple[str, ...] | None = None


class CaseModel(Declared):
    """A model's mandate."""

    purposes: tuple[str, ...] = ()
    consent_for: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()
    adverse: tuple[str, ...] = ()
    manual: tuple[str, ...] = ()
    refer_from: Share | None = None  # a risk in [0, 1]


class CaseRow(Declared):
    """One line of the table; `model` left out asks about Windvane itself."""

    name: str
    caller: str
    action: str
    model: str | None = None
    context: Mapping[str, StrictBool | StrictInt | StrictStr] = {}
    expect: Outcome
    policies: tuple[str, ...] | None = None  # ids that must have determined it, where that matters
    requires: tuple[str, ...] | None = None
    fails: Flag = False  # a denial because the policies could not be evaluated


class Table(Declared):
    """The file as a whole."""

    callers: Mapping[str, CaseCaller]
    models: Mapping[str, CaseModel] = {}
    cases: tuple[CaseRow, ...]


@dataclass(frozen=True, slots=True)
class Case:
    """One request and what is expected of it, with the place where it is written."""

    row: CaseRow
    request: Request
    place: str


@dataclass(frozen=True, slots=True)
class Failure:
    """A case that was judged otherwise."""

    case: Case
    verdict: PolicyDecision

    def __str__(self) -> str:
        row, verdict = self.case.row, self.verdict
        wanted = [row.expect, *(["by " + ", ".join(row.policies)] if row.policies is not None else [])]
        wanted += [] if row.requires is None else [f"requiring {', '.join(row.requires) or 'nothing'}"]
        wanted += ["on an error"] if row.fails else []
        found = [verdict.outcome, "by " + (", ".join(verdict.policies) or "no rule")]
        found += [f"requiring {', '.join(verdict.requires)}"] if verdict.requires else []
        found += [f"on an error ({'; '.join(verdict.errors)})"] if verdict.errors else []
        return f"{self.case.place}: {row.name}: expected {' '.join(wanted)}, got {' '.join(found)}"


@dataclass(frozen=True, slots=True)
class CaseResults:
    """Results of all cases; `idle` are the rules that determined none of them."""

    cases: int
    failures: tuple[Failure, ...]
    idle: tuple[str, ...]


def read_cases(file: Path) -> tuple[Case, ...]:
    """The cases of a table; raises BadDeclaration with every complaint, its field and its line."""
    try:
        document = read(file)
    except Unreadable as error:
        raise BadDeclaration([Complaint(str(file), spelled(error.path), error.line, error.what)]) from error
    try:
        table = Table.model_validate(document.value)
    except ValidationError as error:
        found = faults(error, Table, document.value)
        raise BadDeclaration(
            [Complaint(str(file), spelled(it.path), document.line(it.path), it.what, it.nearest) for it in found]
        ) from error
    complaints = []
    for number, row in enumerate(table.cases):
        for field, name, known in (("caller", row.caller, table.callers), ("model", row.model, table.models)):
            if name is not None and name not in known:
                path = ("cases", number, field)
                what = f"{name!r} is not among the {field}s of this table"
                complaints.append(
                    Complaint(str(file), spelled(path), document.line(path), what, nearest(name, tuple(known)))
                )
    if complaints:
        raise BadDeclaration(complaints)
    return tuple(
        Case(row, _request(row, table), f"{file}:{document.line(('cases', number))}")
        for number, row in enumerate(table.cases)
    )


def run(cases: Sequence[Case], policy: Policy, ids: Sequence[str] = ()) -> CaseResults:
    """Judge every case; `ids` are the rules that the cases should exercise."""
    judged = [(case, policy.judge(case.request)) for case in cases]
    seen = {id for _, verdict in judged for id in verdict.policies}
    failures = tuple(Failure(case, verdict) for case, verdict in judged if not _as_expected(case.row, verdict))
    return CaseResults(len(judged), failures, tuple(id for id in ids if id not in seen))


def _as_expected(row: CaseRow, verdict: PolicyDecision) -> bool:
    return (
        verdict.outcome == row.expect
        and (row.policies is None or set(row.policies) == set(verdict.policies))
        and (row.requires is None or set(row.requires) == set(verdict.requires))
        and row.fails == bool(verdict.errors)
    )


def _request(row: CaseRow, table: Table) -> Request:
    caller = table.callers[row.caller]
    models = None if caller.models is None else frozenset(caller.models)
    standing = CallerFacts(row.caller, frozenset(caller.roles), models)
    if row.model is None:
        return Request(standing, row.action, None, row.context)
    model = table.models[row.model]
    limit = None if model.refer_from is None else round(model.refer_from * WHOLE)
    mandate = Mandate(
        row.model,
        frozenset(model.purposes),
        frozenset(model.consent_for),
        frozenset(model.actions),
        frozenset(model.adverse),
        frozenset(model.manual),
        limit,
    )
    return Request(standing, row.action, mandate, row.context)
