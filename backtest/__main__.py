"""`python -m backtest MODEL`: what the loop would have done on a history, without a cluster and without a clock."""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from pydantic import TypeAdapter, ValidationError

from windvane.backtest.history import History
from windvane.backtest.inject import FAULTS, inject
from windvane.backtest.page import page
from windvane.backtest.reading import read_history
from windvane.backtest.replay import Replay
from windvane.backtest.report import BacktestReport, report
from windvane.backtest.run import Run
from windvane.backtest.schedules import schedules
from windvane.backtest.trainer import LocalTrainer
from windvane.cluster.errors import Invalid
from windvane.cluster.faults.boundary import sentence
from windvane.configs.load import load_model, load_settings
from windvane.configs.quantities import Duration, Moment
from windvane.configs.schema import ModelSpec

COLD = 0.25  # share of the history that the first version learns from, without --start
LEAST_COLD = 50  # labelled rows of it
PERIOD = timedelta(days=30)


def main(arguments: Sequence[str] | None = None) -> int:
    """Replay, print, write `report.json` and `report.html`; 1 when it cannot be done."""
    given = _read(arguments)
    try:
        found = backtest(given)
        folder = Path(given.out)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "report.json").write_text(json.dumps(found.described(), indent=1))
        (folder / "report.html").write_text(page(found))
        _say(summary(found))
        _say(f"written: {folder / 'report.html'}, {folder / 'report.json'}")
    except ValidationError as error:
        for fault in error.errors():
            sys.stderr.write(f"Error: {'.'.join(map(str, fault['loc']))}: {fault['msg']}\n")
        return 1
    except Exception as error:  # noqa: BLE001  whatever it is, a person is told in a sentence
        sys.stderr.write(f"Error: {sentence(error)}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("Stopped: no report was written.\n")
        return 130
    return 0


def backtest(given: argparse.Namespace) -> BacktestReport:
    """The report of one replay."""
    spec = changed(load_model(given.model, load_settings()), given.set)
    if given.speed == "fast":
        spec = spec.model_copy(update={"training": spec.training.model_copy(update={"trials": 1})})
    history = read_history(spec, given.data, given.label_delay)
    start = _start(history, given.start)
    for fault, at in given.inject:
        history = inject(spec, history, fault, at.timestamp())
    _say(
        f"{spec.name}: {len(history):,} rows, the loop starts at {_spelled(start)} with the "
        f"{len(history.learnable(start, start)):,} labels that are known then"
    )
    run = _replayed(spec, history, start)
    period = given.period.total_seconds()
    beside = schedules(spec, history, start, period, period / 3, given.cost)
    return report(spec.name, history, run, beside, start, period)


def changed(spec: ModelSpec, settings: Sequence[str]) -> ModelSpec:
    """The declaration with `path.to.field=value` laid over it; raises Invalid or ValidationError."""
    raw: dict[str, Any] = spec.model_dump(mode="json")
    for setting in settings:
        path, found, value = setting.partition("=")
        if not found:
            raise Invalid(f"--set {setting}: write it as section.field=value, such as retrain.persistence=1")
        *sections, name = path.split(".")
        part = raw
        for section in sections:
            part = part.setdefault(section, {})
            if not isinstance(part, dict):
                raise Invalid(f"--set {setting}: {section!r} has no fields")
        part[name] = yaml.safe_load(value)
    return ModelSpec.model_validate(raw)


def summary(found: BacktestReport) -> str:
    """Lines for a terminal: the schedules, and every retraining with its worth."""
    lines = [f"{found.rows:,} decisions, {found.start:%Y-%m-%d} to {found.end:%Y-%m-%d}; mean log loss a decision"]
    period = f"{found.period_days:g} d"
    for name, words in (
        ("loop", "the loop"),
        ("never", "never retrained"),
        ("recent", f"every {period} on the last {period}"),
        ("everything", f"every {period} on all rows"),
        ("hindsight", "best schedule in hindsight"),
    ):
        loss = getattr(found, name)
        lines.append(f"  {words:<30}{loss:.4f}   regret {loss - found.hindsight:+.4f}")
    for each in found.worth[1:]:
        worth = f"{each.gained_each:+.4f} a decision on {each.answered:,}" if each.answered else "answered nothing"
        lines.append(f"  {each.made_at:%Y-%m-%d} v{each.version} ({each.cause}) {each.standing}: {worth}")
    return "\n".join(lines)


def _replayed(spec: ModelSpec, history: History, start: float) -> Run:
    end, told, began = float(history.times[-1]), [0.0], time.monotonic()

    def progress(now: float) -> None:
        if time.monotonic() - told[0] > 5.0:
            told[0] = time.monotonic()
            share = (now - start) / max(end - start, 1.0)
            _say(f"  {_spelled(now)}, {share:.0%} after {told[0] - began:.0f} s")

    return Replay(spec, history, LocalTrainer(spec, history), start).run(progress)


def _start(history: History, wanted: datetime | None) -> float:
    if wanted is None:
        start = float(history.times[min(int(len(history) * COLD), len(history) - 1)])
    else:
        start = wanted.timestamp()
    known = history.learnable(start, start)
    if len(known) < LEAST_COLD or int(known.labels.sum()) in (0, len(known)):
        raise Invalid(
            f"{len(known)} labels are known at {_spelled(start)}, {int(np.sum(known.labels))} of them true: a first "
            f"version needs {LEAST_COLD} and both kinds; give a later --start or a shorter --label-delay"
        )
    if not np.any(history.times > start):
        raise Invalid(f"no row is later than {_spelled(start)}: give an earlier --start")
    return start


def _read(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="windvane backtest", description=(__doc__ or "").split(": ", 1)[1])
    parser.add_argument("model", help="name of a declaration; its data.time orders the rows")
    parser.add_argument("--data", metavar="SOURCE", help="another source than data.source, of the same columns")
    parser.add_argument("--start", type=_moment, help="when the loop starts; without it after a quarter of the rows")
    parser.add_argument(
        "--label-delay",
        type=_duration,
        default=timedelta(0),
        help="how long labels take where data.known is not declared",
    )
    parser.add_argument(
        "--inject",
        type=_fault,
        action="append",
        default=[],
        metavar="FAULT@WHEN",
        help=f"put a fault in: {', '.join(FAULTS)}; such as flip@2024-06-01",
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="FIELD=VALUE", help="a setting, such as retrain.persistence=1"
    )
    parser.add_argument("--period", type=_duration, default=PERIOD, help="of the blind schedules beside it; 30d")
    parser.add_argument("--cost", type=float, default=0.0, help="of a training, in log loss summed over decisions")
    parser.add_argument(
        "--speed", choices=("full", "fast"), default="full", help="fast fits each version once, without a search"
    )
    parser.add_argument("--out", default="backtest-report", help="folder of report.html and report.json")
    return parser.parse_args(arguments)


def _duration(text: str) -> timedelta:
    found: timedelta = _parsed(TypeAdapter(Duration), text)
    return found


def _moment(text: str) -> datetime:
    found: datetime = _parsed(TypeAdapter(Moment), text)
    return found


def _fault(text: str) -> tuple[str, datetime]:
    name, found, when = text.partition("@")
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} does not say when: write flip@2024-06-01")
    return name, _moment(when)


def _parsed(kind: TypeAdapter[Any], text: str) -> Any:
    try:
        return kind.validate_python(text)
    except ValidationError as error:
        raise argparse.ArgumentTypeError(error.errors()[0]["msg"].removeprefix("Value error, ")) from None


def _spelled(moment: float) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M}"


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
