"""For ML engineers: declare, validate, train, deploy, undeploy."""

import json
import os
import shlex
import sys
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path

import click

from windvane.cluster.cli.operate import INTERRUPTED, api, outlasting, progress_line, run_module
from windvane.cluster.cli.waits import Waits
from windvane.cluster.errors import Conflict, NotFound, Unavailable, WindvaneError
from windvane.cluster.faults import job_failure
from windvane.cluster.jobs import TRAINING, JobRequest, Jobs, JobStatus
from windvane.cluster.runtime import addresses
from windvane.cluster.runtime.ray_jobs import RayJobs
from windvane.cluster.runtime.serve_apps_api import ServeApplications
from windvane.configs.complaint import BadDeclaration
from windvane.configs.load import (
    check_data,
    declared_in,
    load_model,
    load_settings,
    overlay_file,
    validate_file,
    writable_models_dir,
)
from windvane.configs.settings import USERS_FOLDER, Settings
from windvane.configs.sized_plan import examples

DEPLOY_SECONDS = 180.0
POLL_SECONDS = 0.5
MOST_DOUBTS = 40
FINAL = ("succeeded", "failed", "stopped", "unknown")


@click.command()
@click.argument("models", nargs=-1)
@click.option("--no-data", is_flag=True, help="Check the files alone, where their rows are not at hand.")
def validate(models: tuple[str, ...], no_data: bool) -> None:
    """Check model files and the first rows they name: names of models, paths of YAML files, or all declared."""
    settings = load_settings()
    folder = Path(settings.models_dir)
    paths = [Path(each) if each.endswith((".yaml", ".yml")) else folder / f"{each}.yaml" for each in models]
    paths = paths or sorted(folder.glob("*.yaml"))
    if not paths:
        raise NotFound(f"There is no model file in {folder}; write one with `windvane init`.")
    failed = False
    for path in paths:
        overlay = overlay_file(path.stem, settings)
        found = validate_file(path, overlay)
        notes: tuple[str, ...] = ()
        if not found and not no_data:
            found, notes = check_data(path, overlay, datetime.now(UTC))
        click.echo(f"{path}: {'ok' if not found else f'{len(found)} to mend'}")
        for complaint in found:
            click.secho(f"  {complaint}", fg="red")
        for note in notes:
            click.secho(f"  {note}", fg="yellow")
        spec = None if found else declared_in(path, overlay)
        if spec is not None:
            click.echo(f"  a rollout takes at least {examples(spec.rollout)}")
        failed = failed or bool(found)
    if failed:
        sys.exit(1)


@click.command()
@click.argument("name")
@click.option(
    "--data", "source", required=True, help="File, folder or pattern; or a SQL URL, or python:module:function."
)
@click.option("--query", help="The query that goes with --data, when that is a SQL URL.")
@click.option("--target", required=True, help="The column to predict; it must take two values.")
@click.option("--force", is_flag=True, help="Replace an existing file.")
def init(name: str, source: str, query: str | None, target: str, force: bool) -> None:
    """Write a first configs/models/NAME.yaml from rows of past decisions, and say what is doubtful in it."""
    folder = writable_models_dir(load_settings())
    path = folder / f"{name}.yaml"
    if path.exists() and not force:
        raise Conflict(f"{path} exists; choose another name or replace it with --force.")
    from windvane.configs.draft import draft

    drafted = draft(name, source, target, query)
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(drafted.text, encoding="utf-8")
    click.echo(f"Wrote {path}. Read it, mend what it got wrong; what is doubtful:")
    for doubt in drafted.doubts[:MOST_DOUBTS]:
        click.secho(f"  - {doubt}", fg="yellow")
    if len(drafted.doubts) > MOST_DOUBTS:
        click.secho(f"  and {len(drafted.doubts) - MOST_DOUBTS} more, in the file", fg="yellow")
    click.echo(f"Then:\n  windvane validate {name}\n  windvane up\n  windvane train {name}\n  windvane deploy {name}")


@click.command()
@click.argument("model")
@click.option("--reason", default="manual", show_default=True)
@click.option("--source", help="Read other labelled rows than data.source names; recorded in the lineage.")
@click.option("--query", help="The query that goes with --source, when that is a SQL URL.")
@click.option("--until", help="Learn from rows before this moment only (ISO 8601).")
@click.option("--accept", "--override-gate", "accept", is_flag=True, help="Register it even where it fails offline.")
def train(model: str, reason: str, source: str | None, query: str | None, until: str | None, accept: bool) -> None:
    """Train and register a version of MODEL as a Ray job, showing what it prints; Ctrl-C stops the job."""
    settings = load_settings()
    spec = load_model(model, settings)
    jobs = RayJobs(addresses.demand_dashboard(settings), settings.ray_token_file)
    if source is None:
        _refuse_bad_rows(model, spec.data.source, settings)
    entrypoint = [sys.executable, "-m", TRAINING, "--model", model, "--reason", reason]
    for option, value in (("--source", source), ("--query", query), ("--until", until)):
        entrypoint += [option, value] if value else []
    entrypoint += ["--accept"] if accept else []
    request = JobRequest(
        job_id=f"train-{model}-{uuid.uuid4().hex[:8]}",
        entrypoint=tuple(entrypoint),
        metadata={"model": model, "reason": reason},
        environment={**settings.environment(), USERS_FOLDER: os.getcwd()},
    )
    try:
        click.echo(f"Job {jobs.submit(request)}: {addresses.demand_dashboard(settings)}/#/jobs")
        state = _followed(jobs, request.job_id, Waits(api(), model))
    except KeyboardInterrupt:
        _stop(jobs, request.job_id, model)
        raise click.exceptions.Exit(INTERRUPTED) from None
    except Unavailable as error:
        raise Unavailable(
            f"{error}\nJob {request.job_id} may go on: `windvane versions {model}` shows what it registers."
        ) from error
    if state.state != "succeeded":
        why = f": {job_failure.reason(state.message)}" if state.state == "failed" else ""
        raise WindvaneError(f"Job {request.job_id} {state.state}{why}")


