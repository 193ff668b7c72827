"""Draws status, events and rollouts in a terminal."""

from collections.abc import Sequence
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from windvane.cluster.cli.event_list import EventList

COLOURS = {
    "finding": "yellow",
    "assessment": "yellow",
    "verdict": "cyan",
    "phase": "cyan",
    "approval_requested": "yellow",
    "approved": "green",
    "promoted": "green",
    "rejected": "red",
    "rolled_back": "red",
    "aborted": "yellow",
    "unproven": "yellow",
    "superseded": "yellow",
    "job_failed": "red",
}


ACTIVE = ("shadow", "step", "bake")  # phases of a rollout that still proves something
EVENTS = (6, 3, 1, 0)  # how many a model's panel shows, fewer where the screen is small
LEAST_PANEL = 6  # lines of a model without events, its frame included
CAUSES = 4  # of refusals and warnings, most frequent first


def status_page(status: dict[str, Any], events: int = EVENTS[0], guardrails: bool = True) -> RenderableType:
    """One panel per model, newest events below."""
    waits = [Text(wait_line(each), style="yellow") for each in status.get("waits", [])]
    panels: list[RenderableType] = [_model_panel(each, events, guardrails) for each in status["models"]]
    if not panels:
        panels = [Text("No model is deployed: `windvane train MODEL`, then `windvane deploy MODEL`.")]
    return Group(*waits, *panels)


def wait_line(wait: dict[str, Any]) -> str:
    """`since 12:30:01  churn waits for 0.25 CPU, 0 of 2 free: …`."""
    return f"since {wait['since'][11:19]}  {wait['sentence']}"


def fitted_page(status: dict[str, Any], console: Console) -> RenderableType:
    """The status in at most as many lines as the screen has: fewer events, then fewer words, then fewer models."""
    height = console.size.height - 1
    hopeless = LEAST_PANEL * len(status["models"]) > height  # to draw them all takes a second for thirty models
    for guardrails in (True, False):
        for events in () if hopeless else EVENTS:
            page = status_page(status, events, guardrails)
            if _height(page, console) <= height:
                return page
    waits = [
        Text(wait_line(each), style="yellow", no_wrap=True, overflow="ellipsis") for each in status.get("waits", [])
    ]
    rows = [*waits, *(_model_line(each) for each in status["models"])]
    if len(rows) > height:
        more = len(rows) - max(0, height - 1)
        rows[len(rows) - more :] = [Text(f"and {more} more: `windvane status` shows all", no_wrap=True)]
    return Group(*rows)


def _height(page: RenderableType, console: Console) -> int:
    return len(console.render_lines(page, console.options.update(height=None)))


def _model_line(model: dict[str, Any]) -> Text:
    """All of a model in one line, cut where the screen ends."""
    rollout = model.get("rollout")
    parts = [
        f"{model['name']} v{model['champion'] or '-'}",
        rollout_lines(rollout)[0] if rollout else "no rollout yet",
        traffic_line(model.get("traffic") or {}),
    ]
    return Text(" · ".join(parts), no_wrap=True, overflow="ellipsis")


def _model_panel(model: dict[str, Any], events: int, guardrails: bool) -> Panel:
    table = Table.grid(padding=(0, 2))
    table.add_row("champion", f"version {model['champion']}" if model["champion"] else "none")
    table.add_row("split", split_line(model.get("split")))
    lines = rollout_lines(model["rollout"]) if model.get("rollout") else ["no rollout yet"]
    for line in lines if guardrails else lines[:1]:
        table.add_row("rollout", Text(line))  # what people and models wrote is never markup
    traffic = model.get("traffic") or {}
    table.add_row("traffic", traffic_line(traffic))
    for name, verb in (("refusals", "refused"), ("warnings", "warned")):
        if traffic.get(name):
            table.add_row(verb, Text(causes_line(traffic[name]), style="yellow"))
    request = model.get("retrain")
    if request:
        words = f"{request['status']}: {request['reason']} (job {request.get('job_id') or 'none yet'})"
        table.add_row("retraining", Text(words))
    folded = EventList(model.get("events", [])).lines
    for told in folded[-events:] if events else []:
        table.add_row("", Text(told.text(), style=COLOURS.get(told.event["kind"], "")))
    if len(folded) > events:
        table.add_row("", Text(f"and more before: `windvane events {model['name']}`", style="dim"))
    return Panel(table, title=Text(f"{model['name']} · {model['owner']}"), title_align="left")


