"""Reviews that should have been: every model and every policy rule has somebody who has to look at it again. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from windvane.cluster.policies.policy_set import Rule, overdue
from windvane.configs.schema import ModelSpec


@dataclass(frozen=True, slots=True)
class ReviewFinding:
    """One review that is overdue."""

    subject: str  # `model mortgage`, `policy high-risk`
    model: str | None  # None for a policy, which may be about many
    owner: str
    review_by: date
    days: int  # since then, at least 1

    @property
    def key(self) -> str:
        """The same for as long as the same review is overdue."""
        return f"{self.subject}/{self.review_by.isoformat()}"

    def sentence(self) -> str:
        """Sentence for people in the event list."""
        late = "a day" if self.days == 1 else f"{self.days} days"
        return f"The review of {self.subject} is {late} overdue ({self.review_by.isoformat()}); {self.owner} owns it"


def overdue_reviews(specs: Sequence[ModelSpec], rules: Iterable[Rule], today: date) -> tuple[ReviewFinding, ...]:
    """Models first, then policies, longest overdue first."""
    models = [
        ReviewFinding(f"model {spec.name}", spec.name, spec.owner, spec.review_by.date(), days)
        for spec in specs
        if spec.review_by is not None and (days := (today - spec.review_by.date()).days) > 0
    ]
    policies = [
        ReviewFinding(f"policy {rule.id}", None, rule.owner, rule.review_by, (today - rule.review_by).days)
        for rule in overdue(rules, today)
    ]
    return (*sorted(models, key=lambda finding: (finding.review_by, finding.subject)), *policies)
