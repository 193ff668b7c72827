"""A window is told as one event for each kind of breach, naming the worst."""

from datetime import UTC, datetime

from windvane.monitoring.findings import Finding, MonitorName
from windvane.monitoring.loop.retrain_decision import WatchState
from windvane.monitoring.loop.watch_notices import window_notices

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def breach(monitor: MonitorName, subject: str, value: float, window: int = 9) -> Finding:
    return Finding(
        "delay", monitor, subject, 1, value, 0.25, "critical", window, window * 86400.0, (window + 1) * 86400.0, 900
    )


def test_a_window_tells_its_drift_and_its_performance_apart() -> None:
    worst = [breach("feature_psi", "temp", 8.0), breach("auc_drop", "late", 0.6), breach("feature_psi", "wind", 0.5)]
    drift, performance = window_notices(worst, NOW)
    assert (drift.key, drift.facts["breaches"]) == ("finding:1:9:drift", 2)
    assert (performance.key, performance.facts["monitor"]) == ("finding:1:9:performance", "auc_drop")
    assert drift.event_time == datetime(1970, 1, 11, tzinfo=UTC)


def test_the_three_worst_are_named_and_the_rest_counted() -> None:
    worst = [breach("feature_psi", name, 9.0 - place) for place, name in enumerate("abcde")]
    (notice,) = window_notices(worst, NOW)
    assert notice.detail.count("Drift (PSI) of") == 3
    assert notice.detail.endswith("; and 2 more")
    assert (notice.facts["subject"], notice.facts["value"]) == ("a", 9.0)


def test_windows_are_told_oldest_first() -> None:
    notices = window_notices([breach("feature_psi", "temp", 9.0, 5), breach("feature_psi", "temp", 8.0, 4)], NOW)
    assert [notice.key for notice in notices] == ["finding:1:4:drift", "finding:1:5:drift"]


def test_a_window_is_looked_at_until_both_rows_and_labels_were_measured() -> None:
    assert WatchState(drift_window=5).after() is None
    assert WatchState(drift_window=5, performance_window=3).after() == 3
