"""For clients and auditors: ask for decisions, report outcomes, read the decision log."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from cluster.cli.operate import api
from cluster.errors import Malformed
from configs.load import load_model, load_settings
from configs.schema import Feature
from configs.settings import Settings

MOST_ROWS_SHOWN = 50


@click.command()
@click.argument("model")
@click.argument("request", default="-")
def decide(model: str, request: str) -> None:
    """Ask MODEL for a decision: REQUEST is JSON, @FILE, or - for standard input."""
    click.echo(json.dumps(api().decide(model, _read_json(request)), indent=2))


@click.command()
@click.argument("model")
@click.argument("outcomes", default="-")
def outcomes(model: str, outcomes: str) -> None:
    """Tell MODEL what happened after: OUTCOMES is JSON, @FILE, or - for standard input."""
    click.echo(json.dumps(api().outcomes(model, _read_json(outcomes)), indent=2))


@click.command()
@click.argument("model")
@click.option(
    "--sql",
    default="select * exclude (personal) from asked order by recorded_at desc limit 10",
    show_default=True,
    help="One SELECT over decisions, denials, asked (both), outcomes, shadows, labelled and acts.",
)
@click.option("--out", type=click.Path(path_type=Path), help="Write the result to a .parquet, .csv or .json file.")
def decisions(model: str, sql: str, out: Path | None) -> None:
    """Read MODEL's decision log with SQL, or `control`'s: who did what. That it was read goes on record."""
    from cluster.audit_place import AuditPlace
    from cluster.cli.told import tell_of
    from cluster.decision_log import tabular
    from cluster.decision_log.query import Query

    settings = load_settings()
    query = Query(settings.log / model, _features(model, settings))
    tell_of(AuditPlace(settings), "read", "read the decision log", model, sql=sql)
    found = query.sql(sql)
    if out is None:
        _print(found)
        return
    if out.suffix == ".parquet":
        out.write_bytes(tabular.parquet(found))
    elif out.suffix == ".csv":
        out.write_bytes(tabular.csv(found))
    elif out.suffix == ".json":
        rows = [{name: tabular.plain(value) for name, value in row.items()} for row in found.to_pylist()]
        out.write_text(json.dumps(rows, default=str, indent=1))
    else:
        raise click.BadParameter(f"{out} ends neither in .parquet nor .csv nor .json", param_hint="--out")
    click.echo(f"{found.num_rows} rows written to {out}")


@click.command()
@click.argument("decision_id")
@click.option("--json", "as_json", is_flag=True, help="Print the document itself.")
def lineage(decision_id: str, as_json: bool) -> None:
    """Where a decision came from: version, run, data, code, policy, and the findings that caused the version."""
    found = api().lineage(decision_id)
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    for name, value in found.items():
        if isinstance(value, list):
            value = "; ".join(map(str, value))
        click.echo(f"{name:<16}{'-' if value in (None, '') else value}")


def _features(model: str, settings: Settings) -> Sequence[Feature]:
    from cluster.decision_log.trail import TRAIL

    return () if model == TRAIL else load_model(model, settings).features


def _read_json(source: str) -> dict[str, Any]:
    if source == "-":
        text = sys.stdin.read()
    elif source.startswith("@"):
        text = Path(source[1:]).read_text()
    else:
        text = source
    try:
        body = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise Malformed(f"The request is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise Malformed(f"The request must be a JSON object, not {type(body).__name__}.")
    return body


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON number; leave a missing value out or send null")


def _print(found: Any) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(show_lines=False)
    for name in found.column_names:
        table.add_column(Text(name), overflow="fold")
    for row in found.slice(0, MOST_ROWS_SHOWN).to_pylist():
        table.add_row(*(Text(str(value)) for value in row.values()))
    Console().print(table)
    if found.num_rows > MOST_ROWS_SHOWN:
        click.echo(f"{found.num_rows - MOST_ROWS_SHOWN} more rows: write them with --out, or narrow the SELECT.")
