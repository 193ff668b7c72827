"""For clients and auditors: ask for decisions, report outcomes, read the decision log."""

import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from windvane.cluster.cli.operate import api
from windvane.cluster.errors import Malformed
from windvane.configs.load import load_model, load_settings
from windvane.configs.schema import Feature
from windvane.configs.settings import Settings

MOST_ROWS_SHOWN, NEWEST = 50, 10
WRITTEN = (".parquet", ".csv", ".json")


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
    click.echo("Outcomes are matched with decisions later: `windvane status` counts those that match none.", err=True)


@click.command()
@click.argument("model")
@click.option(
    "--sql",
    help="One SELECT over decisions, denials, asked (both), outcomes, shadows, labelled and acts; "
    "without one the newest decisions and denials.",
)
@click.option("--limit", type=click.IntRange(min=1), help="Rows at most; without --sql the newest 10.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document a line, with every column.")
@click.option("--out", type=click.Path(path_type=Path), help="Write the result to a .parquet, .csv or .json file.")
def decisions(model: str, sql: str | None, limit: int | None, as_json: bool, out: Path | None) -> None:
    """Read MODEL's decision log, or `control`'s: who did what. That it was read goes on record."""
    from windvane.cluster.audit_paths import AuditPaths
    from windvane.cluster.cli.read_audit import tell_of
    from windvane.cluster.decision_log.read import tabular
    from windvane.cluster.decision_log.read.query import Query

    if out is not None and out.suffix not in WRITTEN:
        raise click.BadParameter(f"{out} ends neither in .parquet nor .csv nor .json", param_hint="--out")
    settings = load_settings()
    query = Query(settings.log / model, _features(model, settings))
    asked = sql or _newest(model, limit or NEWEST)
    tell_of(AuditPaths(settings), "read", "read the decision log", model, sql=asked)
    found = query.sql(asked)
    wanted = found if limit is None else found.slice(0, limit)
    if out is None and not as_json:
        _print(found, limit or MOST_ROWS_SHOWN, newest=sql is None)
        return
    if out is None:
        for each in _documents(wanted):
            click.echo(json.dumps(each, default=str))
        return
    if out.suffix == ".parquet":
        out.write_bytes(tabular.parquet(wanted))
    elif out.suffix == ".csv":
        out.write_bytes(tabular.csv(wanted))
    else:
        out.write_text(json.dumps(list(_documents(wanted)), default=str, indent=1))
    click.echo(f"{wanted.num_rows} rows written to {out}")


@click.command()
@click.argument("decision_id")
@click.option("--json", "as_json", is_flag=True, help="Print the document itself.")
def lineage(decision_id: str, as_json: bool) -> None:
    """Show where a decision came from: version, run, data, code, policy, and the findings that caused the version."""
    found = api().lineage(decision_id)
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    from windvane.cluster.cli.tables import GAP, shown

    longest = max(map(len, found))
    for name, value in found.items():
        click.echo(f"{name.ljust(longest + GAP)}{shown(value)}")


def _features(model: str, settings: Settings) -> Sequence[Feature]:
    from windvane.cluster.decision_log.write.trail import TRAIL

    return () if model == TRAIL else load_model(model, settings).features


def _read_json(source: str) -> dict[str, Any]:
    if source == "-":
        text = sys.stdin.read()
    elif source.startswith("@"):
        text = Path(source[1:]).read_text(encoding="utf-8-sig")
    else:
        text = source
    try:
        body = json.loads(text, parse_constant=_constant)
    except (ValueError, RecursionError) as error:
        raise Malformed(f"The request is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise Malformed(f"The request must be a JSON object, not {type(body).__name__}.")
    return body


def _constant(name: str) -> None:
    """NaN, which Python's own encoder writes for a missing number, is null; the infinities are nothing."""
    if name != "NaN":
        raise ValueError(f"{name} is no JSON number; leave a missing value out or send null")


def _newest(model: str, limit: int) -> str:
    """The SELECT of the newest rows: decisions and denials, or what was done where nothing is decided."""
    from windvane.cluster.decision_log.write.trail import TRAIL

    view = "* from acts" if model == TRAIL else "* exclude (personal) from asked"
    return f"select {view} order by recorded_at desc limit {limit}"


def _documents(found: Any) -> Iterator[dict[str, Any]]:
    from windvane.cluster.decision_log.read import tabular

    for row in found.to_pylist():
        yield {name: tabular.plain(value) for name, value in row.items()}


def _print(found: Any, most: int, newest: bool) -> None:
    from windvane.cluster.cli import tables

    rows = found.slice(0, most).to_pylist()
    names, told = found.column_names, [list(row.values()) for row in rows]
    if newest and "decision_id" in names:
        names, told = list(tables.DECISION), [tables.decision(row) for row in rows]
    if not rows:
        click.echo("There is no such row.")
        return
    for line in tables.lines(names, told, shutil.get_terminal_size((80, 24)).columns):
        click.echo(line)
    if found.num_rows > most:
        click.echo(f"{found.num_rows - most} more rows: --limit shows more, --out writes them to a file.")
    elif newest:
        click.echo("One JSON document a line with every column: --json. Where one came from: windvane lineage ID.")
