"""Persistence, cool-down, one request at a time, daily budget and schedule, each alone."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from windvane.configs.schema import Retrain
from windvane.monitoring.findings import Finding, MonitorName
from windvane.monitoring.loop.promises import Alarm
from windvane.monitoring.loop.triggers import Circumstances, Proposal, Seen, TriggerState, assessed, observe
from windvane.monitoring.loop.triggers import consider as decide
from windvane.monitoring.statistics.calibration import Block

DAY = 86400.0
NOW = datetime(2026, 11, 22, tzinfo=UTC)
RULES = Retrain(persistence=2, cool_down=timedelta(days=7), daily_budget=2, min_labels=500)
SEEN = Circumstances(clock=30 * DAY, wall=NOW, last_requested=None, open_request=None, proving=None, worthless=())


def finding(window: int, value: float = 0.5, subject: str = "temp", monitor: MonitorName = "feature_psi") -> Finding:
    return Finding("delay", monitor, subject, 1, value, 0.25, "warning", window, window * DAY, (window + 1) * DAY, 900)


def after(*findings: Finding, state: TriggerState | None = None) -> TriggerState:
    return observe(state or TriggerState(), 1, 20 * DAY, findings)


def consider(state: TriggerState, rules: Retrain, seen: Circumstances, labels: Seen | None = None) -> Proposal:
    return decide(state, rules, seen, labels or Seen())


LASTING = after(finding(8), finding(9))


def test_one_window_over_the_limit_is_not_enough() -> None:
    assert consider(after(finding(9)), RULES, SEEN).kind == "nothing"


def test_a_breach_that_lasts_is_assessed() -> None:
    proposal = consider(LASTING, RULES, SEEN)
    assert proposal.kind == "assess"
    assert [each.window for each in proposal.findings] == [9]


def test_a_window_within_the_limit_ends_the_streak() -> None:
    state = after(finding(7), finding(8, value=0.1), finding(9))
    assert consider(state, RULES, SEEN).kind == "nothing"


def test_a_window_without_enough_rows_neither_ends_nor_adds_to_the_streak() -> None:
    state = after(finding(7), finding(9))  # window 8 gave no finding
    assert consider(state, RULES, SEEN).kind == "assess"


def test_streaks_of_different_features_do_not_add_up() -> None:
    state = after(finding(8, subject="temp"), finding(9, subject="wind"))
    assert consider(state, RULES, SEEN).kind == "nothing"


def test_a_new_champion_starts_afresh() -> None:
    state = observe(LASTING, 2, 21 * DAY, ())
    assert (state.version, state.streaks, state.since) == (2, {}, 20 * DAY)


def test_only_the_declared_kinds_trigger() -> None:
    rules = RULES.model_copy(update={"on": ("performance",)})
    assert consider(LASTING, rules, SEEN).kind == "nothing"
    falling = after(finding(8, monitor="auc_drop", subject="late"), finding(9, monitor="auc_drop", subject="late"))
    assert consider(falling, rules, SEEN).kind == "assess"


def test_cool_down_runs_on_the_models_own_clock() -> None:
    hold = consider(LASTING, RULES, replace(SEEN, last_requested=24 * DAY))
    assert hold.kind == "hold"
    assert hold.why == "cooling down until 1970-02-01 00:00 UTC"
    assert consider(LASTING, RULES, replace(SEEN, last_requested=23 * DAY)).kind == "assess"


def test_an_open_request_holds() -> None:
    assert consider(LASTING, RULES, replace(SEEN, open_request="0003")).why == "request 0003 is open"


def test_a_candidate_being_proved_holds() -> None:
    assert consider(LASTING, RULES, replace(SEEN, proving=4)).why == "candidate 4 is being proved"


def test_the_daily_budget_counts_retrainings_of_the_last_24_hours_that_came_to_nothing() -> None:
    fresh = (NOW - timedelta(hours=1), NOW - timedelta(hours=23))
    assert consider(LASTING, RULES, replace(SEEN, worthless=fresh)).kind == "hold"
    older = (NOW - timedelta(hours=1), NOW - timedelta(hours=24))
    assert consider(LASTING, RULES, replace(SEEN, worthless=older)).kind == "assess"


def test_the_same_window_is_assessed_once() -> None:
    harmless = assessed(LASTING, (finding(9),), "harmless")
    assert consider(harmless, RULES, SEEN).kind == "nothing"
    assert consider(after(finding(10), state=harmless), RULES, SEEN).kind == "assess"


def test_labels_that_were_missing_are_looked_for_again() -> None:
    waiting = assessed(LASTING, (finding(9),), "not_enough_labels")
    assert consider(waiting, RULES, SEEN).kind == "assess"


def test_the_schedule_counts_from_the_first_look_and_then_from_the_last_request() -> None:
    rules = RULES.model_copy(update={"schedule": timedelta(days=10)})
    quiet = after()
    assert consider(quiet, rules, replace(SEEN, clock=30 * DAY - 1)).kind == "nothing"
    due = consider(quiet, rules, SEEN)
    assert (due.kind, due.why) == ("request", "schedule: every 10 days")
    assert consider(quiet, rules, replace(SEEN, last_requested=21 * DAY)).kind == "nothing"


def test_the_schedule_waits_for_an_open_request() -> None:
    rules = RULES.model_copy(update={"schedule": timedelta(days=10)})
    assert consider(after(), rules, replace(SEEN, open_request="0001")).kind == "hold"


def test_asking_again_gives_the_same_answer() -> None:
    assert consider(LASTING, RULES, SEEN) == consider(LASTING, RULES, SEEN)


def broken(rows: int = 600, rarer: int = 90) -> Seen:
    newest = Block(9, 300, 120, 0.0, 0.2, 0.4, 0.04, 0.67)
    return Seen(Alarm("slope", -1, 8, 2, rows, rarer, newest, 0.02))


def test_a_broken_promise_asks_at_once() -> None:
    proposal = consider(after(), RULES, SEEN, broken())
    assert (proposal.kind, proposal.cause) == ("request", "findings")


def test_a_broken_promise_waits_for_labels_a_version_can_be_made_from() -> None:
    assert consider(after(), RULES, SEEN, broken(rows=499)).why == "499 of 500 labels are known since the change began"
    few = consider(after(), RULES, SEEN, broken(rarer=24))
    assert (few.kind, few.why) == ("hold", "24 of 25 labels of the rarer class are known since the change began")


def test_a_broken_promise_asks_again_when_twice_as_many_labels_are_known() -> None:
    asked = replace(after(), asked_rows=600)
    assert consider(asked, RULES, SEEN, broken(rows=1199)).kind == "hold"
    assert consider(asked, RULES, SEEN, broken(rows=1200)).kind == "request"


def test_neither_a_candidate_nor_a_cool_down_of_none_stands_between_a_broken_model_and_its_cure() -> None:
    rules = RULES.model_copy(update={"cool_down": timedelta(0)})
    assert consider(after(), rules, replace(SEEN, proving=3, last_requested=30 * DAY), broken()).kind == "request"
    assert consider(after(), rules, replace(SEEN, open_request="0001"), broken()).kind == "hold"


def test_only_a_cure_is_waited_for_until_its_labels_have_come() -> None:
    rules = RULES.model_copy(update={"cool_down": timedelta(0)})
    proving = replace(SEEN, proving=3, last_requested=25 * DAY)
    late = replace(broken(rows=1300), wait=40 * DAY)
    grown = consider(after(), rules, proving, late)
    assert grown.kind == "request", "candidate 3 was asked for by growth, before anything was broken"
    cured = consider(replace(after(), asked_rows=600), rules, proving, late)
    assert (cured.kind, cured.why) == ("hold", "candidate 3 is being proved; labels take 40 days")


def test_retrainings_that_came_to_nothing_make_a_broken_promise_wait_and_say_so() -> None:
    spent = (NOW - timedelta(hours=1), NOW - timedelta(hours=2))
    hold = consider(after(), RULES, replace(SEEN, worthless=spent), broken())
    assert hold.kind == "hold"
    assert hold.why.startswith("2 retrainings in 24 h came to nothing, daily_budget is 2")


def test_a_tenth_more_labels_than_were_learnt_ask_for_a_retraining() -> None:
    assert consider(after(), RULES, SEEN, Seen(labels=999, learnt=10_000)).kind == "nothing"
    grown = consider(after(), RULES, SEEN, Seen(labels=1_001, learnt=10_000))
    assert (grown.kind, grown.cause) == ("request", "growth")
    assert consider(after(), RULES, SEEN, Seen(labels=499, learnt=1_000)).kind == "nothing"  # min_labels


def test_growth_that_came_to_nothing_waits_for_twice_the_labels() -> None:
    asked = replace(after(), asked_labels=2_500)
    assert consider(asked, RULES, SEEN, Seen(labels=4_999, learnt=10_000)).kind == "nothing"
    assert consider(asked, RULES, SEEN, Seen(labels=5_000, learnt=10_000)).cause == "growth"


def test_growth_cools_down_and_can_be_switched_off() -> None:
    cooling = consider(after(), RULES, replace(SEEN, last_requested=29 * DAY), Seen(labels=10_000, learnt=10_000))
    assert cooling.why.startswith("cooling down until")
    never = RULES.model_copy(update={"growth": None})
    assert consider(after(), never, SEEN, Seen(labels=10_000, learnt=10_000)).kind == "nothing"
