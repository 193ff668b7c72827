"""For compliance and platform engineers: hold the policies to their schema, and to a table of cases."""

from datetime import date
from pathlib import Path

import click

from cluster.cedar_policy import CedarPolicy
from cluster.errors import Invalid
from cluster.policy_cases import read_cases, run
from cluster.policy_set import overdue, read_policies
from configs.load import load_settings, policies_dir

FOLDER = click.option(
    "--policies",
    "folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The folder of the policy set.  [default: policies/ beside the models]",
)


@click.group()
def policy() -> None:
    """Check and test the policies that say who may do what."""


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
    trial = run(read_cases(table or folder / "cases.yaml"), taken, [rule.id for rule in taken.rules])
    for failure in trial.failures:
        click.secho(str(failure), fg="red", err=True)
    for id in trial.idle:
        click.secho(f"No case was determined by {id}: write one", fg="yellow", err=True)
    click.echo(
        f"{trial.cases - len(trial.failures)} of {trial.cases} cases judged as expected, by {taken.version[:12]}"
    )
    if trial.failures or not trial.cases:
        ctx.exit(1)


def _take(folder: Path | None) -> tuple[Path, CedarPolicy]:
    """The folder and the policy set in it; Invalid says everything that is wrong with it."""
    folder = folder or policies_dir(load_settings())
    try:
        return folder, CedarPolicy(read_policies(folder))
    except Invalid as error:
        raise Invalid(f"{folder}: {error}", error.problems) from error
