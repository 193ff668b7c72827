"""Tensors of every datatype and shape."""

from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from windvane.serve_apps.protocol.tensors import BYTES, DTYPES, Tensor

SHAPES = st.lists(st.integers(0, 4), min_size=1, max_size=3).map(tuple)


@st.composite
def tensors(draw: st.DrawFn) -> Tensor:
    shape = draw(SHAPES)
    count = int(np.prod(shape))
    datatype = draw(st.sampled_from([*DTYPES, BYTES]))
    if datatype == BYTES:
        return Tensor("x", datatype, shape, draw(st.lists(st.text(max_size=8), min_size=count, max_size=count)))
    dtype = DTYPES[datatype]
    size = count * dtype.itemsize
    raw = draw(st.binary(min_size=size, max_size=size))
    values = np.frombuffer(raw, np.uint8) % 2 if datatype == "BOOL" else np.frombuffer(raw, dtype)
    return Tensor("x", datatype, shape, values.astype(dtype))


def numbers(tensor: Tensor) -> NDArray[Any]:
    """The values of a tensor that holds no texts."""
    assert isinstance(tensor.values, np.ndarray)
    return tensor.values