def causes_line(causes: Sequence[dict[str, Any]]) -> str:
    """Causes of refusals and warnings, most frequent first.

    >>> causes_line([{"field": "n", "reason": "range", "count": 300}, {"field": "", "reason": "too_fast", "count": 2}])
    'n range 300 · request too fast 2'
    """
    told = [f"{each['field'] or 'request'} {each['reason'].replace('_', ' ')} {each['count']:,}" for each in causes]
    return " · ".join([*told[:CAUSES], *([f"and {len(told) - CAUSES} more"] if len(told) > CAUSES else [])])


def split_line(split: dict[str, Any] | None) -> str:
    """`v2 90 % champion · v3 10 % candidate · shadows v1`."""
    if not split:
        return "none in force"
    total = sum(arm["weight"] for arm in split["arms"]) or 1.0
    parts = [f"v{arm['version']} {arm['weight'] / total:.0%} {arm['name']}" for arm in split["arms"] if arm["weight"]]
    if split.get("shadows"):
        parts.append("shadows " + ", ".join(f"v{version}" for version in split["shadows"]))
    return " · ".join(parts)


def traffic_line(traffic: dict[str, Any]) -> str:
    """Rate and latency, or that there is none yet."""
    rate = traffic.get("decisions_per_second")
    if rate is None:
        return "no figures yet"
    p50, p99 = traffic.get("latency_p50_ms"), traffic.get("latency_p99_ms")
    latency = "" if p50 is None else f" · p50 {p50:.1f} ms · p99 {p99:.1f} ms"
    refused = f" · {traffic['refused']:,} refused" if traffic.get("refused") else ""
    refused += "".join(
        f" · {traffic[name]:,} outcomes {name}" for name in ("unmatched", "corrected") if traffic.get(name)
    )
    if traffic.get("waiting_dropped"):
        refused += f" · {traffic['waiting_dropped']:,} forgotten before their outcome came"
    counts = f"{traffic.get('decisions', 0):,} since its monitor started · {traffic.get('errors', 0)} errors{refused}"
    return f"{rate:,.0f} decisions/s{latency} · {counts}"


def rollout_lines(rollout: dict[str, Any]) -> list[str]:
    """The phase and why, whom it waits for, then each guardrail of the last verdict."""
    head = f"v{rollout['candidate']} against v{rollout['champion']}: {rollout['phase']}"
    if rollout.get("weight") is not None:
        head += f" at {rollout['weight']:.0%}"
    if rollout.get("paused"):
        head += " (paused)"
    verdict = rollout.get("verdict")
    lines = [head + (f" · {rollout['reason']}" if rollout.get("reason") else "")]
    waits = (rollout.get("approval") or {}).get("waits")
    if waits:
        command = f"windvane rollout approve {rollout['model']} --version {rollout['candidate']} --reason …"
        lines.append(f"v{rollout['candidate']} {waits}: {command}")
    if rollout.get("times") and rollout["phase"] in ACTIVE:
        lines.append(rollout["times"])
    # What a rollout that is over still waited for is past; what it failed by is why it is over.
    if verdict and (rollout["phase"] in ACTIVE or verdict["outcome"] == "FAIL"):
        lines.append(f"{verdict['outcome']}: {verdict['summary']}")
        lines += [f"  {each['outcome']:<8} {each['sentence']}" for each in verdict.get("guardrails", [])]
    return lines
