import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput

from tests.worlds.gateway.tensors import numbers, tensors
from windvane.cluster.errors import Invalid, Malformed
from windvane.serve_apps.protocol.infer_body import InferBody, read_infer
from windvane.serve_apps.protocol.strict_json import DEEPEST
from windvane.serve_apps.protocol.tensors import BYTES, Tensor, to_bytes

FLAT = {"name": "x", "datatype": "FP32", "shape": [2, 2], "data": [1, 2.5, 3, 4]}


def read(request: Any) -> InferBody:
    return read_infer(json.dumps(request).encode(), None, "trips")


def only(**more: Any) -> Tensor:
    (tensor,) = read({"inputs": [FLAT | more]}).request.inputs
    return tensor


def refusal(body: bytes, json_bytes: int | None = None) -> str:
    with pytest.raises(Invalid) as refused:
        read_infer(body, json_bytes, "trips")
    return str(refused.value)


@pytest.mark.parametrize("data", [[1, 2.5, 3, 4], [[1, 2.5], [3, 4]]])
def test_values_come_flat_or_nested(data: list[Any]) -> None:
    tensor = only(data=data)
    assert (tensor.datatype, tensor.shape) == ("FP32", (2, 2))
    assert (numbers(tensor).dtype, numbers(tensor).tolist()) == (np.dtype(np.float32), [1.0, 2.5, 3.0, 4.0])


def test_the_rest_of_a_request_is_kept() -> None:
    found = read(
        {
            "id": "42",
            "model_name": "trips",
            "parameters": {"subject": "N1", "binary_data_output": True},
            "inputs": [FLAT],
            "outputs": [{"name": "action"}, {"name": "prediction", "parameters": {"binary_data": False}}],
        }
    )
    assert (found.request.id, found.request.outputs) == ("42", ("action", "prediction"))
    assert found.request.parameters == {"subject": "N1", "binary_data_output": True}
    assert [found.is_binary(name) for name in found.request.outputs] == [True, False]


def test_outputs_nobody_named_go_back_as_the_request_says() -> None:
    assert read({"inputs": [FLAT], "parameters": {"binary_data_output": True}}).is_binary("prediction")
    assert not read({"inputs": [FLAT]}).is_binary("prediction")
    assert read({"inputs": [FLAT], "outputs": []}).request.outputs == ()


def test_null_is_missing_where_the_datatype_knows_it() -> None:
    assert np.isnan(numbers(only(shape=[2], data=[1, None]))[1])
    assert only(datatype=BYTES, shape=[2], data=["a", None]).values == ["a", None]
    for datatype, data in (("INT8", [1, None]), ("BOOL", [True, None])):
        with pytest.raises(Invalid, match=f"'x' holds null, which is no {datatype}"):
            only(datatype=datatype, shape=[2], data=data)


@pytest.mark.parametrize(
    ("datatype", "data", "taken"),
    [
        ("INT64", [44.0, True], [44, 1]),
        ("INT64", [[44.0], [2]], [44, 2]),
        ("FP64", [1, True], [1.0, 1.0]),
        ("BOOL", [1, 0.0], [True, False]),
        (BYTES, [7, "a"], ["7", "a"]),
    ],
)
def test_values_written_otherwise_are_cast_where_that_loses_nothing(datatype: str, data: Any, taken: Any) -> None:
    found = only(datatype=datatype, shape=[2, 1] if isinstance(data[0], list) else [2], data=data).values
    values = found.tolist() if isinstance(found, np.ndarray) else found
    assert [(value, type(value)) for value in values] == [(value, type(value)) for value in taken]


def test_null_is_as_if_an_optional_member_were_left_out() -> None:
    optional = dict.fromkeys(("id", "outputs", "parameters", "model_name"))
    found = read({"inputs": [FLAT | {"parameters": None}]} | optional)
    assert (found.request.id, found.request.outputs, found.request.parameters) == (None, (), {})
    assert not found.binary_by_default
    wanted = {
        "outputs": [{"name": "action", "parameters": None}, {"name": "version", "parameters": {"binary_data": None}}]
    }
    assert read({"inputs": [FLAT]} | wanted).binary == frozenset()
    assert read({"inputs": [FLAT], "id": 7}).request.id == "7"


