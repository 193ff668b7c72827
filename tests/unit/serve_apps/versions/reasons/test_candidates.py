from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from windvane.cluster.decision_log.record import Value
from windvane.configs.schema import Feature
from windvane.serve_apps.versions.reasons.candidates import Choices

THRESHOLDS = (2.5, 7.13, 7.14, 30.0)


def found(value: Value, *, spread: float = 10.0, thresholds: tuple[float, ...] = THRESHOLDS, **declared: Any) -> Any:
    feature = Feature.model_validate({"name": "debt", "type": "number", "mutable": True, **declared})
    choices = Choices(feature, 3, feature, np.array(thresholds, np.float32), spread)
    return choices.instead_of(value)


def test_each_number_that_the_trees_tell_apart_is_there_once_the_nearest_first() -> None:
    alternatives = found(10.0)
    assert alternatives.place == 3
    assert alternatives.values == (7.13, 7.1, 2.4, 30.0)
    assert alternatives.costs.tolist() == pytest.approx([0.287, 0.29, 0.76, 2.0])
    assert alternatives.encoded.tolist() == pytest.approx(alternatives.values)


@pytest.mark.parametrize(
    ("value", "declared", "expected"),
    [
        (10.0, {"mutable": "increase"}, (30.0,)),
        (10.0, {"mutable": "decrease"}, (7.13, 7.1, 2.4)),
        (10.0, {"min": 7.0, "max": 29.0}, (7.13, 7.1)),
        (7.2, {"type": "integer"}, (7, 2, 30)),
        (30.0, {"mutable": "decrease"}, (29.9, 7.13, 7.1, 2.4)),
        (None, {"missing": True}, ()),
    ],
)
def test_only_what_is_declared_may_be_changed_to(value: Value, declared: dict[str, Any], expected: Any) -> None:
    assert found(value, **declared).values == expected


def test_a_declared_cost_takes_the_place_of_the_spread() -> None:
    assert found(10.0, mutable="increase", change_cost=0.5).costs.tolist() == [10.0]


def test_a_category_can_become_any_other_that_the_version_knows() -> None:
    served = Feature(name="term", type="category", categories=("short", "long", "new"), mutable=True)
    known = Feature(name="term", type="category", categories=("long", "short"))
    choices = Choices(served, 0, known, np.array([2.5], np.float32), 1.0)
    alternatives = choices.instead_of("long")
    assert (alternatives.values, alternatives.encoded.tolist(), alternatives.costs.tolist()) == (
        ("short",),
        [3.0],
        [1.0],
    )
    assert choices.instead_of("never seen").values == ("short", "long")
    assert choices.instead_of(None).values == ()


@pytest.mark.parametrize(
    ("mutable", "value", "expected"),
    [(True, False, (True,)), (True, True, (False,)), ("increase", True, ()), ("decrease", True, (False,))],
)
def test_a_boolean_can_become_the_other_where_that_way_is_open(mutable: Any, value: bool, expected: Any) -> None:
    assert found(value, type="boolean", mutable=mutable).values == expected


def test_a_threshold_that_float32_cannot_hold_is_told_as_it_was_written() -> None:
    assert found(30.0, thresholds=(33.9,), mutable="increase").values == (33.9,)
    assert found(50.0, thresholds=(33.9,), mutable="decrease").values == (33.8,)
    assert found(50.0, thresholds=(41_250.4,), spread=4e6, type="number", mutable=True).values == (50_000.0,)


@given(
    st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=12, unique=True),
    st.floats(-1e6, 1e6),
    st.floats(1e-3, 1e5),
    st.sampled_from(["number", "integer"]),
)
def test_every_value_lies_in_a_cell_of_its_own_and_none_is_left_out(
    edges: list[float], value: float, spread: float, kind: str
) -> None:
    thresholds = np.unique(np.array(edges, np.float32))
    present = float(round(value)) if kind == "integer" else value
    alternatives = found(present, spread=spread, thresholds=tuple(thresholds.tolist()), type=kind)
    cells = np.searchsorted(thresholds, alternatives.encoded, side="right").tolist()
    own = int(np.searchsorted(thresholds, np.float32(present), side="right"))
    assert own not in cells
    assert len(set(cells)) == len(cells)
    assert (np.diff(alternatives.costs) >= 0.0).all()
    if kind == "number":
        assert sorted([*cells, own]) == list(range(len(thresholds) + 1))
    for cell, new in zip(cells, alternatives.values, strict=True):
        nearest = thresholds[cell - 1] if cell > own else np.nextafter(thresholds[cell], np.float32(-np.inf))
        coarse = (1.0 if kind == "integer" else spread / 100.0 * 1.001) + float(np.spacing(np.abs(nearest)))
        assert abs(new - float(nearest)) <= coarse
