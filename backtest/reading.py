"""Reads a model's history from where its declaration says that rows come from."""

from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from windvane.backtest.history import History
from windvane.cluster.errors import Invalid
from windvane.configs.schema import ModelSpec
from windvane.training.rows.coerce import coerce
from windvane.training.rows.examples import encode
from windvane.training.rows.sources import read


def read_history(spec: ModelSpec, source: str | None = None, label_delay: timedelta = timedelta(0)) -> History:
    """The declared rows (or those of another `source`), whose labels were known at `data.known`, or after a delay."""
    if spec.data.time is None:
        raise Invalid(
            f"Model {spec.name} declares no `data.time`: a backtest needs the time of every row to replay them in order"
        )
    where = spec.data if source is None else spec.data.model_copy(update={"source": source, "query": None})
    spec = spec.model_copy(update={"data": where.model_copy(update={"until": None}), "audit": ()})
    table = coerce(read(spec), spec)
    examples = encode(table, spec)
    known = examples.times + label_delay.total_seconds()
    if spec.data.known is not None:
        moments = examples.table.column(spec.data.known).cast(pa.int64())
        told = pc.fill_null(moments, 2**62).to_numpy() / 1e6
        known = np.maximum(np.asarray(told, np.float64), examples.times)
    return History(examples.rows, examples.labels, examples.times, known, None, examples.categories)
