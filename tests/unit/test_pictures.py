"""Status in a terminal: shares, rates and reasons as they are, and no zero for what is not known."""

import io
from typing import Any

import pytest
from rich.console import Console

from cluster.cli.pictures import event_line, rollout_lines, split_line, status_page, traffic_line

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
        ({"decisions_per_second": 0.0, "decisions": 9, "errors": 0}, "0 decisions/s · 9 in all · 0 errors"),
        (
            {
                "decisions_per_second": 1234.5,
                "latency_p50_ms": 2.0,
                "latency_p99_ms": 9.9,
                "decisions": 50000,
                "errors": 2,
            },
            "1,234 decisions/s · p50 2.0 ms · p99 9.9 ms · 50,000 in all · 2 errors",
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


def test_a_rollout_says_whom_it_waits_for_and_what_to_run() -> None:
    rollout = {"model": "trips", "candidate": 3, "champion": 2, "phase": "shadow", "weight": 0.0}
    waits = "waits for approval by somebody other than ada"
    assert rollout_lines({**rollout, "approval": {"waits": waits}})[1:] == [
        f"v3 {waits}: windvane rollout approve trips --version 3 --reason …"
    ]
    for approval in (None, {"waits": None}):
        assert len(rollout_lines({**rollout, "approval": approval})) == 1


def test_an_event_shows_the_models_own_day_where_it_has_one() -> None:
    assert event_line(EVENT) == "12:30:01  promoted          v3   v3 took over"
    dated = {**EVENT, "event_time": "2013-07-02T00:00:00+00:00", "version": None}
    assert event_line(dated) == "12:30:01 [2013-07-02]  promoted               v3 took over"


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
