"""Labelled rows to compare models on, under a plain declaration."""

from dataclasses import dataclass

import pyarrow as pa

from windvane.configs.schema import ModelSpec
from windvane.training.rows.coerce import coerce
from windvane.training.rows.examples import Examples, encode

LABEL = "y"


@dataclass(frozen=True, slots=True)
class Table:
    """Labelled rows under a plain declaration, as a stranger would have drafted it."""

    name: str
    spec: ModelSpec
    rows: pa.Table

    def examples(self) -> Examples:
        """The rows in the file's order, encoded as training does."""
        return encode(coerce(self.rows, self.spec), self.spec)


def spec_of(features: list[dict[str, object]]) -> ModelSpec:
    """A declaration with these features and defaults everywhere else."""
    return ModelSpec.model_validate(
        {
            "name": "table",
            "owner": "benchmarks",
            "unit": "row",
            "target": {"name": LABEL},
            "features": features,
            "data": {"source": "table.csv"},
            "decision": {"actions": [{"name": "act", "at_least": 0.0}]},
        }
    )
