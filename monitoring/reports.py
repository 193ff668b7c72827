"""Evidently's drift report as one offline HTML page: `python -m windvane.monitoring.reports --model M`.

Importing Evidently takes seconds and hundreds of megabytes: only who writes a report does, in a process of its own.
"""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from windvane.cluster.decision_log.read.query import Query
from windvane.cluster.errors import NotFound
from windvane.cluster.faults.boundary import sentence
from windvane.cluster.host.private_files import privately
from windvane.cluster.mlflow_registry import MlflowRegistry
from windvane.configs.load import load_model, load_settings
from windvane.configs.schema import ModelSpec
from windvane.monitoring.comparison import Comparison, comparable, compare

if TYPE_CHECKING:
    import pandas as pd


def write_report(spec: ModelSpec, comparison: Comparison, out: Path) -> Path:
    """Write the page and return its path; columns without a single value on either side are left out."""
    kept = comparable(spec, comparison)
    from evidently import DataDefinition, Dataset, Report  # see the module's text
    from evidently.presets import DataDriftPreset, DataSummaryPreset

    reference, current = _frame(spec, comparison.reference), _frame(spec, comparison.current)
    categorical = {feature.name for feature in spec.features if feature.type in ("category", "boolean")}
    definition = DataDefinition(
        numerical_columns=[name for name in kept if name not in categorical],
        categorical_columns=[name for name in kept if name in categorical],
    )
    report = Report(
        [DataDriftPreset(), DataSummaryPreset()], metadata={"model": spec.name, "reference": comparison.wording}
    )
    snapshot = report.run(
        Dataset.from_pandas(current[kept], data_definition=definition),
        Dataset.from_pandas(reference[kept], data_definition=definition),
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    snapshot.save_html(str(out))
    return out


def _frame(spec: ModelSpec, table: pa.Table) -> "pd.DataFrame":
    frame = table.to_pandas()
    for feature in spec.features:
        column = frame[feature.name]
        if feature.type in ("category", "boolean"):
            frame[feature.name] = column.map(str, na_action="ignore").astype(object)
        else:
            frame[feature.name] = column.astype("float64")
    ordered: pd.DataFrame = frame[[feature.name for feature in spec.features]]
    return ordered


def main(arguments: list[str] | None = None) -> int:
    """Report the champion of a model."""
    parser = argparse.ArgumentParser(
        prog="windvane.monitoring.reports", description="Drift report of a model's newest decisions."
    )
    parser.add_argument("--model", required=True)
    parser.add_argument("--out", type=Path, default=Path("drift.html"))
    parser.add_argument("--rows", type=int, default=5000)
    asked = parser.parse_args(arguments)
    try:
        settings = load_settings()
        spec = load_model(asked.model, settings)
        with privately():  # what lies in the home; the report is the user's own
            registry = MlflowRegistry(settings.mlflow_uri, settings.artifacts)
            champion = registry.champion(spec.name)
            if champion is None:
                raise NotFound(f"{spec.name} has no champion yet: `windvane train {spec.name}`")
            bundle = registry.fetch(spec.name, champion, Path(settings.home) / "cache" / "versions")
        log = Query(Path(settings.home) / "log" / spec.name, spec.features)
        comparison = compare(spec, champion, bundle, log, asked.rows)
        path = write_report(spec, comparison, asked.out)
    except Exception as error:  # noqa: BLE001  whatever it is, a person is told in a sentence
        sys.stderr.write(f"Error: {sentence(error)}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("Stopped: no report was written.\n")
        return 130
    sys.stdout.write(f"{path}: the newest {comparison.current.num_rows} decisions against {comparison.wording}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
