"""Status in a terminal: shares, rates and reasons as they are, and no zero for what is not known."""

import io
from typing import Any

import pytest
from rich.console import Console

from windvane.cluster.cli.pictures import EVENTS, fitted_page, rollout_lines, split_line, status_page, traffic_line

EVENT = {"number": 1, "at": "2026-03-01T12:30:01+00:00", "kind": "promoted", "version": 3, "detail": "v3 took over"}


def drawn(status: dict[str, Any]) -> str:
    console = Console(file=io.StringIO(), width=140)
    console.print(status_page(status))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def model(**known: Any) -> dict[str, Any]:
    empty = dict.fromkeys(("champion", "split", "rollout", "retrain", "traffic"))
    return {"name": "trips", "owner": "ops", "events": [], **empty, **known}


def test_a_split_shows_who_answers_and_who_is_scored_beside() -> None:
    arms = [{"name": "candidate", "version": 3, "weight": 1.0}, {"name": "champion", "version": 2, "weight": 3.0}]
    idle = {"name": "candidate", "version": 4, "weight": 0.0}
    assert (
        split_line({"arms": [*arms, idle], "shadows": [1, 4]}) == "v3 25% candidate · v2 75% champion · shadows v1, v4"
    )
    assert split_line(None) == "none in force"


@pytest.mark.parametrize(
    ("traffic", "expected"),
    [
        ({}, "no figures yet"),
        (
            {"decisions_per_second": 0.0, "decisions": 9, "errors": 0},
            "0 decisions/s · 9 since its monitor started · 0 errors",
        ),
        (
            {"decisions_per_second": 0.0, "decisions": 9, "waiting_dropped": 1200, "unmatched": 3},
            "0 decisions/s · 9 since its monitor started · 0 errors · 3 outcomes unmatched"
            " · 1,200 forgotten before their outcome came",
        ),
        (
            {
                "decisions_per_second": 1234.5,
                "latency_p50_ms": 2.0,
                "latency_p99_ms": 9.9,
                "decisions": 50000,
                "errors": 2,
            },
            "1,234 decisions/s · p50 2.0 ms · p99 9.9 ms · 50,000 since its monitor started · 2 errors",
        ),
    ],
)
def test_traffic_that_nobody_saw_is_not_zero(traffic: dict[str, Any], expected: str) -> None:
    assert traffic_line(traffic) == expected


def test_a_rollout_shows_every_guardrail_under_its_verdict() -> None:
    guardrails = [{"outcome": "FAIL", "sentence": "loss is worse"}, {"outcome": "NOT_YET", "sentence": "too few"}]
    verdict = {"outcome": "FAIL", "summary": "step 1 failed", "guardrails": guardrails}
    rollout = {"candidate": 3, "champion": 2, "phase": "step", "weight": 0.1, "paused": True, "reason": "r"}
    assert rollout_lines({**rollout, "verdict": verdict}) == [
        "v3 against v2: step at 10% (paused) · r",
        "FAIL: step 1 failed",
        "  FAIL     loss is worse",
        "  NOT_YET  too few",
    ]


def test_a_rollout_that_is_over_shows_no_more_what_it_waited_for() -> None:
    verdict = {"outcome": "NOT_YET", "summary": "shadow not yet", "guardrails": []}
    rollout = {"candidate": 3, "champion": 2, "phase": "aborted", "weight": 0.0, "reason": "r"}
    assert rollout_lines({**rollout, "verdict": verdict}) == ["v3 against v2: aborted at 0% · r"]
    failed = {"outcome": "FAIL", "summary": "step 1 failed", "guardrails": []}
    assert rollout_lines({**rollout, "phase": "rolled_back", "verdict": failed})[1] == "FAIL: step 1 failed"


def test_a_rollout_says_whom_it_waits_for_and_what_to_run() -> None:
    rollout = {"model": "trips", "candidate": 3, "champion": 2, "phase": "shadow", "weight": 0.0}
    waits = "waits for approval by somebody other than ada"
    assert rollout_lines({**rollout, "approval": {"waits": waits}})[1:] == [
        f"v3 {waits}: windvane rollout approve trips --version 3 --reason …"
    ]
    for approval in (None, {"waits": None}):
        assert len(rollout_lines({**rollout, "approval": approval})) == 1


