"""For operators: put everything aside that cannot be made again, and put it back."""

from datetime import UTC, datetime
from pathlib import Path

import click

from windvane.configs.load import load_settings

_FOLDER = click.Path(file_okay=False, path_type=Path)
_ARCHIVE = click.Path(exists=True, path_type=Path)


@click.command()
@click.argument("folder", type=_FOLDER)
@click.option("--keys", required=True, type=_FOLDER, help="Another place, for the keys: they open what FOLDER holds.")
def backup(folder: Path, keys: Path) -> None:
    """Write store, log, checkpoints, vault and versions into FOLDER, and the keys elsewhere; Windvane is down."""
    from windvane.cluster.backups.backup import back_up

    made = back_up(load_settings(), folder, keys, datetime.now(UTC))
    click.echo(f"{made.archive}  ({made.archive.stat().st_size / 1e6:,.1f} MB)")
    click.echo(f"{made.keys}  (keep it apart from the other)")
    if made.elsewhere:
        click.echo(
            f"Outside of the home, so not in them; back up now, before `windvane up`: {', '.join(made.elsewhere)}"
        )


@click.command()
@click.argument("source", type=_ARCHIVE)
@click.option("--keys", type=_ARCHIVE, help="The archive of the keys; a snapshot of a whole home holds them itself.")
@click.option(
    "--former",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The home of before, or what is left of it, where it lies elsewhere than WINDVANE_HOME.",
)
@click.pass_context
def restore(ctx: click.Context, source: Path, keys: Path | None, former: Path | None) -> None:
    """Make WINDVANE_HOME what SOURCE holds: an archive of `windvane backup`, or a snapshot; Windvane is down.

    Whoever was erased since stays erased, revoked keys stay revoked, and what people said of consent holds: the home of
    before is asked, and kept beside the new one.
    """
    from windvane.cluster.backups.restore import restore as put_back
    from windvane.cluster.cli.audit import verify
    from windvane.cluster.host.unix_user import user_name

    by = f"{user_name()} (command line)"
    done = put_back(load_settings(), source, keys, datetime.now(UTC), by, former)
    click.echo(f"Restored, up to checkpoint {done.checkpoints}.")
    if done.former is not None:
        click.echo(f"The home of before is kept in {done.former}; it holds personal data and keys.")
    if done.copy is not None:
        click.echo(
            f"The second place of checkpoints knew {done.lost_checkpoints} later ones, and is kept as {done.copy}."
        )
    carried = done.carried
    if carried is None:
        click.echo(
            "There was no home of before to ask, so before anybody may read: erase again who was erased since, by your "
            "own record of the requests; revoke keys and record withdrawn consents again."
        )
    else:
        click.echo(
            f"Taken over from it: {carried.erasures} erasures, {len(carried.keys)} revoked keys, what "
            f"{carried.consents} subjects said of consent."
        )
    for trouble in (*(carried.lost if carried else ()), *done.troubles):
        click.secho(f"By hand: {trouble}", fg="red")
    ctx.invoke(verify)
    click.echo("Lost are decisions, outcomes, promotions, policies and new keys since the backup. Next: `windvane up`.")
