"""For compliance and platform engineers: hold policies to schema and cases, bring them into force, judge again."""

from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from windvane.cluster.cli.operate import api
from windvane.cluster.errors import Invalid, NotFound
from windvane.cluster.policies.policy_set import overdue, read_policies
from windvane.configs.load import load_model, load_settings, policies_dir

if TYPE_CHECKING:
    from windvane.cluster.decision_log.read.query import Query
    from windvane.cluster.policies.cedar_policy import CedarPolicy
    from windvane.cluster.policies.policy_cases import CaseResults

FOLDER = click.option(
    "--policies",
    "folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The folder of the policy set.  [default: policies/ beside the models]",
)
SET = click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
REASON = click.option("--reason", required=True, help="Goes on the record.")
CASES = "cases.yaml"


@click.group()
def policy() -> None:
    """Check, test, publish and approve the policies that say who may do what; judge decisions again."""


@policy.command()
@FOLDER
def check(folder: Path | None) -> None:
    """Parse every policy, hold it to the schema, and name overdue reviews."""
    folder, taken = _take(folder)
    click.echo(f"{folder}: {len(taken.rules)} policies can be taken, version {taken.version}")
    for rule in overdue(taken.rules, date.today()):
        who = f"{folder}/{rule.place}: {rule.id} should have been reviewed by {rule.review_by}"
        click.secho(f"Overdue: {who}; ask {rule.owner}", fg="yellow", err=True)


@policy.command()
@FOLDER
@click.option(
    "--cases",
    "table",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The table of cases.  [default: cases.yaml in that folder]",
)
@click.pass_context
def test(ctx: click.Context, folder: Path | None, table: Path | None) -> None:
    """Judge a table of cases; exits with 1 when one is judged otherwise than it says."""
    folder, taken = _take(folder)
    trial = _try(taken, table or folder / CASES)
    for id in trial.idle:
        click.secho(f"No case was determined by {id}: write one", fg="yellow", err=True)
    click.echo(
        f"{trial.cases - len(trial.failures)} of {trial.cases} cases judged as expected, by {taken.version[:12]}"
    )
    if trial.failures or not trial.cases:
        ctx.exit(1)


@policy.command()
@SET
@REASON
def publish(folder: Path, reason: str) -> None:
    """Ask for the policy set in FOLDER to be put in force; its cases, where it has any, have to hold."""
    folder, taken = _take(folder)
    if (folder / CASES).exists() and _try(taken, folder / CASES).failures:
        raise Invalid(f"{folder}: the cases do not hold, so this set is not asked for")
    change = api().publish_policies(dict(read_policies(folder).files), reason)
    proposal = change["standing"]["proposal"]
    if proposal is None:
        click.echo(f"Policy set {taken.version[:12]} is in force.")
        _say_who_knows(change)
    else:
        click.echo(
            f"Policy set {taken.version[:12]} waits for a second person: `windvane policy approve {taken.version[:12]}`"
        )


@policy.command()
@click.argument("version")
@click.option("--reason", default="looked at", show_default=True, help="Goes on the record.")
def approve(version: str, reason: str) -> None:
    """Put the set VERSION, which somebody else asked for, in force."""
    change = api().decide_policies(version, "approve", reason)
    click.echo(f"Policy set {change['standing']['live']['version'][:12]} is in force.")
    _say_who_knows(change)


@policy.command()
@click.argument("version")
@REASON
def withdraw(version: str, reason: str) -> None:
    """Let the set VERSION, which waits, go."""
    api().decide_policies(version, "withdraw", reason)
    click.echo(f"Policy set {version[:12]} waits no more.")


@policy.command()
def status() -> None:
    """Show which set is in force, who asked and who approved, and which one waits."""
    standing = api().policies()
    for live in [*standing["before"], *([standing["live"]] if standing["live"] else [])]:
        who = f"asked for by {live['requested_by']}, approved by {live['approved_by'] or 'nobody'}"
        click.echo(f"{live['number']:>4}  {live['version'][:12]}  {live['since'][:19]}  {who}: {live['reason']}")
    if (proposal := standing["proposal"]) is not None:
        click.echo(f"   ?  {proposal['version'][:12]}  {proposal['at'][:19]}  {proposal['requested_by']} asks for it")


