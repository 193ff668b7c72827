import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.worlds.bundles import SPEC
from windvane.cluster.encoding import Encoder
from windvane.cluster.errors import Invalid, TooLarge
from windvane.configs.schema import Feature
from windvane.serve_apps.protocol.columns import Columns
from windvane.serve_apps.protocol.features import LARGEST_NUMBER, ValueFault, read
from windvane.serve_apps.protocol.tensors import BYTES, DTYPES, Tensor

ENCODER = Encoder(SPEC.features)
COLUMNS = Columns(SPEC.features, most_rows=8)
PLAIN = (
    Feature(name="low", type="number", min=-0.1, max=0.1),
    Feature(name="high", type="number", missing=True),
)
NAN = math.nan


def one(*rows: tuple[float, ...], datatype: str = "FP64", name: str = "all") -> Tensor:
    values = np.array(rows, DTYPES[datatype])
    return Tensor(name, datatype, values.shape, values.reshape(-1))


def named(name: str, datatype: str, *values: Any, shape: tuple[int, ...] | None = None) -> Tensor:
    held = list(values) if datatype == BYTES else np.array(values, DTYPES[datatype])
    return Tensor(name, datatype, shape or (len(values),), held)


def plain(columns: Columns, inputs: Any) -> tuple[Any, Any]:
    """Rows and what the Encoder makes of them."""
    found = columns.read(inputs)
    return found.rows, found.encoded


FULL = {
    "temp": named("temp", "FP32", 3.5, NAN),
    "distance": named("distance", "INT32", 1200, 7),
    "stops": named("stops", "UINT8", 1, 2),
    "night": named("night", "BOOL", True, False),
    "origin": named("origin", BYTES, "JFK", "SFO"),
}


def refusal(columns: Columns, *tensors: Tensor) -> str:
    with pytest.raises(Invalid) as refused:
        columns.read(tensors)
    return str(refused.value)


def test_one_tensor_holds_all_features_in_their_order() -> None:
    rows, block = plain(COLUMNS, [one((3.5, 1200, 1, 1, 1), (NAN, 7, 2, 0, -1), (-60, 0, 0, 0, NAN))])
    assert rows == [(3.5, 1200.0, 1, True, "JFK"), (None, 7.0, 2, False, "(other)"), (-60.0, 0.0, 0, False, None)]
    assert [type(value) for value in rows[0]] == [float, float, int, bool, str]
    np.testing.assert_array_equal(block, ENCODER.rows(rows))


def test_one_tensor_may_have_any_name() -> None:
    assert COLUMNS.read([one((3.5, 1200, 1, 1, 1), name="temp")]).rows == [(3.5, 1200.0, 1, True, "JFK")]
    alone = Columns(PLAIN[1:], 8)
    for name in ("high", "all"):
        assert alone.read([one((1.5,), (NAN,), name=name)]).rows == [(1.5,), (None,)]


def test_named_tensors_give_the_same_rows() -> None:
    rows, block = plain(COLUMNS, list(FULL.values()))
    assert rows == [(3.5, 1200.0, 1, True, "JFK"), (None, 7.0, 2, False, "SFO")]
    np.testing.assert_array_equal(block, ENCODER.rows(rows))
    upright = [Tensor(each.name, each.datatype, (2, 1), each.values) for each in reversed(FULL.values())]
    assert COLUMNS.read(upright).rows == rows


def test_a_feature_that_may_be_missing_may_be_left_out() -> None:
    rows, block = plain(COLUMNS, [FULL["distance"], FULL["stops"], FULL["night"]])
    assert rows == [(None, 1200.0, 1, True, None), (None, 7.0, 2, False, None)]
    np.testing.assert_array_equal(block, ENCODER.rows(rows))


def test_floats_carry_integers_and_booleans_that_may_be_missing() -> None:
    features = (Feature(name="n", type="integer", missing=True), Feature(name="b", type="boolean", missing=True))
    columns = Columns(features, 8)
    rows, block = plain(columns, [named("n", "FP64", 3, NAN), named("b", "FP32", NAN, 1)])
    assert rows == [(3, None), (None, True)]
    np.testing.assert_array_equal(block, Encoder(features).rows(rows))


def test_null_among_texts_is_a_missing_category() -> None:
    texts = FULL | {"origin": named("origin", BYTES, None, "LGA")}
    assert [row[4] for row in COLUMNS.read(list(texts.values())).rows] == [None, "LGA"]


def test_a_place_of_no_declared_category_never_reads_as_one() -> None:
    feature = Feature(name="c", type="category", categories=("(other)", "x"))
    rows, block = plain(Columns((feature,), 8), [one((-1,), (0,), (1,))])
    assert rows == [("((other))",), ("(other)",), ("x",)]
    np.testing.assert_array_equal(block, Encoder((feature,)).rows(rows))


