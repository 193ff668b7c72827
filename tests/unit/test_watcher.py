"""From a breach to a registered version, tick by tick; and the same whatever effect the process dies at."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cluster.errors import Unavailable
from cluster.registry import Registration
from configs.schema import Action, DecisionRule, Feature, ModelSpec, Monitor, Retrain, Source, Target
from monitoring.findings import FeatureMeasure, WindowMeasures
from monitoring.observation import LabelledSpan
from monitoring.performance import Performance
from monitoring.requests import change, open_request, record_version, requests_of
from monitoring.watch import MonitorView
from monitoring.watcher import FINDING, Watcher
from tests.fakes import FakeJobs, FakeRegistry, FakeStore, Fuse, Killed

DAY = 86400.0
NOW = datetime(2026, 11, 22, tzinfo=UTC)
SPEC = ModelSpec(
    name="delay",
    owner="ops",
    unit="flight",
    target=Target(name="late"),
    features=(Feature(name="temp", type="number"),),
    data=Source(source="flights.csv", time="at"),
    decision=DecisionRule(actions=(Action(name="hold", at_least=0.0),)),
    monitor=Monitor(min_sample=200),
    retrain=Retrain(persistence=2, min_labels=500, retry_after=timedelta(seconds=30), max_attempts=2),
)
REFERENCE = Performance(n=20_000, positives=4000, auc=0.70, brier=0.150, brier_variance=0.03, log_loss=0.45)
LOST = replace(REFERENCE, n=5000, positives=1000, auc=0.60)
FINE = replace(REFERENCE, n=5000, positives=1000)


def window(number: int, psi: float | None = 0.6, performance: Performance | None = None) -> WindowMeasures:
    return WindowMeasures(
        model="delay",
        version=1,
        window=number,
        start=number * DAY,
        end=(number + 1) * DAY,
        rows=900,
        counted_at=NOW.timestamp() - 60,
        features=(FeatureMeasure("temp", psi, 0.0, None),) if psi is not None else (),
        score_psi=0.1,
        decided=900,
        performance=performance,
        reference=REFERENCE,
    )


class FakeMonitor:
    """Shows what the test says; refuses while it is gone."""

    def __init__(self, *windows: WindowMeasures, labelled: Performance | None = LOST) -> None:
        self.windows = list(windows)
        self.labelled = labelled
        self.knows = True
        self.gone = False
        self.profiles: list[tuple[str, int, bytes]] = []

    def view(self, model: str, version: int, after: int | None, min_labels: int, clock: float | None) -> MonitorView:
        if self.gone:
            raise Unavailable("monitor:delay does not answer")
        newest = self.windows[-1].end if self.windows else None
        measures = tuple(replace(w, version=version) for w in self.windows if after is None or w.window > after)
        enough = self.labelled if self.labelled is not None and self.labelled.n >= min_labels else None
        span = None if enough is None else LabelledSpan(version, 0.0, newest or 0.0, enough)
        return MonitorView(newest, REFERENCE if self.knows else None, measures, span)

    def watch_profile(self, model: str, version: int, profile_json: bytes) -> None:
        self.profiles.append((model, version, profile_json))
        self.knows = True


@dataclass
class World:
    store: FakeStore
    registry: FakeRegistry
    jobs: FakeJobs
    monitor: FakeMonitor

    def watcher(self, fuse: Fuse | None = None, spec: ModelSpec = SPEC) -> Watcher:
        fuse = fuse or Fuse()
        return Watcher(
            fuse.wrap(self.store, "put", "append"),
            self.registry,
            fuse.wrap(self.jobs, "submit", "stop"),
            self.monitor,
            lambda _: spec,
            Path("cache"),
            {"WINDVANE_HOME": "var"},
            python="python",
        )

    def events(self) -> list[tuple[str, str]]:
        return [(event.kind, event.detail) for event in self.store.events("delay")]

    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.events()]

    def register(self, request_id: str | None = None) -> int:
        registration = Registration("delay", "ops", "why", "champion", None, request_id, {}, {}, {})
        number = self.registry.register(registration, Path()).number
        if number == 1:
            self.registry.set_champion("delay", 1)
        return number

    def finish_job(self, request_id: str = "0001") -> None:
        """What the training job does: register, say so, end."""
        number = self.register(request_id)
        record_version(self.store, "delay", request_id, number)
        self.jobs.end(self.jobs.submissions[-1], "succeeded")


def world(*windows: WindowMeasures, labelled: Performance | None = LOST) -> World:
    made = World(FakeStore(), FakeRegistry(), FakeJobs(), FakeMonitor(*windows, labelled=labelled))
    made.register()
    return made


def tick(it: World, seconds: float = 0.0, spec: ModelSpec = SPEC) -> None:
    it.watcher(spec=spec).tick("delay", NOW + timedelta(seconds=seconds))


def test_a_breach_that_lasts_and_costs_becomes_a_version() -> None:
    it = world(window(8), window(9))
    tick(it)
    (request,) = requests_of(it.store, "delay")
    assert (request.status, request.cause, request.findings) == ("submitted", "findings", ("feature_psi:temp",))
    assert "champion loses by AUC" in request.reason
    assert it.jobs.submissions == ["retrain-delay-0001-1"]
    tick(it, 1)
    assert requests_of(it.store, "delay") == (replace(request, untold=()),)
    it.finish_job()
    tick(it, 3)
    (request,) = requests_of(it.store, "delay")
    assert (request.status, request.version) == ("succeeded", 2)
    expected = ["finding", "finding", "assessment", "retrain_requested", "job_submitted", "job_succeeded"]
    assert it.kinds() == expected


def test_the_job_is_the_retraining_of_that_request_up_to_that_time() -> None:
    it = world(window(8), window(9))
    tick(it)
    (job,) = it.jobs.requests.values()
    reason = requests_of(it.store, "delay")[0].reason
    assert job.entrypoint[:7] == ("python", "-m", "training.retrain", "--model", "delay", "--request", "0001")
    assert job.entrypoint[7:] == ("--reason", reason, "--until", "1970-01-11T00:00:00+00:00")
    assert job.environment == {"WINDVANE_HOME": "var"}
    assert job.metadata["model"] == "delay"


def test_breaches_are_kept_one_by_one() -> None:
    it = world(window(8), window(9))
    tick(it)
    assert [saved.key for saved in it.store.list(FINDING)] == [
        "delay/00000008/1/feature_psi:temp",
        "delay/00000009/1/feature_psi:temp",
    ]


def test_harmless_drift_is_recorded_and_not_assessed_again_before_the_next_window() -> None:
    it = world(window(8), window(9), labelled=FINE)
    for second in range(5):
        tick(it, second)
    assert it.kinds() == ["finding", "finding", "assessment"]
    assert requests_of(it.store, "delay") == ()
    it.monitor.windows.append(window(10))
    tick(it, 6)
    assert it.kinds() == ["finding", "finding", "assessment", "finding", "assessment"]


def test_missing_labels_are_told_once_and_awaited() -> None:
    it = world(window(8), window(9), labelled=None)
    for second in range(3):
        tick(it, second)
    assert it.kinds() == ["finding", "finding", "assessment"]
    it.monitor.labelled = LOST
    tick(it, 4)
    assert it.kinds()[3:] == ["assessment", "retrain_requested", "job_submitted"]
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

    monkeypatch.setattr("monitoring.watcher.Bundle.open", lambda _: Opened)
    it = world(window(8), window(9))
    it.monitor.knows = False
    it.registry.fetch = lambda *_: tmp_path  # type: ignore[method-assign]
    tick(it)
    assert it.monitor.profiles == [("delay", 1, b"{}")]
    assert it.kinds() == []
    tick(it, 1)
    assert "assessment" in it.kinds()


def test_an_unreachable_monitor_does_not_stop_the_job() -> None:
    it = world()
    open_request(it.store, "delay", "asked by hand", "manual", [], NOW)
    it.monitor.gone = True
    with pytest.raises(Unavailable, match="monitor:delay does not answer"):
        tick(it)
    assert it.jobs.submissions == ["retrain-delay-0001-1"]
    assert it.kinds() == ["retrain_requested", "job_submitted"]


def test_a_model_without_champion_is_left_alone() -> None:
    it = World(FakeStore(), FakeRegistry(), FakeJobs(), FakeMonitor())
    it.monitor.gone = True
    tick(it)
    assert it.events() == []


def test_a_failed_job_is_retried_after_its_back_off_and_then_given_up() -> None:
    it = world()
    open_request(it.store, "delay", "asked by hand", "manual", [], NOW)
    tick(it)
    it.jobs.end("retrain-delay-0001-1", "failed", "out of memory")
    tick(it, 10)
    tick(it, 39)
    assert it.jobs.submissions == ["retrain-delay-0001-1"]
    tick(it, 40)
    assert it.jobs.submissions == ["retrain-delay-0001-1", "retrain-delay-0001-2"]
    it.jobs.end("retrain-delay-0001-2", "failed", "out of memory")
    tick(it, 50)
    tick(it, 500)
    assert requests_of(it.store, "delay")[0].status == "failed"
    assert it.events()[2:] == [
        ("job_failed", "attempt 1 of 2 failed, next attempt in 30 s: out of memory"),
        ("job_submitted", "job retrain-delay-0001-2 trains for request 0001, attempt 2"),
        ("job_failed", "attempt 2 of 2 failed, given up: out of memory"),
    ]


def test_a_job_past_its_time_is_stopped_and_retried() -> None:
    it = world()
    open_request(it.store, "delay", "asked by hand", "manual", [], NOW)
    tick(it)
    late = SPEC.retrain.job_timeout.total_seconds() + 1
    tick(it, late)
    assert it.jobs.stopped == ["retrain-delay-0001-1"]
    assert it.events()[-1] == ("job_failed", "attempt 1 of 2 failed, next attempt in 30 s: job ran longer than 0:30:00")


def test_a_cluster_that_forgot_the_job_is_given_it_again() -> None:
    it = world()
    open_request(it.store, "delay", "asked by hand", "manual", [], NOW)
    tick(it)
    it.jobs.forget()
    tick(it, 5)
    assert it.jobs.submissions == ["retrain-delay-0001-1"] * 2
    assert it.kinds() == ["retrain_requested", "job_submitted"]


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


def test_a_quiet_tick_writes_nothing() -> None:
    it = world(window(8, psi=0.1), window(9, psi=0.1))
    tick(it)
    fuse = Fuse()
    it.watcher(fuse).tick("delay", NOW + timedelta(seconds=1))
    assert fuse.effects == 0


def _loses(it: World, run: Callable[[float], None]) -> None:
    run(0)
    run(1)
    run(2)
    it.finish_job()
    run(3)
    run(4)


def _fails(it: World, run: Callable[[float], None]) -> None:
    run(0)
    run(1)
    it.jobs.end("retrain-delay-0001-1", "failed", "boom")
    run(2)
    run(3)
    run(40)
    it.jobs.end("retrain-delay-0001-2", "failed", "boom")
    run(50)
    run(51)


def _overstays(it: World, run: Callable[[float], None]) -> None:
    run(0)
    run(1)
    run(2000)
    run(2001)
    run(2040)
    run(4100)
    run(4101)


STORIES: tuple[Callable[[World, Callable[[float], None]], None], ...] = (_loses, _fails, _overstays)


def _play(story: Callable[[World, Callable[[float], None]], None], fuse: Fuse) -> tuple[object, ...]:
    """The whole story with one process that may die once and is started again at once."""
    it = world(window(8), window(9))
    watcher = it.watcher(fuse)

    def run(seconds: float) -> None:
        nonlocal watcher
        now = NOW + timedelta(seconds=seconds)
        try:
            watcher.tick("delay", now)
        except Killed:
            watcher = it.watcher()
            watcher.tick("delay", now)

    story(it, run)
    settled = [replace(request, untold=()) for request in requests_of(it.store, "delay")]
    owed = [notice for request in requests_of(it.store, "delay") for notice in request.untold]
    findings = [saved.key for saved in it.store.list(FINDING)]
    return it.events(), settled, owed, it.jobs.submissions, it.jobs.stopped, findings, it.watcher().state("delay")


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__.strip("_"))
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_dying_at_any_effect_changes_nothing_in_the_end(
    story: Callable[[World, Callable[[float], None]], None], after: bool
) -> None:
    count = Fuse()
    expected = _play(story, count)
    assert count.effects > 15
    for at in range(1, count.effects + 1):
        assert _play(story, Fuse(at, after)) == expected, f"died at effect {at}"


def test_a_request_changed_by_its_job_in_between_keeps_both_changes() -> None:
    it = world()
    open_request(it.store, "delay", "asked by hand", "manual", [], NOW)
    tick(it)
    change(it.store, "delay", "0001", lambda request: replace(request, version=7))
    it.jobs.end("retrain-delay-0001-1", "succeeded")
    tick(it, 1)
    (request,) = requests_of(it.store, "delay")
    assert (request.version, request.status, request.attempts) == (7, "succeeded", 1)
