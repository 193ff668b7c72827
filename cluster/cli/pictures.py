"""How status, events and rollouts look in a terminal."""

from typing import Any

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

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


def status_page(status: dict[str, Any]) -> RenderableType:
    """One panel per model, newest events below."""
    waits = [Text(wait_line(each), style="yellow") for each in status.get("waits", [])]
    panels: list[RenderableType] = [_model_panel(each) for each in status["models"]]
    if not panels:
        panels = [Text("No model is deployed: `windvane train MODEL`, then `windvane deploy MODEL`.")]
    return Group(*waits, *panels)


def wait_line(wait: dict[str, Any]) -> str:
    """`since 12:30:01  churn waits for 0.25 CPU, 0 of 2 free: …`."""
    return f"since {wait['since'][11:19]}  {wait['sentence']}"


def _model_panel(model: dict[str, Any]) -> Panel:
    table = Table.grid(padding=(0, 2))
    table.add_row("champion", f"version {model['champion']}" if model["champion"] else "none")
    table.add_row("split", split_line(model.get("split")))
    for line in rollout_lines(model["rollout"]) if model.get("rollout") else ["no rollout yet"]:
        table.add_row("rollout", Text(line))  # what people and models wrote is never markup
    table.add_row("traffic", traffic_line(model.get("traffic") or {}))
    request = model.get("retrain")
    if request:
        words = f"{request['status']}: {request['reason']} (job {request.get('job_id') or 'none yet'})"
        table.add_row("retraining", Text(words))
    for event in model.get("events", [])[-6:]:
        table.add_row("", Text(event_line(event), style=COLOURS.get(event["kind"], "")))
    return Panel(table, title=Text(f"{model['name']} · {model['owner']}"), title_align="left")


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
    return (
        f"{rate:,.0f} decisions/s{latency} · {traffic.get('decisions', 0):,} in all · {traffic.get('errors', 0)} errors"
    )


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
    if rollout.get("times") and rollout["phase"] in ("shadow", "step", "bake"):
        lines.append(rollout["times"])
    if verdict:
        lines.append(f"{verdict['outcome']}: {verdict['summary']}")
        lines += [f"  {each['outcome']:<8} {each['sentence']}" for each in verdict.get("guardrails", [])]
    return lines


def event_line(event: dict[str, Any]) -> str:
    """`12:30:01  promoted  v3  sentence`."""
    version = f"v{event['version']}" if event.get("version") else ""
    moment = f" [{event['event_time'][:10]}]" if event.get("event_time") else ""
    return f"{event['at'][11:19]}{moment}  {event['kind']:<17} {version:<4} {event['detail']}"
