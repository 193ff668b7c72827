from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from windvane.configs.load import load_model, load_settings
from windvane.examples import flights as example


@pytest.fixture(scope="module")
def flights() -> pa.Table:
    return example.load()


def test_every_flight_that_arrived_is_there_in_time_order(flights: pa.Table) -> None:
    assert flights.num_rows == 327_346
    departs_at = flights.column("departs_at")
    assert departs_at[0].as_py() == datetime(2013, 1, 1, 10, 15, tzinfo=UTC)
    assert (np.diff(departs_at.cast(pa.int64()).to_numpy()) >= 0).all()
    assert 0.236 < pc.mean(flights.column("delayed")).as_py() < 0.238


def test_the_label_agrees_with_the_landing_of_a_known_flight(flights: pa.Table) -> None:
    # UA1545 left Newark 2 minutes late at 5:17 EST, was at the gate in Houston at 8:30 CST, 11 minutes late.
    first = flights.slice(0, 1).to_pylist()[0]
    assert (first["carrier"], first["origin"], first["dest"], first["tailnum"]) == ("UA", "EWR", "IAH", "N14228")
    assert first["landed_at"] == datetime(2013, 1, 1, 14, 30, tzinfo=UTC)
    assert first["delayed"] is False


def test_no_flight_lands_before_it_was_due_to_leave(flights: pa.Table) -> None:
    assert pc.all(pc.greater(flights.column("landed_at"), flights.column("departs_at"))).as_py()


def test_the_declaration_names_exactly_what_is_known_before_departure(flights: pa.Table) -> None:
    spec = load_model("flight-delay", load_settings({}))
    assert {feature.name for feature in spec.features} == set(flights.column_names) - {
        *("delayed", "departs_at", "landed_at", "tailnum")
    }
    for feature in spec.features:
        column = flights.column(feature.name)
        assert feature.missing or column.null_count == 0
        if feature.type == "category":
            assert set(column.drop_null().unique().to_pylist()) == set(feature.categories)
        else:
            extremes = pc.min_max(column).as_py()
            assert feature.min is not None
            assert feature.max is not None
            assert feature.min <= extremes["min"] <= extremes["max"] <= feature.max


def test_the_unit_bug_stays_within_the_declared_range_and_touches_nothing_else(
    flights: pa.Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(example, "load", lambda: flights)  # reading them again takes a second
    defective = example.load_with_unit_bug()
    assert defective.column("departure_minute")[0].as_py() == 5
    assert flights.column("departure_minute")[0].as_py() == 315
    assert pc.min_max(defective.column("departure_minute")).as_py() == {"min": 5, "max": 23}
    assert defective.drop_columns(["departure_minute"]).equals(flights.drop_columns(["departure_minute"]))