def test_nan_is_missing_in_data() -> None:
    body = json.dumps({"inputs": [FLAT | {"shape": [2], "data": [1.5, math.nan]}]}).encode()
    assert np.isnan(numbers(read_infer(body, None, "trips").request.inputs[0])[1])


def has_json(tensor: Tensor) -> bool:
    """JSON has neither NaN nor infinity."""
    return tensor.datatype == BYTES or bool(np.isfinite(numbers(tensor)).all())


@given(tensors().filter(has_json))
@settings(max_examples=150, deadline=None)
def test_json_brings_back_the_same_values(tensor: Tensor) -> None:
    """Nested and flat, of every datatype: what a float is in JSON, it is in float64 and so in any shorter float."""
    values = tensor.values
    if isinstance(values, np.ndarray):
        nested, flat = values.reshape(tensor.shape).tolist(), values.tolist()
    else:
        nested, flat = np.array(values, object).reshape(tensor.shape).tolist(), list(values)
    for data in (nested, flat):
        found = only(datatype=tensor.datatype, shape=list(tensor.shape), data=data)
        assert (found.datatype, found.shape) == (tensor.datatype, tensor.shape)
        assert to_bytes(found) == to_bytes(tensor)


@given(st.lists(tensors(), min_size=1, max_size=3), st.booleans())
@settings(max_examples=60, deadline=None)
def test_bytes_behind_the_json_are_dealt_out_in_the_order_of_the_inputs(sent: list[Tensor], beside: bool) -> None:
    raws = [to_bytes(tensor) for tensor in sent]
    inputs: list[Any] = [
        {
            "name": f"x{place}",
            "datatype": tensor.datatype,
            "shape": tensor.shape,
            "parameters": {"binary_data_size": len(raws[place])},
        }
        for place, tensor in enumerate(sent)
    ]
    if beside:
        inputs.insert(1, FLAT)
    head = json.dumps({"inputs": inputs}).encode()
    found = read_infer(head + b"".join(raws), len(head), "trips").request.inputs
    assert [to_bytes(tensor) for tensor in found if tensor.name != "x"] == raws


