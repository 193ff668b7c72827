from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tritonclient.utils import deserialize_bytes_tensor, serialize_byte_tensor

from tests.worlds.gateway.tensors import SHAPES, tensors
from windvane.cluster.errors import Invalid
from windvane.serve_apps.protocol.tensors import BYTES, DTYPES, Tensor, elements, from_bytes, text_of, to_bytes


@given(tensors())
@settings(max_examples=150, deadline=None)
def test_the_binary_form_brings_back_the_same_bits(tensor: Tensor) -> None:
    raw = to_bytes(tensor)
    back = from_bytes(tensor.name, tensor.datatype, tensor.shape, raw)
    assert (back.name, back.datatype, back.shape) == (tensor.name, tensor.datatype, tensor.shape)
    assert to_bytes(back) == raw
    if isinstance(tensor.values, np.ndarray):
        np.testing.assert_array_equal(back.values, tensor.values)
    else:
        assert back.values == tensor.values


@given(st.lists(st.text(max_size=8), max_size=5))
@settings(max_examples=50, deadline=None)
def test_texts_stand_as_tritons_client_writes_and_reads_them(texts: list[str]) -> None:
    ours = to_bytes(Tensor("x", BYTES, (len(texts),), texts))
    theirs = serialize_byte_tensor(np.array(texts, object)).item() if texts else b""
    assert ours == theirs
    assert [text.decode() for text in deserialize_bytes_tensor(ours)] == texts


@pytest.mark.parametrize(
    "texts", [["a" * 127] * 2, ["a" * 128] * 2, ["ab", "abc"], ["é", "ab"], ["é", "ü"], ["", ""], [], ["a", ""]]
)
def test_texts_of_one_length_and_of_several_stand_alike(texts: list[str]) -> None:
    framed = b"".join(len(text.encode()).to_bytes(4, "little") + text.encode() for text in texts)
    assert to_bytes(Tensor("x", BYTES, (len(texts),), texts)) == framed


@given(tensors().filter(lambda tensor: tensor.datatype != BYTES or tensor.values), st.integers(1, 3))
@settings(max_examples=50, deadline=None)
def test_a_byte_more_or_less_is_refused(tensor: Tensor, more: int) -> None:
    raw = to_bytes(tensor)
    for wrong in (raw + b"\0" * more, raw[:-1] if raw else b"\0"):
        with pytest.raises(Invalid):
            from_bytes(tensor.name, tensor.datatype, tensor.shape, wrong)


@given(st.binary(max_size=40), st.sampled_from([*DTYPES, BYTES]), SHAPES)
@settings(max_examples=150, deadline=None)
def test_any_bytes_are_read_or_refused(raw: bytes, datatype: str, shape: tuple[int, ...]) -> None:
    with suppress(Invalid):
        tensor = from_bytes("x", datatype, shape, raw)
        assert len(tensor.values) == elements("x", datatype, shape)
        assert to_bytes(tensor) == raw


@pytest.mark.parametrize(
    ("datatype", "shape", "raw", "sentence"),
    [
        ("FP33", (1,), b"", "datatype 'FP33'; there are BOOL, UINT8"),
        ("FP32", (), b"", "shape []; send [rows] or [rows, columns]"),
        ("FP32", (-1,), b"", "shape [-1]"),
        ("FP32", (2**40,), b"", "shape [1099511627776]"),
        ("FP32", (2**30, 2**30, 2**30), b"", "has 0 bytes; FP32 of shape [1073741824, 1073741824, 1073741824] has"),
        ("FP32", (2,), b"\0" * 7, "has 7 bytes; FP32 of shape [2] has 8"),
        ("BOOL", (2,), b"\0\2", "no BOOL: send 0 or 1"),
        (BYTES, (2,), b"\0\0\0\0", "too few for 2 texts"),
        (BYTES, (2**31 - 1,), b"", "too few"),
        (BYTES, (1,), b"\5\0\0\0abc", "ends within a text"),
        (BYTES, (2,), b"\4\0\0\0abcd\1\0\0", "ends within a text"),
        (BYTES, (1,), b"\1\0\0\0ab", "1 bytes more than its 1 texts"),
        (BYTES, (1,), b"\1\0\0\0\xff", "not UTF-8"),
    ],
)
def test_what_is_wrong_is_said(datatype: str, shape: tuple[int, ...], raw: bytes, sentence: str) -> None:
    with pytest.raises(Invalid) as refused:
        from_bytes("x", datatype, shape, raw)
    assert sentence in str(refused.value)


def test_every_numeric_datatype_of_the_protocol_has_its_little_endian_dtype() -> None:
    sizes: dict[str, Any] = {datatype: dtype.itemsize for datatype, dtype in DTYPES.items()}
    assert sizes == {
        "BOOL": 1,
        **{f"{sign}INT{bits}": bits // 8 for sign in ("U", "") for bits in (8, 16, 32, 64)},
        **{f"FP{bits}": bits // 8 for bits in (16, 32, 64)},
    }
    assert from_bytes("x", "UINT16", (1,), b"\1\2").values[0] == 0x0201


def test_one_text_is_read_by_itself() -> None:
    assert text_of("x", "é".encode()) == "é"
    with pytest.raises(Invalid):
        text_of("x", b"\xc3")