@policy.command()
@SET
@REASON
def install(folder: Path, reason: str) -> None:
    """Put the set in FOLDER in force by writing to the store: for whoever is locked out. It is on record as that."""
    from windvane.cluster.policies.cedar_rules import compile_policies
    from windvane.cluster.policies.policy_library import PolicyLibrary
    from windvane.cluster.sql_store import SqlStore

    folder, taken = _take(folder)
    with closing(SqlStore(load_settings().store_url)) as store:
        library = PolicyLibrary(store, compile_policies)
        register = library.install(read_policies(folder), "whoever holds the store", reason, datetime.now(UTC))
    assert register.live is not None
    click.echo(f"Policy set {taken.version[:12]} is in force, as number {register.live.number}.")


@policy.command()
@click.argument("model")
@click.argument("decision_id")
@FOLDER
@click.option("--version", help="A published set, by its hash or the first 8 digits of it.")
@click.pass_context
def explain(ctx: click.Context, model: str, decision_id: str, folder: Path | None, version: str | None) -> None:
    """Judge MODEL's decision DECISION_ID again: by the set that judged it, by another version, or by a folder's.

    Exits with 1 when the set that judged it says otherwise now: then the record is not what was judged.
    """
    if folder is not None and version is not None:
        raise click.UsageError("give --policies or --version, not both")
    from windvane.cluster.audit_paths import AuditPaths
    from windvane.cluster.cli.read_audit import tell_of
    from windvane.cluster.decision_log.read.lookup import DECISION_ID
    from windvane.cluster.decision_log.read.query import Query
    from windvane.cluster.policies.cedar_policy import CedarPolicy
    from windvane.cluster.policies.cedar_rules import compile_policies
    from windvane.cluster.policies.decision_replay import explained, recorded, retry
    from windvane.cluster.policies.mandate import kept_mandate
    from windvane.cluster.policies.policy_library import PolicyLibrary
    from windvane.cluster.sql_store import SqlStore

    settings = load_settings()
    if not DECISION_ID.fullmatch(decision_id):  # and it goes on no record: it may be anybody's name
        raise Invalid(f"{decision_id[:60]!a} is no decision id, such as 01890a5d-ac96-774b-bcce-b302099a8057")
    detail = f"asked why policy judged decision {decision_id} so"
    tell_of(AuditPaths(settings), "read", detail, model, decision_id=decision_id)
    found = recorded(
        _row(Query(Path(settings.home) / "log" / model, load_model(model, settings).features), decision_id)
    )
    with closing(SqlStore(settings.store_url)) as store:
        mandate = kept_mandate(store, found.mandate)
        if mandate is None:
            raise NotFound(f"What {model} was meant for when it decided {decision_id} is not in the store")
        written = (
            read_policies(folder)
            if folder is not None
            else PolicyLibrary(store, compile_policies).written(version or found.policy_version)
        )
    retrial = retry(found, mandate, CedarPolicy(written))
    for line in explained(retrial):
        click.echo(line)
    if retrial.changed and retrial.same_set:
        ctx.exit(1)


def _row(query: "Query", decision_id: str) -> dict[str, Any]:
    rows = query.sql(f"SELECT * FROM asked WHERE decision_id = '{decision_id}' LIMIT 1").to_pylist()  # noqa: S608  hex
    if not rows:
        raise NotFound(f"No decision {decision_id} is in the log")
    row: dict[str, Any] = rows[0]
    return row


def _try(taken: "CedarPolicy", table: Path) -> "CaseResults":
    """Judge the table, and name every case that is judged otherwise."""
    from windvane.cluster.policies.policy_cases import read_cases, run

    trial = run(read_cases(table), taken, [rule.id for rule in taken.rules])
    for failure in trial.failures:
        click.secho(str(failure), fg="red", err=True)
    return trial


def _take(folder: Path | None) -> "tuple[Path, CedarPolicy]":
    """The folder and the policy set in it; Invalid says everything that is wrong with it."""
    from windvane.cluster.policies.cedar_policy import CedarPolicy

    folder = folder or policies_dir(load_settings())
    try:
        return folder, CedarPolicy(read_policies(folder))
    except Invalid as error:
        raise Invalid(f"{folder}: {error}", error.problems) from error


def _say_who_knows(change: dict[str, Any]) -> None:
    if not change["replicas_told"]:
        click.echo("Not every replica is known to go by it yet; they are told until they do.", err=True)