def test_a_limit_holds_as_the_senders_floats_can_say_it() -> None:
    """0.1 in FP32 is a little more than 0.1: what `decide` takes, this endpoint takes too."""
    columns = Columns(PLAIN, 8)
    for datatype in ("FP16", "FP32", "FP64"):
        rows, _ = plain(columns, [one((0.1, 1.0), (-0.1, 2.0), (0.05, NAN), datatype=datatype)])
        assert [row[0] for row in rows[:2]] == [0.1, -0.1] or datatype == "FP16"
        assert all(-0.1 <= row[0] <= 0.1 for row in rows)
    assert "of row 1 must be at most 0.1" in refusal(columns, one((0.1, 1), (0.1000001, 1), datatype="FP32"))
    assert "of row 0 must be at least -0.1" in refusal(columns, one((-0.1001, 1), datatype="FP64"))


@pytest.mark.parametrize("value", [math.inf, -math.inf, 2 * LARGEST_NUMBER])
def test_nothing_is_infinite(value: float) -> None:
    assert "must lie within" in refusal(Columns(PLAIN, 8), one((0, value)))
    if math.isinf(value):
        for datatype in ("FP16", "FP32"):
            assert "must lie within" in refusal(Columns(PLAIN, 8), one((0, value), datatype=datatype))


NUMBERS = st.one_of(
    st.sampled_from([0.0, 1.0, 0.0, 1.0, math.nan, -1.0, 2.0]),
    st.sampled_from([0.5, 3.0, 20.0, 21.0, -60.0, 60.0]),
    st.floats(width=32, allow_nan=True, allow_infinity=True),
)


def meant(feature: Feature, value: float) -> Any:
    """The raw value that a float stands for, or one that is refused when it stands for none."""
    if math.isnan(value):
        return None
    match feature.type:
        case "integer":
            return int(value) if value.is_integer() else value
        case "boolean":
            return {0.0: False, 1.0: True}.get(value, value)
        case "category":
            return {-1.0: "(other)", 0.0: "EWR", 1.0: "JFK", 2.0: "LGA"}.get(value, [])
    return value


@given(st.lists(st.tuples(*[NUMBERS] * 5), min_size=1, max_size=3), st.sampled_from(["FP32", "FP64"]))
@settings(max_examples=200, deadline=None)
def test_one_tensor_is_taken_when_decide_would_take_what_it_means(rows: list[tuple[float, ...]], kind: str) -> None:
    expected = [tuple(meant(*pair) for pair in zip(SPEC.features, row, strict=True)) for row in rows]
    read_ = [read(*pair) for row in expected for pair in zip(SPEC.features, row, strict=True)]
    wrong = [isinstance(each, ValueFault) for each in read_]
    if any(wrong):
        assert "Feature '" in refusal(COLUMNS, one(*rows, datatype=kind))
    else:
        found, block = plain(COLUMNS, [one(*rows, datatype=kind)])
        assert found == expected
        np.testing.assert_array_equal(block, ENCODER.rows(found))


@given(st.integers(-(2**63), 2**64 - 1))
@settings(max_examples=60, deadline=None)
def test_integers_that_a_float_would_round_are_refused(value: int) -> None:
    columns = Columns((Feature(name="n", type="integer"),), 8)
    kind = "INT64" if value < 2**63 else "UINT64"
    for tensor in (one((value,), datatype=kind), named("n", kind, value)):
        if abs(value) <= 2**53:
            assert columns.read([tensor]).rows == [(value,)]
        else:
            assert "beyond ±2^53" in refusal(columns, tensor)


@pytest.mark.parametrize(
    ("place", "value", "sentence"),
    [
        (0, -61, "Feature 'temp' of row 1 must be at least -60 C"),
        (1, NAN, "Feature 'distance' of row 1 must not be null; it is a required number"),
        (2, 1.5, "Feature 'stops' of row 1 must be a whole number"),
        (2, 21, "Feature 'stops' of row 1 must be at most 20"),
        (2, NAN, "Feature 'stops' of row 1 must not be null"),
        (3, 2, "Feature 'night' of row 1 must be 0 or 1"),
        (3, 0.5, "must be 0 or 1"),
        (4, 3, "place among the declared values, 0 to 2, or -1 for any other"),
        (4, -2, "place among"),
        (4, 0.5, "place among"),
    ],
)
def test_a_wrong_value_is_named_with_its_row(place: int, value: float, sentence: str) -> None:
    good = [3.5, 1200, 1, 1, 1]
    bad = list(good)
    bad[place] = value
    assert sentence in refusal(COLUMNS, one(tuple(good), tuple(bad)))


