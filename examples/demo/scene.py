"""Scene of the mortgage demo: something done to a running Windvane, told, and held to what it promises."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias

MODEL = "mortgage"
LENDING, COMPARING = "lending", "fair-lending-audit"  # purposes of the declaration; the second needs no consent
INSTANCES = 100  # applications in one request

Application: TypeAlias = Mapping[str, Any]  # one row of windvane.examples.mortgages
Decision: TypeAlias = Mapping[str, Any]  # one answer of `decide`


@dataclass(frozen=True, slots=True)
class Scene:
    """Lines that were shown, and every promise that was not kept."""

    title: str
    lines: tuple[str, ...]
    broken: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """One application and what was decided about it."""

    application: Application
    decision: Decision

    @property
    def applicant(self) -> str:
        """Applicant it is about."""
        return str(self.application["applicant"])

    @property
    def action(self) -> str:
        """Action taken about it."""
        return str(self.decision["decision"]["action"])

    @property
    def name(self) -> str:
        """The decision's id."""
        return str(self.decision["decision_id"])


class Office(Protocol):
    """Running Windvane, as the scenes ask it; `windvane.cluster.control_api.ControlApi` is one."""

    def decide(self, model: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Decisions; raises Denied."""

    def record_consent(self, subject: str, purposes: Mapping[str, bool], model: str | None = None) -> dict[str, Any]:
        """Records what a subject agreed to."""

    def explain(self, model: str, decision_id: str) -> dict[str, Any]:
        """Explains a recorded decision; raises Conflict when it cannot be told any more."""

    def export_subject(self, subject: str, reason: str) -> dict[str, Any]:
        """Everything that is held about a subject."""

    def erase_subject(self, subject: str, reason: str) -> dict[str, Any]:
        """Destroy a subject's keys."""


@dataclass(frozen=True, slots=True)
class Audited:
    """Result of `windvane audit verify`."""

    exit_code: int
    lines: tuple[str, ...]


class Audit(Protocol):
    """Whoever verifies a log."""

    def verify(self, home: Path) -> Audited:
        """The log under that home, against the checkpoints beside it."""


def question(application: Application, features: Sequence[str], purpose: str) -> dict[str, Any]:
    """One application as a decision is asked for."""
    asked = {name: application[name] for name in features}
    return {"subject": application["applicant"], "features": asked, "purpose": purpose}


def ask(office: Office, applications: Sequence[Application], features: Sequence[str]) -> Iterator[Case]:
    """A decision about each application, in their order, for a purpose that needs nobody's consent."""
    for start in range(0, len(applications), INSTANCES):
        part = applications[start : start + INSTANCES]
        request = {"instances": [question(each, features, COMPARING) for each in part]}
        decisions = office.decide(MODEL, request)["decisions"]
        yield from map(Case, part, decisions)
