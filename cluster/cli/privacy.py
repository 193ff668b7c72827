"""For those who answer to the people who are decided about: everything held about one of them, and its end."""

import json
from pathlib import Path

import click

from windvane.cluster.cli.operate import api
from windvane.configs.load import load_settings


@click.group()
def privacy() -> None:
    """Export or erase what is held about a subject, and change the master key."""


@privacy.command()
@click.argument("subject")
@click.option("--reason", default="asked for by the subject", show_default=True, help="Goes on the record.")
@click.option("--out", type=click.Path(path_type=Path), help="Write it to a file instead of standard output.")
def export(subject: str, reason: str, out: Path | None) -> None:
    """Everything that is held about SUBJECT, readable, as JSON."""
    text = json.dumps(api().export_subject(subject, reason), indent=2)
    if out is None:
        click.echo(text)
    else:
        out.touch(mode=0o600)
        out.write_text(text)
        click.echo(f"Written to {out}")


@privacy.command()
@click.argument("subject")
@click.option("--reason", required=True, help="Goes on the record.")
@click.option("--yes", is_flag=True, help="Do not ask: nobody can undo it.")
def erase(subject: str, reason: str, yes: bool) -> None:
    """Destroy SUBJECT's keys: nobody can read what is personal in the log any more, and the log still verifies."""
    if not yes:
        click.confirm("What is held about this subject can never be read again. Go on?", abort=True)
    done = api().erase_subject(subject, reason)
    click.echo(
        f"Erasure {done['number']}: {done['keys']} keys are destroyed; the log names the subject as {done['subject']}."
    )


@privacy.command("rotate-key")
def rotate_key() -> None:
    """Put a fresh master key in place of the present one, which opens nothing any more; Windvane has to be down."""
    from windvane.cluster.audit_paths import AuditPaths
    from windvane.cluster.backups.idle import demand_idle
    from windvane.cluster.cli.read_audit import tell_of

    settings = load_settings()
    demand_idle(settings)  # whoever runs goes by the present key
    paths = AuditPaths(settings)
    tell_of(paths, "master_key_changed", "ordered that every subject's key is wrapped with a fresh master key")
    count = paths.rotate_master_key()
    click.echo(
        f"{count} keys are wrapped with the fresh key in {settings.master_key_file}; destroy copies of the former."
    )
