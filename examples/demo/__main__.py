"""`windvane demo`: a whole run on a cluster of its own, told while it happens, that ends with what was not kept."""

import os
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import click
from rich.console import Console

from windvane.cluster import lifecycle
from windvane.cluster.faults.boundary import sentence
from windvane.cluster.runtime import addresses
from windvane.configs.load import load_settings
from windvane.configs.settings import Settings
from windvane.examples.demo import drift, mortgage
from windvane.examples.demo.scene import MODEL as MORTGAGE

DEMOS: Mapping[str, Callable[[Settings, Path, Console], list[str]]] = {drift.MODEL: drift.run, MORTGAGE: mortgage.run}
# Places of a Windvane in earnest: a demo leaves them alone.
ELSEWHERE = (
    *("WINDVANE_STORE", "WINDVANE_MLFLOW", "WINDVANE_KEY_FILE", "WINDVANE_SIGNING_KEY", "WINDVANE_FORMER_KEYS"),
    *("WINDVANE_CHECKPOINT_COPY", "WINDVANE_MASTER_KEY"),
)


@click.command()
@click.option("--model", type=click.Choice(list(DEMOS)), default=drift.MODEL, show_default=True, help="Which demo.")
@click.option("--full", is_flag=True, help="Let the loop retrain as often as it wants to; of flight-delay.")
@click.option("--keep", is_flag=True, help="Leave the cluster running afterwards.")
def main(model: str, full: bool, keep: bool) -> None:
    """Watch a model drift, retrain, prove itself and take over, and a bad version be taken back.

    With --model mortgage: people who are decided about, with their consent, told why, forgotten, and a changed log.
    """
    if full and model != drift.MODEL:
        raise click.UsageError(f"--full goes with {drift.MODEL}; the demo of {model} retrains nothing")
    folder = Path(load_settings().home) / ("demo" if model == drift.MODEL else f"demo-{model}")
    for name in ELSEWHERE:
        os.environ.pop(name, None)
    os.environ["WINDVANE_HOME"] = str(folder / "home")
    os.environ["WINDVANE_OVERLAY"] = "demo-full" if full else "demo"
    settings = load_settings()
    if addresses.dashboard_url(settings) is not None:
        raise click.ClickException(
            f"A demo is still running from {settings.home}: WINDVANE_HOME={settings.home} windvane down"
        )
    shutil.rmtree(folder, ignore_errors=True)
    console = Console(highlight=False)
    ending = f"Left running. End it with: WINDVANE_HOME={settings.home} windvane down"
    try:
        broken = DEMOS[model](settings, folder, console)
    except Exception as error:  # noqa: BLE001  whatever it is, a person is told in a sentence
        console.print(f"The demo stopped: {sentence(error)}", style="red", markup=False, soft_wrap=True)
        sys.exit(1)
    except KeyboardInterrupt:
        console.print(ending if keep else "Ending what the demo started", markup=False, soft_wrap=True)
        sys.exit(130)
    finally:
        if not keep:
            lifecycle.down(settings, lambda _: None)
    for promise in broken:
        console.print(f"not kept: {promise}", style="red", markup=False, soft_wrap=True)
    if keep:
        console.print(ending, markup=False, soft_wrap=True)
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