def test_tritons_client_is_understood() -> None:
    scalars, texts = InferInput("n", [2, 1], "FP64"), InferInput("t", [2], BYTES)
    outputs = [InferRequestedOutput("action", binary_data=True), InferRequestedOutput("prediction", binary_data=False)]
    for binary in (True, False):
        scalars.set_data_from_numpy(np.array([[1.5], [2.5]]), binary_data=binary)
        texts.set_data_from_numpy(np.array(["é", "b:"], object), binary_data=binary)
        for wanted in (outputs, None):
            body, json_bytes = InferenceServerClient.generate_request_body([scalars, texts], wanted, request_id="7")
            found = read_infer(bytes(body), json_bytes, "trips")
            first, second = found.request.inputs
            assert (numbers(first).tolist(), second.values, found.request.id) == ([1.5, 2.5], ["é", "b:"], "7")
            assert (found.is_binary("action"), found.is_binary("prediction")) == (True, wanted is None)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"data": [1, 2, 3]}, "has 3 values; shape [2, 2] has 4"),
        ({"data": [[1, 2], [3]]}, "nested otherwise than its shape [2, 2]"),
        ({"data": [[1, 2, 3, 4]]}, "nested otherwise"),
        ({"data": [[[1, 2]], [[3, 4]]]}, "data of input 'x' cannot be read: Expected"),
        ({"data": [1, 2, 3, "4"]}, "'x' holds text, which is no FP32"),
        ({"data": "text"}, "Expected `array`, got `str`"),
        ({"data": None}, "has neither data nor the parameter"),
        ({"data": [1, 2, 3, 1e39]}, "'x' holds a number beyond FP32"),
        ({"datatype": "FP16", "data": [1, 2, 3, 70000]}, "beyond FP16"),
        ({"datatype": "INT8", "data": [1, 2, 3, 128]}, "an integer that is no INT8"),
        ({"datatype": "UINT64", "data": [1, 2, 3, -1]}, "an integer that is no UINT64"),
        ({"datatype": "INT64", "data": [1, 2, 3, 10**30]}, "an integer that is no INT64"),
        ({"datatype": "INT8", "data": [1, 2, 3, 4.5]}, "'x' holds a fraction, which is no INT8"),
        ({"datatype": "BOOL", "data": [1, 0, 0, 2]}, "'x' holds a number, which is no BOOL"),
        ({"datatype": "BYTES", "data": [1, 2, 3, 4.5]}, "'x' holds a fraction, which is no BYTES"),
        ({"datatype": "FP31"}, "datatype 'FP31'"),
        ({"shape": []}, "shape []"),
        ({"shape": [-2, -2]}, "shape [-2, -2]"),
        ({"shape": [2.0, 2]}, "Expected `int`, got `float`"),
        ({"shape": [1] * 9}, "length <= 8"),
        ({"name": 7}, "Expected `str`, got `int`"),
        ({"daat": []}, "unknown field `daat`"),
        ({"parameters": {"binary_data_size": 4}}, "has data and the parameter 'binary_data_size'"),
        ({"parameters": {"shared_memory_region": "r"}}, "'shared_memory_region' belongs to an extension"),
        ({"parameters": 3}, "got `int`"),
    ],
)
def test_an_input_that_is_not_what_it_declares_is_refused(change: dict[str, Any], sentence: str) -> None:
    assert sentence in refusal(json.dumps({"inputs": [FLAT | change]}).encode())


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "The body is empty"),
        (b"[]", "Expected `object`, got `array`"),
        (b"{", "not JSON"),
        (b'{"inputs": [], "ouputs": []}', "unknown field `ouputs`"),
        (b"{}", "missing required field `inputs`"),
        (b'{"inputs": {}}', "Expected `array`, got `object`"),
        (b'{"inputs": [], "id": 7.5}', "Expected `int | str | null`, got `float`"),
        (b'{"inputs": [], "model_name": "other"}', "model_name is 'other'; the path says 'trips'"),
        (b'{"inputs": [], "outputs": [{"name": "a", "parameters": {"binary_data": 2}}]}', "'binary_data' must be true"),
        (b'{"inputs": [], "outputs": [{"name": "a", "parameters": {"classification": 2}}]}', "'classification'"),
        (b'{"inputs": [], "parameters": {"binary_data_output": "yes"}}', "'binary_data_output' must be true or false"),
        (b'{"inputs": [{"name": "x", "datatype": "FP32", "shape": [1]}]}', "has neither data nor the parameter"),
        (b'{"inputs": [{"name": "x", "datatype": "FP32", "shape": [1], "data": [Infinity]}]}', "Infinity is not JSON"),
        (b'{"inputs": [{"name": "x", "datatype": "FP32", "shape": [2], "data": [NaN, 1e999]}]}', "beyond float64"),
        (b'{"inputs": [{"name": "x", "datatype": "FP64", "shape": [1], "data": [1e999]}]}', "out of range"),
        (b'{"inputs": [{"name": "\\ud800", "datatype": "FP64", "shape": [1], "data": [1]}]}', "cannot be read"),
        (b'{"inputs": [], "inputs": []}', "The key 'inputs' stands twice"),
        (b'{"inputs": [], "parameters": {"a": 1, "a": 2}}', "The key 'a' stands twice"),
        (b'{"inputs": [], "parameters": {"a": 1, "\\u0061": 2}}', "The key 'a' stands twice"),
        (b'{"inputs": [], "parameters": {"a:": [{"b": ":"}], "a:": 2}}', "The key 'a:' stands twice"),
        (b'{"inputs": [], "id": "' + b'\\u003a", "parameters": {"a": 1, "a": 2}}', "The key 'a' stands twice"),
    ],
)
def test_a_body_that_is_no_request_is_refused(body: bytes, sentence: str) -> None:
    assert sentence in refusal(body)


