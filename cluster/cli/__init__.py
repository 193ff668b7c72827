"""The `windvane` command: one file per kind of reader, every error one sentence and a way on."""

import sys

import click

from cluster.cli import audit, cards, decisions, explanations, keys, models, operate, policies, privacy, rollouts
from cluster.errors import Invalid, WindvaneError
from configs.complaint import BadDeclaration


class Commands(click.Group):
    """Shows a WindvaneError as its sentence, without a traceback, and exits with 1."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except WindvaneError as error:
            click.secho(f"Error: {error.line}", fg="red", err=True)
            for problem in getattr(error, "problems", ()) if isinstance(error, Invalid) else ():
                click.secho(f"  {problem.pointer}: {problem.detail}", fg="red", err=True)
            sys.exit(1)
        except BadDeclaration as error:
            for complaint in error.complaints:
                click.secho(f"Error: {complaint}", fg="red", err=True)
            sys.exit(1)
        except BrokenPipeError:
            raise  # `windvane events … | head`: click ends it quietly
        except OSError as error:
            sentence = f"{error.filename}: {error.strerror}" if error.filename else str(error)
            click.secho(f"Error: {sentence}", fg="red", err=True)
            sys.exit(1)
        except KeyboardInterrupt:
            click.echo("Stopped.", err=True)
            sys.exit(130)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="windvane")
def main() -> None:
    """Serve decision models, watch them, retrain them, and prove every new version before it takes over."""


for command in (
    *(operate.up, operate.down, operate.env, operate.status, operate.events, operate.demo),
    *(models.validate, models.init, models.train, models.retrain, models.deploy, models.undeploy),
    *(models.versions, models.report),
    *(decisions.decide, decisions.outcomes, decisions.decisions, decisions.lineage, explanations.explain),
    *(audit.audit, privacy.privacy),
    rollouts.rollout,
    cards.model,
    policies.policy,
    keys.keys,
):
    main.add_command(command)