def _followed(jobs: Jobs, job_id: str, waits: Waits) -> JobStatus:
    """Show what the job prints, and what it waits for, until it ends."""
    shown = 0
    while True:
        state = jobs.status(job_id)
        printed = jobs.logs(job_id)
        click.echo(printed[shown:], nl=False)
        if len(printed) == shown and state.state not in FINAL:
            for sentence in waits.fresh():
                click.secho(sentence, fg="yellow", err=True)
        shown = len(printed)
        if state.state in FINAL:
            return state
        time.sleep(POLL_SECONDS)


def _stop(jobs: Jobs, job_id: str, model: str) -> None:
    """End the job of somebody who interrupts it, and say how it ended, or that it may go on."""
    click.echo(f"Stopping job {job_id}; Ctrl-C once more leaves it to itself.", err=True)
    try:
        jobs.stop(job_id)
        while (state := jobs.status(job_id).state) not in FINAL:
            time.sleep(POLL_SECONDS)
    except (KeyboardInterrupt, Unavailable) as error:
        why = f" ({error})" if isinstance(error, Unavailable) else ""
        click.echo(f"Job {job_id} may go on{why}: `windvane versions {model}` shows what it registers.", err=True)
        return
    ended = "had succeeded already" if state == "succeeded" else "is stopped"
    click.echo(f"Job {job_id} {ended}; `windvane versions {model}` shows what is registered.", err=True)


def _refuse_bad_rows(model: str, source: str, settings: Settings) -> None:
    """Say at once what a job would find after a minute, where the files lie here; raises BadDeclaration."""
    elsewhere = settings.ray_address is not None and not Path(source).exists()
    if source.startswith("python:") or "://" in source or elsewhere:
        return
    complaints, _ = check_data(
        Path(settings.models_dir) / f"{model}.yaml", overlay_file(model, settings), datetime.now(UTC)
    )
    if complaints:
        raise BadDeclaration(complaints)


@click.command()
@click.argument("model")
@click.option("--reason", default="asked for by hand", show_default=True)
def retrain(model: str, reason: str) -> None:
    """Open a retrain request: the loop trains, proves and rolls out by itself (`windvane events MODEL --follow`)."""
    request = api().retrain(model, reason)
    click.echo(f"Retrain request {request['request_id']} is open; follow it with `windvane events {model} --follow`.")


@click.command()
@click.argument("model")
def deploy(model: str) -> None:
    """Serve MODEL's champion and wait until it answers."""
    settings = load_settings()
    spec = load_model(model, settings)
    control = api()
    deployed = control.deploy(model, spec.model_dump(mode="json"))
    applications = ServeApplications(addresses.demand_dashboard(settings), settings)
    goes_on = f"{model} may still come up: `windvane deploy {model}` waits for it, `windvane undeploy {model}` ends it."
    with outlasting(goes_on), progress_line() as progress:
        applications.deploy_model(model, str(deployed["spec_digest"]))
        told = Waits(control, model).beside(progress)
        applications.wait_running(model, DEPLOY_SECONDS, told)
        deadline = time.monotonic() + DEPLOY_SECONDS
        while not control.ready(model):
            if time.monotonic() > deadline:
                raise WindvaneError(f"{model} runs but is not ready; see `windvane status` and the Ray dashboard.")
            progress(f"waiting for {model} to load version {deployed['champion']}")
            time.sleep(0.1)
    click.echo(f"{model} version {deployed['champion']} answers at {addresses.url(settings)}/v2/models/{model}/decide")
    asked = shlex.quote(json.dumps(deployed["example"], ensure_ascii=False))
    click.echo(f"Try it: windvane decide {model} {asked}")


@click.command()
@click.argument("model")
@click.option("--reason", default="by hand", show_default=True, help="Goes on the record.")
def undeploy(model: str, reason: str) -> None:
    """Take MODEL out of service; versions, history and decision log stay, and `deploy` brings it back."""
    settings = load_settings()
    control = api()
    applications = ServeApplications(addresses.demand_dashboard(settings), settings)
    goes_on = f"{model} may still be leaving: `windvane undeploy {model}` waits until it is gone."
    with outlasting(goes_on), progress_line() as progress:
        control.undeploy(model, reason)
        applications.remove(model)
        applications.wait_gone(model, DEPLOY_SECONDS, progress)
    click.echo(f"{model} is out of service; `windvane deploy {model}` brings it back.")


@click.command()
@click.argument("model")
def versions(model: str) -> None:
    """List every registered version of MODEL: standing, reason, figures."""
    for each in api().versions(model):
        figures = "  ".join(f"{name} {value:.4f}" for name, value in sorted(each["metrics"].items())[:6])
        click.echo(
            f"{each['number']:>4}  {each['standing']:<11}  {each['created_at'][:19]}  {each['reason']}  {figures}"
        )


@click.command()
@click.argument("model")
@click.option("--out", type=click.Path(path_type=Path), default=Path("drift.html"), show_default=True)
@click.option("--rows", default=5000, show_default=True, help="Newest decisions to compare.")
def report(model: str, out: Path, rows: int) -> None:
    """Write Evidently's drift report of MODEL's newest decisions against its training data (a job of its own)."""
    sys.exit(run_module("windvane.monitoring.reports", "--model", model, "--out", str(out), "--rows", str(rows)))
