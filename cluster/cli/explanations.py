"""For whoever must answer for a decision: why it is what it is."""

import json
from typing import Any

import click

from windvane.cluster.cli.operate import api
from windvane.cluster.errors import NotFound

CLOSE = 1e-6  # of a score, and of log-odds: what answering a row alone or among others changes


@click.command()
@click.argument("decision_id")
@click.option("--model", help="The model that decided; without it those that are deployed are searched.")
@click.option("--json", "as_json", is_flag=True, help="Print the document itself.")
@click.pass_context
def explain(ctx: click.Context, decision_id: str, model: str | None, as_json: bool) -> None:
    """Tell why DECISION_ID was decided so, from the log and the registered version.

    Exits with 1 when the version gives another score or other contributions now than are on record: then one of the two
    was changed.
    """
    found = _find(decision_id, model)
    click.echo(json.dumps(found, indent=2) if as_json else "\n".join(lines(found)))
    if not as_recorded(found):
        ctx.exit(1)


def _find(decision_id: str, model: str | None) -> dict[str, Any]:
    control = api()
    names = [model] if model else [each["name"] for each in control.status()["models"]]
    for name in names:
        try:
            return control.explain(name, decision_id)
        except NotFound:
            if model:
                raise
    raise NotFound(f"No deployed model's log has decision {decision_id!r}; deployed are: {', '.join(names) or 'none'}")


def as_recorded(found: dict[str, Any]) -> bool:
    """Whether the version says of the row what is on record; its words may be declared anew, so they do not count."""
    return _same_score(found) and (found["again"]["largest_difference"] or 0.0) <= CLOSE


def lines(found: dict[str, Any]) -> list[str]:
    """The explanation as people read it."""
    told = [
        f"{found['decision_id']}  {found['at'][:19]}  {found['subject']}",
        f"{found['model']} version {found['version']}: {found['action']}, score {found['prediction']:.6f}",
    ]
    grounds = found["grounds"]
    if grounds is not None:
        told += ["", "What was told:" if found["recorded"]["grounds"] else "Not on record; as it would be told now:"]
        told += [f"  {reason['text']}" for reason in grounds["reasons"]] or ["  no reason pushed that way"]
        told += [f"  {grounds['counterfactual']['text']}"] if grounds["counterfactual"] else []
    told += ["", "Log-odds:", f"  {found['base_value']:+10.6f}  base value"]
    told += [f"  {each['weight']:+10.6f}  {each['text']}" for each in found["contributions"]]
    sum_ = found["base_value"] + sum(each["weight"] for each in found["contributions"])
    return [*told, f"  {sum_:+10.6f}  in all", "", *_checks(found)]


def _checks(found: dict[str, Any]) -> list[str]:
    """Whether the registered version says today what is on record."""
    again = found["again"]
    same = "the same score" if _same_score(found) else f"a score of {again['prediction']:.6f}, NOT the one on record,"
    told = [f"Version {found['version']} gives {same} for this row."]
    difference = again["largest_difference"]
    if difference is None:
        told.append("Its contributions were not recorded; these are computed now.")
    elif difference <= CLOSE:
        told.append(f"Its contributions are those on record (largest difference {difference:.0e}).")
    else:
        told.append(f"Its contributions are NOT those on record: they differ by up to {difference:.6f}.")
    if again["same_grounds"] is False:
        told.append("By the declaration it was trained with, it would be told otherwise than is on record.")
    return told


def _same_score(found: dict[str, Any]) -> bool:
    difference: float = abs(found["again"]["prediction"] - found["prediction"])
    return difference <= CLOSE
