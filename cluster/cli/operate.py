"""For operators: up, down, status, events, demo, backtest."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from windvane.cluster.control_api import ControlApi
from windvane.cluster.errors import NotFound
from windvane.cluster.runtime import addresses
from windvane.configs.load import load_settings

Progress = Callable[[str], None]
INTERRUPTED = 130  # exit code, as shells have it


def api() -> ControlApi:
    """The control API of the running Windvane."""
    settings = load_settings()
    addresses.demand_dashboard(settings)
    return ControlApi(addresses.url(settings), settings.key_file)


@contextmanager
def progress_line() -> Iterator[Progress]:
    """One line that says what is being waited for and for how long; plain lines when nobody watches."""
    from rich.console import Console
    from rich.markup import escape

    console = Console(stderr=True)
    start = time.monotonic()
    last = ""
    if console.is_terminal:
        with console.status("") as line:
            yield lambda text: line.update(f"{escape(text)} · {time.monotonic() - start:.0f} s")
        return

    def say(text: str) -> None:
        nonlocal last
        if text != last:
            console.print(f"{time.monotonic() - start:5.1f} s  {text}", highlight=False, markup=False, soft_wrap=True)
            last = text

    yield say


@contextmanager
def outlasting(sentence: str) -> Iterator[None]:
    """Tell whoever interrupts the block that what it waits for goes on."""
    try:
        yield
    except KeyboardInterrupt:
        click.echo(sentence, err=True)
        raise click.exceptions.Exit(INTERRUPTED) from None


def run_module(module: str, *arguments: str) -> int:
    """The exit code of one of our modules in a process of its own.

    Ctrl-C reaches that process as well, and however long it takes to end what it started, it is waited for:
    `subprocess.run` kills it after a quarter of a second.
    """
    with subprocess.Popen([sys.executable, "-m", module, *arguments]) as process:
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:
                continue


@click.command()
def up() -> None:
    """Start (or attach to) a cluster and wait until it answers."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from windvane.cluster import lifecycle

    settings = load_settings()
    start = time.monotonic()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)  # as Ctrl-C: what was started is ended again
    with progress_line() as progress:
        place = lifecycle.up(settings, progress)
    click.echo(f"Windvane is up after {time.monotonic() - start:.0f} s.")
    table = Table.grid(padding=(0, 2))
    for name, value in (
        ("decisions", place.decisions),
        ("gRPC", f"{place.grpc} (inference.GRPCInferenceService)"),
        ("console", place.console),
        ("API docs", f"{place.console}#docs"),  # a browser shows no key at /docs itself
        ("metrics", f"{addresses.url(settings)}/metrics"),
        ("Ray dashboard", place.dashboard),
        ("MLflow UI", place.mlflow_command),
        ("first key", str(settings.key_file)),
    ):
        table.add_row(name, Text(value))
    Console(width=200, highlight=False).print(table)


@click.command()
def doctor() -> None:
    """Look at everything that `up` needs of this machine; exits with 1 when something stands in the way."""
    from windvane.cluster.callers import declared
    from windvane.cluster.host import machine
    from windvane.cluster.host.preconditions import examine, of_issuer, of_ray
    from windvane.cluster.runtime import ray_source

    settings = load_settings()
    running = addresses.dashboard_url(settings) is not None
    checks = (*examine(settings, machine.look(settings), running), of_issuer(declared.trouble(settings)))
    if settings.ray_address is None:
        checks = (*checks, of_ray(ray_source.trouble()))
    for check in checks:
        sign, colour = {"ok": ("ok", "green"), "warning": ("!", "yellow"), "stop": ("STOP", "red")}[check.state]
        click.echo(f"{click.style(f'{sign:<4}', fg=colour)}  {check.name:<14}  {check.sentence}")
    if any(check.state == "stop" for check in checks):
        sys.exit(1)
    click.echo("Windvane is running." if running else "Nothing stands in the way: `windvane up`.")


@click.command()
def env() -> None:
    """Print the exports that Ray's own tools need to reach this cluster: eval "$(windvane env)"."""
    settings = load_settings()
    pairs = {
        "RAY_API_SERVER_ADDRESS": addresses.demand_dashboard(settings),
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(settings.ray_token_file),
        **addresses.no_proxy(os.environ),
    }
    for name, value in pairs.items():
        click.echo(f"export {name}={shlex.quote(value)}")


@click.command()
def down() -> None:
    """End what `windvane up` started, and nothing else."""
    from windvane.cluster import lifecycle

    with outlasting("Not everything is ended: `windvane down` ends the rest."), progress_line() as progress:
        sentence = lifecycle.down(load_settings(), progress)
    click.echo(sentence)


@click.command()
@click.option("--watch", is_flag=True, help="Refresh every second until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="Print the status document itself.")
def status(watch: bool, as_json: bool) -> None:
    """Show champion, split, phase and why, findings, jobs, decisions per second, p50 and p99 of every model."""
    control = api()
    if as_json:
        click.echo(json.dumps(control.status(), indent=2))
        return
    from rich.console import Console
    from rich.live import Live

    from windvane.cluster.cli.pictures import fitted_page, status_page

    console = Console(highlight=False)
    if not watch:
        console.print(status_page(control.status()))
        return
    with Live(fitted_page(control.status(), console), console=console, auto_refresh=False, screen=True) as live:
        while True:
            live.update(fitted_page(control.status(), console), refresh=True)
            time.sleep(1.0)


@click.command()
@click.argument("model")
@click.option("--follow", is_flag=True, help="Go on as things happen.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document a line, nothing folded.")
@click.option("--all", "unfolded", is_flag=True, help="A line for every event, also for what says the same again.")
def events(model: str, follow: bool, as_json: bool, unfolded: bool) -> None:
    """Show what happened to MODEL, and why; what says the same again is one line with how often."""
    from windvane.cluster.cli.event_list import EventList, event_line

    control = api()
    folded, after, watching = EventList(), 0, False
    while True:
        while page := control.events(model, after):
            for event in page:
                line = folded.add(event)
                if as_json or unfolded:
                    click.echo(json.dumps(event) if as_json else event_line(event))
                elif watching and line.is_news:
                    click.echo(line.text())
            after = int(page[-1]["number"])
        if not (watching or as_json or unfolded):
            for line in folded.lines:
                click.echo(line.text())
        if not follow:
            return
        watching = True
        time.sleep(1.0)


@click.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []})
@click.pass_context
def demo(context: click.Context) -> None:
    """Watch a model drift, retrain, prove itself and take over, or decide about people (`windvane demo --help`)."""
    root = Path(__file__).resolve().parents[2]
    if not (root / "examples" / "demo").is_dir():
        raise NotFound("The demo lives in the repository's examples/ folder: clone the repository and run `make demo`.")
    sys.exit(run_module("windvane.examples.demo", *context.args))


@click.command(
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []},
    add_help_option=False,
)
@click.pass_context
def backtest(context: click.Context) -> None:
    """Show what the loop would have done on MODEL's history (`windvane backtest --help`)."""
    sys.exit(run_module("windvane.backtest", *context.args))
