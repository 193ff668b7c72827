"""Decisions that a monitor forgot before their outcome came are told."""

from dataclasses import replace
from datetime import UTC, datetime

from tests.worlds.admin.world import SEEN
from tests.worlds.rollout.world import MODEL
from windvane.backtest.memory import MemoryStore
from windvane.monitoring.counts.forgotten import forgotten
from windvane.serve_apps.admin.status import traffic_status
from windvane.serve_apps.ticks.forgotten_watch import ForgottenWatch

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_nothing_is_told_while_nothing_is_forgotten() -> None:
    assert forgotten(SEEN) is None
    store = MemoryStore()
    ForgottenWatch(store).look(SEEN, NOW)
    assert store.events() == ()


def test_the_sentence_names_the_figure_and_what_to_do() -> None:
    seen = replace(SEEN, waiting=200_000, waiting_dropped=1, decisions_per_second=None)
    found = forgotten(seen)
    assert found is not None
    assert found.sentence().startswith(
        "1 decision made room in the monitor before their outcome came: it keeps the newest 200,000 that wait. Outcomes"
    )
    assert found.sentence().endswith("Report outcomes sooner, or retrain by time (`retrain.schedule`).")


def test_it_is_told_once_and_again_at_ten_times_as_many_also_by_a_control_that_restarts() -> None:
    store, told = MemoryStore(), []
    for dropped in (3, 9, 10, 99, 5, 12_345, 99_999):
        ForgottenWatch(store).look(replace(SEEN, waiting_dropped=dropped), NOW)
        told.append(len(store.events()))
    assert told == [1, 1, 2, 2, 2, 3, 3]
    last = store.events()[-1]
    assert (last.kind, last.model, last.facts) == ("finding", MODEL, {"monitor": "forgotten", "value": 12_345})
    assert last.detail.startswith("12,345 decisions made room in the monitor")


def test_the_status_has_what_is_forgotten_and_what_shadows_scored_in_vain() -> None:
    found = traffic_status(replace(SEEN, waiting_dropped=4, shadow_unmatched=2))
    assert (found["waiting_dropped"], found["shadow_unmatched"]) == (4, 2)