@pytest.mark.parametrize("levels", [DEEPEST, 900, 1500, 5000, 50_000])
@pytest.mark.parametrize(("opens", "closes"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_parameters_that_nest_too_deep_are_refused_however_deep_python_reads(
    levels: int, opens: bytes, closes: bytes
) -> None:
    nested = opens * levels + b"1" + closes * levels
    assert "nests too deep" in refusal(b'{"inputs": [], "parameters": {"a": ' + nested + b"}}")
    assert "nests too deep" in refusal(b'{"inputs": [], "parameters": {"a": ' + nested + b', "b": NaN}}')


@pytest.mark.parametrize("key", ["name", "datatype", "shape", "data"])
def test_a_repeated_key_of_an_input_is_refused(key: str) -> None:
    body = json.dumps({"inputs": [FLAT]}).replace(f'"{key}"', f'"{key}": {json.dumps(FLAT[key])}, "{key}"')
    assert f"The key '{key}' stands twice" in refusal(body.encode())


def test_colons_and_escapes_within_texts_repeat_nothing() -> None:
    texts = ["a:b", 'c":"d', "\\", "é"]
    request = {
        "id": "a:b",
        "inputs": [FLAT | {"name": "x:\\", "datatype": "BYTES", "data": texts}],
        "parameters": {"k:": ":", "n": [{"m": None}]},
        "outputs": [{"name": ":"}],
    }
    for ascii_only in (True, False):
        body = json.dumps(request, ensure_ascii=ascii_only).encode()
        assert read_infer(body, None, "trips").request.inputs[0].values == texts


@pytest.mark.parametrize(
    ("size", "tail", "more_json", "sentence"),
    [
        (4, b"\0\0\0", 0, "not among the 3 bytes"),
        (4, b"\0\0\0\0\0", 0, "1 bytes follow the last input"),
        (3, b"\0\0\0", 0, "has 3 bytes; FP32 of shape [1] has 4"),
        (-1, b"", 0, "not among the 0 bytes"),
        (True, b"\0", 0, "not among the 1 bytes"),
        ("4", b"\0\0\0\0", 0, "not among the 4 bytes"),
        (4, b"\0\0\0\0", 99, "fewer than the"),
        (4, b"\0\0\0\0", -1, "not JSON"),
    ],
)
def test_bytes_that_do_not_add_up_are_refused(size: Any, tail: bytes, more_json: int, sentence: str) -> None:
    parameters = {"binary_data_size": size}
    head = json.dumps({"inputs": [{"name": "x", "datatype": "FP32", "shape": [1], "parameters": parameters}]}).encode()
    assert sentence in refusal(head + tail, len(head) + more_json)


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode), st.none() | st.integers(0, 70))
@settings(max_examples=150, deadline=None)
def test_any_bytes_are_refused_with_a_sentence(body: bytes, json_bytes: int | None) -> None:
    assert refusal(body, json_bytes)


def test_what_cannot_be_read_at_all_is_malformed() -> None:
    for body in (b"{", b'{"inputs": [], "inputs": []}', b"\xff"):
        with pytest.raises(Malformed):
            read_infer(body, None, "trips")


def test_a_byte_order_mark_is_passed_over() -> None:
    body = json.dumps({"inputs": [FLAT]}).encode()
    (tensor,) = read_infer(b"\xef\xbb\xbf" + body, None, "trips").request.inputs
    assert numbers(tensor).tolist() == [1.0, 2.5, 3.0, 4.0]
