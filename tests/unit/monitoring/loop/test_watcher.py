"""From a breach to a registered version, tick by tick; and the same whatever effect the process dies at."""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.worlds.fakes import FakeJobs, Fuse
from tests.worlds.watched import DAY, LOST, NOW, REFERENCE, SPEC, FakeMonitor, World, tick, window, world
from windvane.backtest.memory import MemoryRegistry, MemoryStore
from windvane.monitoring.loop.requests import Cause, Wanted, open_request, requests_of
from windvane.monitoring.loop.watcher import FINDING

FINE = replace(REFERENCE, n=5000, positives=1000)


def test_a_breach_that_lasts_and_costs_becomes_a_version() -> None:
    it = world(window(8), window(9))
    tick(it)
    (request,) = requests_of(it.store, "delay")
    assert (request.status, request.cause, request.findings) == ("submitted", "findings", ("feature_psi:temp",))
    assert "champion loses by AUC" in request.reason
    assert it.jobs.submissions == ["retrain-delay-0001-20261122T000000-1"]
    tick(it, 1)
    assert requests_of(it.store, "delay") == (replace(request, untold=()),)
    it.finish_job()
    tick(it, 3)
    (request,) = requests_of(it.store, "delay")
    assert (request.status, request.version) == ("succeeded", 2)
    expected = ["finding", "assessment", "retrain_requested", "job_submitted", "job_succeeded"]
    assert it.kinds() == expected


def test_breaches_are_kept_one_by_one() -> None:
    it = world(window(8), window(9))
    tick(it)
    assert [saved.key for saved in it.store.list(FINDING)] == [
        "delay/00000008/1/feature_psi:temp",
        "delay/00000009/1/feature_psi:temp",
    ]


def test_harmless_drift_is_recorded_and_told_once_however_long_it_lasts() -> None:
    it = world(window(8), window(9), labelled=FINE)
    for second in range(5):
        tick(it, second)
    assert it.kinds() == ["finding", "assessment"]
    assert requests_of(it.store, "delay") == ()
    for number in range(10, 200):
        it.monitor.windows.append(window(number))
        tick(it, number)
    assert it.kinds() == ["finding", "assessment"], "harmless drift is told once"


def test_missing_labels_are_told_once_and_awaited() -> None:
    it = world(window(8), window(9), labelled=None)
    for second in range(3):
        tick(it, second)
    assert it.kinds() == ["finding", "assessment"]
    it.monitor.labelled = LOST
    tick(it, 4)
    assert it.kinds()[2:] == ["assessment", "retrain_requested", "job_submitted"]
    assert len(requests_of(it.store, "delay")) == 1


def test_one_window_over_the_limit_only_tells() -> None:
    it = world(window(8, psi=0.1), window(9))
    tick(it)
    assert it.kinds() == ["finding"]
    assert it.watcher().state("delay").note == "no breach has lasted"


def test_a_window_that_is_still_open_or_just_counted_is_not_measured() -> None:
    fresh = replace(window(9), counted_at=NOW.timestamp() - 1.0)
    it = world(window(8), fresh)
    tick(it)
    assert it.watcher().state("delay").drift_window == 8
    tick(it, 5)
    assert it.watcher().state("delay").drift_window == 9


def test_performance_is_measured_when_its_labels_are_complete() -> None:
    incomplete = replace(LOST, n=300)
    it = world(window(8, psi=0.1, performance=LOST), window(9, psi=0.1, performance=incomplete))
    tick(it)
    state = it.watcher().state("delay")
    assert (state.drift_window, state.performance_window) == (9, 8)
    it.monitor.windows.append(window(10, psi=0.1, performance=LOST))
    tick(it, 1)  # window 9 has had one more window of time
    assert it.watcher().state("delay").performance_window == 10
    assert requests_of(it.store, "delay")[0].findings == ("auc_drop:late",)


def test_an_unknown_profile_is_fetched_and_given_to_the_monitor(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    profile = tmp_path / "profile.json"
    profile.write_bytes(b"{}")

    class Opened:
        profile_path = profile

    monkeypatch.setattr("windvane.monitoring.loop.watcher.Bundle.open", lambda _: Opened)
    it = world(window(8), window(9))
    it.monitor.knows = False
    monkeypatch.setattr(it.registry, "fetch", lambda *_: tmp_path)
    tick(it)
    assert it.monitor.profiles == [("delay", 1, b"{}")]
    assert it.kinds() == []
    tick(it, 1)
    assert "assessment" in it.kinds()


def test_a_model_without_champion_is_left_alone() -> None:
    it = World(MemoryStore(), MemoryRegistry(), FakeJobs(), FakeMonitor())
    it.monitor.gone = True
    tick(it)
    assert it.events() == []


def test_a_schedule_asks_without_any_finding() -> None:
    spec = SPEC.model_copy(update={"retrain": SPEC.retrain.model_copy(update={"schedule": timedelta(days=28)})})
    it = world(window(0, psi=0.1))
    tick(it, spec=spec)
    it.monitor.windows.append(window(28, psi=0.1))
    tick(it, 1, spec)
    (request,) = requests_of(it.store, "delay")
    assert (request.cause, request.reason) == ("schedule", "schedule: every 28 days")


def test_a_candidate_being_proved_holds_the_next_request() -> None:
    it = world(window(8), window(9))
    it.registry.set_standing("delay", it.register(), "candidate", "better")
    tick(it)
    assert requests_of(it.store, "delay") == ()
    assert it.watcher().state("delay").note == "candidate 2 is being proved"


def test_a_new_champion_is_watched_from_its_own_windows() -> None:
    it = world(window(8), window(9), labelled=FINE)
    tick(it)
    it.register()
    it.registry.set_champion("delay", 2)
    it.monitor.windows = [window(9, psi=0.1)]
    tick(it, 1)
    state = it.watcher().state("delay")
    assert (state.trigger.version, state.trigger.streaks, state.drift_window) == (2, {}, 9)


@pytest.mark.parametrize(("cause", "kept"), [("findings", NOW), ("growth", None)])
def test_a_change_counts_as_begun_once_a_version_made_for_it_is_champion(cause: Cause, kept: datetime | None) -> None:
    """A storm broke the flights' promises for three days; what forgot the rows before it was worse for months."""
    it = world(window(8))
    tick(it)
    open_request(it.store, "delay", Wanted(cause, "why", (), NOW, NOW, since=NOW))
    tick(it, 1)
    it.finish_job()
    tick(it, 3)
    assert it.watcher().state("delay").since is None, "that version is a candidate yet"
    it.registry.set_champion("delay", 2)
    tick(it, 6)
    assert it.watcher().state("delay").since == kept


def test_a_quiet_tick_writes_nothing() -> None:
    it = world(window(8, psi=0.1), window(9, psi=0.1))
    tick(it)
    fuse = Fuse()
    it.watcher(fuse).tick("delay", NOW + timedelta(seconds=1))
    assert fuse.effects == 0


def test_event_times_ahead_of_the_clock_are_told_once_and_close_no_window() -> None:
    today = int(NOW.timestamp() // DAY)
    it = world(window(today, psi=0.1, performance=LOST))  # ends at midnight, hours ahead of now
    it.monitor.furthest = NOW.timestamp() + 23 * 3600.0
    for second in range(3):
        tick(it, second)
    assert [detail[:34] for kind, detail in it.events() if kind == "finding"] == ["event times lie 23.0 h ahead of th"]
    assert it.watcher().state("delay").performance_window is None
