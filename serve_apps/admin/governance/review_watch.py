"""Tells of overdue reviews, each once: as an event of the model, or of all of them where it is a policy's."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from windvane.cluster.policies.policy_library import EVERY_MODEL
from windvane.cluster.policies.policy_set import Rule
from windvane.cluster.store import Event, Store
from windvane.configs.schema import ModelSpec
from windvane.monitoring.loop.reviews import ReviewFinding, overdue_reviews
from windvane.serve_apps.admin.admin_policy import AdminPolicy

REVIEW = "review"  # kind in the store; the key is the finding's


class ReviewWatch:
    """`tick` may be killed anywhere; a finding may then be told twice, and never not at all."""

    def __init__(self, store: Store, admin_policy: AdminPolicy) -> None:
        self._store = store
        self._admin_policy = admin_policy
        self._told: set[str] = set()

    def tick(self, models: Sequence[ModelSpec], now: datetime) -> None:
        """Look at every model and at every rule in force."""
        rules: tuple[Rule, ...] = getattr(self._admin_policy.policy(), "rules", ())
        for finding in overdue_reviews(models, rules, now.date()):
            if finding.key in self._told:
                continue
            if self._store.get(REVIEW, finding.key) is None:
                self._store.append(_event(finding, now))
                self._store.put(REVIEW, finding.key, msgspec.json.encode(finding), 0)
            self._told.add(finding.key)


def _event(finding: ReviewFinding, now: datetime) -> Event:
    return Event(
        now,
        "finding",
        finding.model or EVERY_MODEL,
        None,
        finding.sentence(),
        facts={"monitor": "review", "subject": finding.subject, "owner": finding.owner, "days": finding.days},
    )
