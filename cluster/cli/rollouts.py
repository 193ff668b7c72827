"""For ML engineers: prove a version on real traffic, and steer the proof by hand."""

import json
from collections.abc import Callable
from typing import Any

import click

from windvane.cluster.cli.operate import api
from windvane.cluster.cli.pictures import rollout_lines


@click.group()
def rollout() -> None:
    """Start, watch and steer the rollout of a version."""


@rollout.command()
@click.argument("model")
@click.option("--version", type=int, required=True, help="The registered version to prove.")
@click.option("--reason", default="started by hand", show_default=True)
@click.option("--skip-shadow", is_flag=True, help="Begin at the first canary step.")
@click.option("--override-gate", is_flag=True, help="Roll out a version that lost offline; the reason is recorded.")
def start(model: str, version: int, reason: str, skip_shadow: bool, override_gate: bool) -> None:
    """Begin to prove a version of MODEL."""
    order = {"version": version, "reason": reason, "skip_shadow": skip_shadow, "override_gate": override_gate}
    _show(api().start_rollout(model, order))


@rollout.command("status")
@click.argument("model")
@click.option("--json", "as_json", is_flag=True)
def status_(model: str, as_json: bool) -> None:
    """The phase, the last verdict and the evidence that decided it."""
    found = api().rollout(model)
    if as_json:
        click.echo(json.dumps(found, indent=2))
    else:
        _show(found)


def _verb(name: str, text: str) -> Callable[..., Any]:
    @rollout.command(name, help=text)
    @click.argument("model")
    @click.option("--reason", default="by hand", show_default=True, help="Goes on the record.")
    def command(model: str, reason: str) -> None:
        _show(api().steer_rollout(model, name, reason))

    return command


pause = _verb("pause", "Hold the split where it is; guardrails still roll back.")
resume = _verb("resume", "Go on after a pause.")
promote = _verb("promote", "Skip the remaining proof by your own hand.")
abort = _verb("abort", "Give all traffic back to the champion now.")
undo = _verb("undo", "Take the last promotion back: the champion before answers again; a candidate in shadow is ended.")


def _answer(name: str, text: str) -> Callable[..., Any]:
    @rollout.command(name, help=text)
    @click.argument("model")
    @click.option("--version", type=int, help="What you looked at; without it, whatever is in rollout now.")
    @click.option("--reason", required=True, help="Goes on the record.")
    def command(model: str, version: int | None, reason: str) -> None:
        control = api()
        found = control.rollout(model)
        order = {"version": found["candidate"] if version is None else version, "reason": reason}
        plan = (found.get("approval") or {}).get("plan")
        _show(control.answer_rollout(model, name, {**order, "plan": plan} if plan else order))

    return command


approve = _answer("approve", "Let the version leave the shadow; not for who asked for its rollout.")
reject = _answer("reject", "End the rollout before the version answers anything.")


def _show(found: dict[str, Any]) -> None:
    for line in rollout_lines(found):
        click.echo(line)