@pytest.mark.parametrize(
    ("tensors", "sentence"),
    [
        ((), "There is no input; send one [rows, 5]"),
        ((one((1, 2)),), "'all' has shape [1, 2]; one input for all features has shape [rows, 5]"),
        ((named("all", "FP64", 1, 2, 3, 4, 5),), "'all' has shape [5]"),
        ((Tensor("all", "FP64", (0, 5), np.zeros(0)),), "There is no row"),
        ((Tensor("all", BYTES, (1, 5), ["a"] * 5),), "'all' is BYTES; all features together are numbers: send FP64"),
        ((Tensor("all", "BOOL", (1, 5), np.ones(5, bool)),), "'all' is BOOL"),
        ((FULL["temp"],), "'distance' is missing; it is a required number"),
        ((FULL["temp"], FULL["temp"]), "'temp' stands twice"),
        ((FULL["temp"], named("tmep", "FP32", 1, 2)), "'tmep' is no feature of this model; did you mean temp?"),
        ((FULL["temp"], named("distance", "FP32", 1)), "'distance' has shape [1]; send [2] or [2, 1]"),
        ((FULL["temp"], Tensor("distance", "FP32", (1, 2), np.ones(2))), "shape [1, 2]; send [2] or [2, 1]"),
        ((FULL["temp"], named("distance", BYTES, "1", "2")), "'distance' is BYTES; send FP*, INT*, UINT* or BOOL"),
        ((FULL["temp"], named("night", BYTES, "1", "0")), "'night' is BYTES; send BOOL, or 0 and 1 as INT*"),
        ((FULL["temp"], named("origin", "FP64", 1, 0)), "'origin' is FP64; send BYTES, or whole numbers as INT*"),
        ((FULL["temp"], named("origin", "BOOL", 1, 0)), "'origin' is BOOL; send BYTES"),
        ((FULL["temp"], named("stops", BYTES, "1", "2")), "'stops' is BYTES; send INT*, UINT*, BOOL, or whole FP*"),
        ((FULL["temp"], named("origin", BYTES, "x" * 257, "")), "'origin' of row 0 must have 0 to 256 characters"),
    ],
)
def test_inputs_that_do_not_fit_the_model_are_refused(tensors: tuple[Tensor, ...], sentence: str) -> None:
    assert sentence in refusal(COLUMNS, *tensors)


def test_null_is_no_text_of_a_required_category() -> None:
    columns = Columns((Feature(name="c", type="category", categories=("a",)),), 8)
    assert "'c' of row 1 must not be null" in refusal(columns, named("c", BYTES, "a", None))


def test_more_rows_than_the_limit_are_too_many() -> None:
    for tensors in ([one(*[(3.5, 1200, 1, 1, 1)] * 9)], [named("temp", "FP32", *[1] * 9)]):
        with pytest.raises(TooLarge, match="9 rows; send at most 8"):
            COLUMNS.read(tensors)


def test_a_datatype_whose_values_the_feature_has_too_is_cast() -> None:
    """pandas and its like have one datatype for all of a frame."""
    sent = FULL | {
        "distance": named("distance", "BOOL", True, False),
        "stops": named("stops", "FP64", 44.0 - 40.0, 2.0),
        "night": named("night", "INT64", 1, 0),
        "origin": named("origin", "INT64", 7, 8),
    }
    rows, block = plain(COLUMNS, list(sent.values()))
    assert rows == [(3.5, 1.0, 4, True, "7"), (None, 0.0, 2, False, "8")]
    assert [type(value) for value in rows[0]] == [float, float, int, bool, str]
    np.testing.assert_array_equal(block, ENCODER.rows(rows))
    bad = FULL | {"night": named("night", "INT64", 1, 2)}
    assert "Feature 'night' of row 1 must be 0 or 1" in refusal(COLUMNS, *bad.values())


USUAL = Columns(
    (
        Feature(name="low", type="number", unit="C", usual=(-0.1, 0.1), max=5.0),
        Feature(name="n", type="integer", usual=(0, 9), missing=True),
        Feature(name="c", type="category", categories=("a", "b"), missing=True),
    ),
    8,
)


def test_what_is_not_usual_is_pointed_at_in_its_input() -> None:
    together = USUAL.read([one((0.0, 1, 0), (2.0, NAN, -1), (0.1, 11, 1))])
    assert together.rows == [(0.0, 1, "a"), (2.0, None, "(other)"), (0.1, 11, "b")]
    told = [(row, each.pointer, each.detail) for row, found in together.warnings.items() for each in found]
    assert told == [
        (1, "/inputs/0/data/3", "low of row 1 is above 0.1 C, the most that is usual"),
        (1, "/inputs/0/data/5", "c of row 1 is none of the declared categories; counts as unknown"),
        (2, "/inputs/0/data/7", "n of row 2 is above 9, the most that is usual"),
    ]
    inputs = [named("subject", BYTES, "x", "y"), named("c", BYTES, "Atlantis", None), named("low", "FP32", -0.1, -3)]
    apart = USUAL.read(inputs, besides="subject")
    assert {
        row: [(each.pointer, each.field, each.reason) for each in found] for row, found in apart.warnings.items()
    } == {
        0: [("/inputs/1/data/0", "c", "unknown_category")],
        1: [("/inputs/2/data/1", "low", "unusual")],
    }
    assert USUAL.read([one((0.1, 9, 1), (-0.1, NAN, NAN), datatype="FP32")]).warnings == {}
    assert "'low' of row 0 must be at most 5 C" in refusal(USUAL, one((6.0, 1, 0)))
