"""For whoever must know what a model is fit for: `windvane model card`."""

import click

from windvane.cluster.cli.operate import api
from windvane.cluster.errors import NotFound


@click.group()
def model() -> None:
    """Read what is known of a model."""


@model.command()
@click.argument("model")
@click.argument("version", type=click.IntRange(min=1), required=False)
def card(model: str, version: int | None) -> None:
    """Show purpose, owner, data, metrics by group, limits and approvals of MODEL's champion, or of VERSION."""
    control = api()
    click.echo(control.card(model, _champion(control.versions(model), model) if version is None else version)["page"])


def _champion(versions: list[dict[str, object]], model: str) -> int:
    """The version that stands as champion, or the newest where none does."""
    if not versions:
        raise NotFound(f"{model} has no registered version yet: `windvane train {model}` makes the first")
    champions = [each for each in versions if each["standing"] == "champion"]
    return int(str((champions or versions)[-1]["number"]))
