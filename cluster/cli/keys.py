"""For admins: who may call. Make, list and revoke API keys."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from windvane.cluster.cli.operate import api
from windvane.cluster.errors import Invalid
from windvane.configs.access import ROLES
from windvane.configs.quantities import parse_duration

NEVER = "never"


@click.group()
def keys() -> None:
    """Make, list and revoke the keys that callers show."""


@keys.command()
@click.argument("name")
@click.option("--role", "roles", type=click.Choice(ROLES), multiple=True, default=("client",), show_default=True)
@click.option("--model", "models", multiple=True, help="A model it is for; give several, or none for every model.")
@click.option("--expires", default="90d", show_default=True, help="When it ends, counted from now, or never.")
@click.option("--per-second", type=float, help="How many requests a second it may send; no limit without this.")
@click.option("--burst", type=int, help="How many it may send at once after a rest; those of one second by default.")
def create(
    name: str,
    roles: tuple[str, ...],
    models: tuple[str, ...],
    expires: str,
    per_second: float | None,
    burst: int | None,
) -> None:
    """Make a key for NAME and show it, this once: only its digest is kept."""
    if burst is not None and per_second is None:
        raise click.BadParameter(
            "says how much of a limit comes at once: give --per-second with it", param_hint="--burst"
        )
    order: dict[str, Any] = {"name": name, "roles": list(roles)}
    if models:
        order["models"] = list(models)
    if expires != NEVER:
        order["expires_at"] = (datetime.now(UTC) + _span(expires)).isoformat()
    if per_second is not None:
        order["limit"] = {"per_second": per_second, "burst": burst or max(1, round(per_second))}
    made = api().create_key(order)
    status = made["status"]
    click.echo(made["key"])
    click.echo(
        f"This is the only time that the key is shown. Its id is {status['key_id']}: "
        f"`windvane keys revoke {status['key_id']}` ends it.",
        err=True,
    )
    _say_who_knows(made)


@keys.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print the documents themselves.")
@click.option("--all", "every", is_flag=True, help="Those that were revoked or are over, too.")
def list_(as_json: bool, every: bool) -> None:
    """Every key that is good: whose, what for, until when."""
    found = [key for key in api().list_keys() if every or key["standing"] == "good"]
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    if not found:
        click.echo("No key is good; make one with `windvane keys create NAME`.")
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for heading in ("id", "name", "roles", "models", "until", "a second", "made", "standing"):
        table.add_column(heading, overflow="fold")
    for key in found:
        table.add_row(*(Text(cell) for cell in _row(key)))
    Console(width=200, highlight=False).print(table)


@keys.command()
@click.argument("key_id")
@click.option("--reason", default="by hand", show_default=True, help="Goes on the record.")
def revoke(key_id: str, reason: str) -> None:
    """End the key with this id, on every replica, for good."""
    revoked = api().revoke_key(key_id, reason)
    click.echo(f"Key {revoked['status']['key_id']} of {revoked['status']['name']} opens nothing any more.")
    _say_who_knows(revoked)


def _span(text: str) -> timedelta:
    try:
        span = parse_duration(text)
    except ValueError as error:
        raise Invalid(f"--expires: {error}, or {NEVER}") from error
    assert isinstance(span, timedelta)
    return span


def _row(key: dict[str, Any]) -> tuple[str, ...]:
    rate = key["requests_per_second"]
    return (
        key["key_id"],
        key["name"],
        " ".join(key["roles"]),
        "all" if key["models"] is None else " ".join(key["models"]),
        (key["expires_at"] or NEVER)[:10],
        "" if rate is None else f"{rate:g}, {key['burst']} at once",
        f"{key['made_at'][:10]} by {key['made_by']}",
        f"{key['standing']}: {key['reason']}" if key["reason"] else key["standing"],
    )


def _say_who_knows(reply: dict[str, Any]) -> None:
    if not reply["replicas_told"]:
        click.echo(
            "Not every replica is known to go by it yet: each will, within a second; see `windvane status`.", err=True
        )
