"""What can be asked and ordered in a terminal? The `windvane` command, one file per kind of reader.

A verb's file is imported when the verb is used, and a file imports at its top only what asking a running Windvane
needs: pandas, DuckDB, SQLAlchemy, Cedar take seconds, so the function that needs them imports them.
"""

import sys
from contextlib import nullcontext
from difflib import get_close_matches
from importlib import import_module

import click

from windvane.cluster.errors import Invalid, WindvaneError
from windvane.cluster.host.private_files import privately
from windvane.cluster.host.unix_user import have_a_home
from windvane.configs.complaint import BadDeclaration

# By verb: the file of this package in which the command of that name stands.
VERBS = {
    **dict.fromkeys(("up", "down", "doctor", "env", "status", "events", "demo", "backtest"), "operate"),
    **dict.fromkeys(("validate", "init", "train", "retrain", "deploy", "undeploy", "versions", "report"), "models"),
    **dict.fromkeys(("decide", "outcomes", "decisions", "lineage"), "decisions"),
    "explain": "explanations",
    **dict.fromkeys(("backup", "restore"), "backups"),
    "audit": "audit",
    "privacy": "privacy",
    "rollout": "rollouts",
    "model": "cards",
    "policy": "policies",
    "keys": "keys",
}
# What these write is for whomever the user's umask lets read it; the others may write to the home.
USERS_OWN = frozenset({"init", "report", "backtest"})


class Commands(click.Group):
    """Finds the verbs; shows a WindvaneError as its sentence, without a traceback, and exits with 1."""

    def list_commands(self, _: click.Context) -> list[str]:
        """Every verb, by name."""
        return sorted(VERBS)

    def get_command(self, _: click.Context, cmd_name: str) -> click.Command | None:
        """The verb, imported now; None for a word that is none."""
        if cmd_name not in VERBS:
            return None
        command: click.Command = getattr(import_module(f"{__name__}.{VERBS[cmd_name]}"), cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The verb; of a word that is none the nearest verb is named."""
        if args and args[0] not in VERBS and (near := get_close_matches(args[0], VERBS, 1)):
            ctx.fail(f"No such command {args[0]!r}; did you mean {near[0]!r}?")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> object:
        try:
            with nullcontext() if ctx.invoked_subcommand in USERS_OWN else privately():
                return super().invoke(ctx)
        except WindvaneError as error:
            click.secho(f"Error: {error.line}", fg="red", err=True)
            for problem in getattr(error, "problems", ()) if isinstance(error, Invalid) else ():
                click.secho(f"  {problem.pointer}: {problem.detail}", fg="red", err=True)
            _keep_cause(error)
            sys.exit(1)
        except BadDeclaration as error:
            for complaint in error.complaints:
                click.secho(f"Error: {complaint}", fg="red", err=True)
            _keep_cause(error)
            sys.exit(1)
        except BrokenPipeError:
            raise  # `windvane events … | head`: click ends it quietly
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise  # click has words for these
        except Exception as error:  # noqa: BLE001  whatever it is, a person is told in a sentence
            from windvane.cluster.faults.boundary import sentence

            click.secho(f"Error: {sentence(error)}", fg="red", err=True)
            sys.exit(1)
        except KeyboardInterrupt:
            click.echo("Stopped.", err=True)
            sys.exit(130)


def _keep_cause(error: Exception) -> None:
    """The traceback of what led to a sentence goes to a file, for whoever has to look further."""
    if error.__cause__ is not None:
        from windvane.cluster.faults.boundary import keep_cause

        keep_cause(error)


def command() -> None:
    """Run `windvane`."""
    have_a_home()
    main()


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="windvane")
def main() -> None:
    """Serve decision models, watch them, retrain them, and prove every new version before it takes over."""
