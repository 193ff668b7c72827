"""The judge's verdict: PASS, FAIL or NOT_YET, with the evidence of every guardrail behind it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

Outcome: TypeAlias = Literal["PASS", "FAIL", "NOT_YET"]


@dataclass(frozen=True, slots=True)
class Guardrail:
    """One thing that was looked at: what was measured, against what, and what follows from it."""

    name: str  # "loading", "evidence", "loss", "errors", "latency", "shift", "duration"
    outcome: Outcome
    sentence: str
    value: float | None = None
    limit: float | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """All guardrails of one look; `summary` is the sentence an operator reads first."""

    outcome: Outcome
    at: datetime
    where: str  # the phase that was judged, in words
    guardrails: tuple[Guardrail, ...]
    summary: str

    def deciding(self) -> tuple[Guardrail, ...]:
        """The guardrails that made it this outcome: the failing ones, or those that are still waited for."""
        return tuple(guardrail for guardrail in self.guardrails if guardrail.outcome == self.outcome != "PASS")

    def reason(self) -> tuple[str, ...]:
        """Key shared by verdicts that differ only in their figures."""
        return (self.where, self.outcome, *(guardrail.name for guardrail in self.deciding()))


def conclude(at: datetime, where: str, guardrails: tuple[Guardrail, ...]) -> Verdict:
    """One FAIL fails, one NOT_YET holds; nothing passes unless everything does."""
    outcomes = {guardrail.outcome for guardrail in guardrails}
    outcome: Outcome = "FAIL" if "FAIL" in outcomes else "NOT_YET" if "NOT_YET" in outcomes else "PASS"
    opening = {"FAIL": "failed", "NOT_YET": "not yet", "PASS": "passed"}[outcome]
    verdict = Verdict(outcome, at, where, guardrails, "")
    sentences = [guardrail.sentence for guardrail in (verdict.deciding() or guardrails)]
    return Verdict(outcome, at, where, guardrails, f"{where} {opening}: {'; '.join(sentences)}")