def test_a_model_about_which_nothing_is_known_is_drawn_still() -> None:
    shown = drawn({"models": [model()]})
    for words in ("trips · ops", "none in force", "no rollout yet", "no figures yet"):
        assert words in shown


def test_nothing_that_people_or_models_wrote_is_markup() -> None:
    rollout = {"candidate": 3, "champion": 2, "phase": "step", "weight": 0.1, "reason": "[/bold] a [link=x]b[/link]"}
    retrain = {"status": "open", "reason": "[/red]", "job_id": None}
    event = {**EVENT, "detail": "[/x]"}
    shown = drawn({"models": [model(owner="[o]", rollout=rollout, retrain=retrain, events=[event])]})
    for words in ("trips · [o]", "[/bold] a [link=x]b[/link]", "[/red] (job none yet)", "[/x]"):
        assert words in shown


def test_without_a_model_the_next_step_is_named() -> None:
    assert "windvane train MODEL" in drawn({"models": []})


def test_who_waits_is_shown_although_nothing_is_deployed_yet() -> None:
    wait = {
        "model": None,
        "sentence": "a training waits for 1 CPU, 0.75 of 2 free",
        "since": "2026-11-30T12:30:01+00:00",
    }
    shown = drawn({"models": [], "waits": [wait]})
    assert "since 12:30:01  a training waits for 1 CPU, 0.75 of 2 free" in shown
    assert "windvane train MODEL" in shown


def test_refusals_and_warnings_stand_with_the_traffic_by_field_and_reason() -> None:
    causes = [{"field": f"f{place}", "reason": "range", "count": 400 - place} for place in range(5)]
    traffic = {"decisions_per_second": 1.0, "decisions": 9, "errors": 0, "refused": 1400, "refusals": causes}
    odd = [{"field": "plan", "reason": "unknown_category", "count": 14}]
    shown = drawn({"models": [model(traffic={**traffic, "warnings": odd})]})
    assert "9 since its monitor started · 0 errors · 1,400 refused" in shown
    assert "f0 range 400 · f1 range 399 · f2 range 398 · f3 range 397 · and 1 more" in shown
    assert "plan unknown category 14" in shown


def test_outcomes_that_took_anothers_place_or_came_for_no_decision_stand_with_the_traffic() -> None:
    traffic = {"decisions_per_second": 1.0, "decisions": 9, "errors": 0, "corrected": 1200, "unmatched": 4}
    assert "9 since its monitor started · 0 errors · 4 outcomes unmatched · 1,200 outcomes corrected" in drawn(
        {"models": [model(traffic=traffic)]}
    )


def many_events(models: int) -> dict[str, Any]:
    kinds = ("promoted", "deployed", "rolled_back", "aborted", "approved", "rejected", "phase", "verdict")
    events = [{**EVENT, "kind": kind, "number": place, "detail": kind} for place, kind in enumerate(kinds)]
    guardrails = [{"outcome": "PASS", "sentence": "fine " * 30}] * 5
    rollout = {"candidate": 3, "champion": 2, "phase": "step", "reason": "", "verdict": None}
    rollout["verdict"] = {"outcome": "PASS", "summary": "all", "guardrails": guardrails}
    return {"models": [model(name=f"m{place}", events=events, rollout=rollout) for place in range(models)]}


@pytest.mark.parametrize("height", [2, 10, 24, 60])
@pytest.mark.parametrize(("models", "width"), [(1, 40), (2, 80), (8, 80), (30, 200)])
def test_what_is_watched_is_never_taller_than_the_screen(height: int, models: int, width: int) -> None:
    console = Console(file=io.StringIO(), width=width, height=height)
    console.print(fitted_page(many_events(models), console))
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert len(lines) < height
    shown = sum(
        f"m{place}" in line
        for line in lines
        for place in [*range(models)]
        if line.lstrip("╭─ ").startswith(f"m{place} ")
    )
    if shown < models:
        assert lines[-1].startswith(f"and {models - shown} more: `windvane status`"[:width])


def test_a_screen_that_is_large_enough_shows_all() -> None:
    fitted, whole = io.StringIO(), io.StringIO()
    console = Console(file=fitted, width=140, height=200)
    console.print(fitted_page(many_events(2), console))
    Console(file=whole, width=140).print(status_page(many_events(2), EVENTS[0]))
    assert fitted.getvalue() == whole.getvalue()
