"""A drift report compares the newest decisions with the version's own sample, or with its first decisions."""

import asyncio
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.worlds.observations import SPEC
from windvane.cluster.decision_log.read.query import Query
from windvane.cluster.decision_log.record import Decision
from windvane.cluster.decision_log.write.segment import header_for
from windvane.cluster.decision_log.write.writer import Writer
from windvane.cluster.errors import NotFound
from windvane.monitoring.comparison import REFERENCE, Comparison, comparable, compare


def logged(root: Path, n: int) -> Query:
    """Decision i came at time i with temp i; version 1 answered the first half, version 2 the rest."""

    async def write() -> None:
        writer = Writer(root, header_for("delay", "r1", SPEC.features, "buffered"), asyncio.get_running_loop())
        for i in range(n):
            version = 1 if i < n // 2 else 2
            writer.append(
                Decision(f"d{i}", 1.0, float(i), version, "champion", 1, "N", 1, (float(i), "EWR"), 0.5, "hold")
            )
        writer.close()

    if n:
        asyncio.run(write())
    return Query(root, SPEC.features)


def test_the_bundles_own_sample_is_the_reference(tmp_path: Path) -> None:
    """Of sorted columns fewer rows are taken evenly: the first ones would be the smallest values."""
    sample = pa.table({"temp": [1.0, 2.0, 3.0], "origin": ["EWR", "JFK", None], "label": [True, False, True]})
    pq.write_table(sample, tmp_path / REFERENCE)
    compared = compare(SPEC, 1, tmp_path, logged(tmp_path / "log", 10), rows=2)
    assert compared.reference.to_pydict() == {"temp": [1.0, 3.0], "origin": ["EWR", None]}
    assert sorted(compared.current["temp"].to_pylist()) == [8.0, 9.0]
    assert compared.wording == "a sample of the rows version 1 was trained on"


def test_without_a_sample_the_versions_first_decisions_are(tmp_path: Path) -> None:
    compared = compare(SPEC, 2, tmp_path, logged(tmp_path / "log", 10), rows=3)
    assert compared.reference["temp"].to_pylist() == [5.0, 6.0, 7.0]
    assert compared.wording == "the first 3 decisions of version 2"


def test_nothing_to_compare_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no decision yet"):
        compare(SPEC, 1, tmp_path, logged(tmp_path / "none", 0), rows=3)
    with pytest.raises(NotFound, match="Version 7 of delay has neither"):
        compare(SPEC, 7, tmp_path, logged(tmp_path / "log", 4), rows=3)


def test_what_neither_side_keeps_readable_is_told_and_not_divided_by() -> None:
    void = pa.table({"temp": pa.nulls(2, pa.float64()), "origin": pa.nulls(2, pa.string())})
    full = pa.table({"temp": [1.0, 2.0], "origin": ["EWR", None]})
    assert comparable(SPEC, Comparison(full, full, "")) == ["temp", "origin"]
    with pytest.raises(NotFound, match="No feature of delay has a value both in the reference and in the newest"):
        comparable(SPEC, Comparison(void, full, ""))
    personal = tuple(feature.model_copy(update={"personal": True}) for feature in SPEC.features)
    with pytest.raises(NotFound, match="Every feature of delay is personal: neither the reference nor the log keeps"):
        comparable(SPEC.model_copy(update={"features": personal}), Comparison(void, void, ""))
