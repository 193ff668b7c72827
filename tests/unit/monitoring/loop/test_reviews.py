"""Reviews are overdue from the day after, longest first."""

from datetime import UTC, date, datetime

from tests.worlds.bundles import SPEC
from windvane.monitoring.loop.reviews import overdue_reviews


def test_a_model_is_overdue_from_the_day_after_and_longest_comes_first() -> None:
    days = {"a": 21, "b": 20, "c": 22, "d": 23}
    specs = [
        SPEC.model_copy(update={"name": name, "review_by": datetime(2026, 11, day, tzinfo=UTC)})
        for name, day in days.items()
    ]
    found = overdue_reviews([*specs, SPEC], (), date(2026, 11, 22))
    assert [(finding.subject, finding.days) for finding in found] == [("model b", 2), ("model a", 1)]
    assert found[0].key == "model b/2026-11-20"
