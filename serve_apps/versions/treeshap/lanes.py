"""Vectors of float32 numbers in code that numba compiles: LANES of them are one value.

Left to itself LLVM does not see that a kernel's buffers never overlap, and keeps to single numbers. A `Start` is where
an array begins; `at[place]` below stands for the array's number there.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from llvmlite import binding, ir
from numba.core import types
from numba.core.types.misc import CPointer
from numba.extending import intrinsic, models, register_model

Lanes = Any  # LANES float32 numbers
Start = Any  # of an array
LANES = 16 if binding.get_host_cpu_features().get("avx512f", False) else 8
LINE = 16  # float32 numbers in a line of the cache

_VECTOR = ir.VectorType(ir.FloatType(), LANES)
_FAST = ("contract", "reassoc", "nsz", "arcp")  # "fast" would assume that no value is missing


class _Lanes(types.Type):
    def __init__(self) -> None:
        super().__init__("Lanes")


_lanes = _Lanes()


@register_model(_Lanes)
class _LanesModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _VECTOR)


def _instruction(gives: types.Type, write: Callable[..., Any]) -> Any:
    """A function for compiled code whose instructions `write(builder, *given)` emits; an array comes as its start."""

    @wraps(write)  # numba reads the arguments off the signature; the first one is never among them
    def typed(_: Any, *kinds: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
            starts = [_start(context, builder, *each) for each in zip(signature.args, given, strict=True)]
            return write(builder, *starts) or context.get_dummy_value()

        return gives(*(types.intp if isinstance(kind, types.Integer) else kind for kind in kinds)), generate

    return intrinsic(typed)


def _start(context: Any, builder: Any, kind: Any, value: Any) -> Any:
    return context.make_array(kind)(context, builder, value).data if isinstance(kind, types.Array) else value


def _started(_: Any, array: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        return _start(context, builder, *signature.args, *given)

    return CPointer(array.dtype)(array), generate


def _address(builder: Any, start: Any, place: Any) -> Any:
    return builder.bitcast(builder.gep(start, [place]), _VECTOR.as_pointer())


def _fill(builder: Any, number: Any) -> Any:
    nothing = ir.Constant(_VECTOR, ir.Undefined)
    first = builder.insert_element(nothing, number, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(first, nothing, ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES))


def _write_load(builder: Any, start: Any, place: Any) -> Any:
    return builder.load(_address(builder, start, place), align=4)


def _write_store(builder: Any, start: Any, place: Any, lanes: Any) -> None:
    builder.store(lanes, _address(builder, start, place), align=4)


def _write_spread(builder: Any, start: Any, place: Any) -> Any:
    return _fill(builder, builder.load(builder.bitcast(builder.gep(start, [place]), ir.FloatType().as_pointer())))


def _write_integer(builder: Any, start: Any, place: Any) -> Any:
    return builder.sext(builder.load(builder.gep(start, [place])), ir.IntType(64))


def _write_number(builder: Any, start: Any, place: Any) -> Any:
    return builder.load(builder.gep(start, [place]))


def _write_put(builder: Any, start: Any, place: Any, number: Any) -> None:
    builder.store(number, builder.gep(start, [place]))


def _write_below(builder: Any, lanes: Any, limits: Any) -> Any:
    mask = builder.fcmp_ordered("<", lanes, limits)
    return builder.zext(builder.bitcast(mask, ir.IntType(LANES)), ir.IntType(64))


def _write_choose(builder: Any, bits: Any, there: Any, elsewhere: Any) -> Any:
    mask = builder.bitcast(builder.trunc(bits, ir.IntType(LANES)), ir.VectorType(ir.IntType(1), LANES))
    return builder.select(mask, there, elsewhere)


start_of = intrinsic(_started)  # the array has to be used again later, or it may be gone
load = _instruction(_lanes, _write_load)  # at[place:][:LANES]
store = _instruction(types.void, _write_store)  # at[place:][:LANES] = lanes
same = _instruction(_lanes, _fill)  # one number in every lane
spread = _instruction(_lanes, _write_spread)  # at[place] in every lane; of integers their bits
integer = _instruction(types.intp, _write_integer)  # at[place] of integers
number = _instruction(types.float32, _write_number)  # at[place]
put = _instruction(types.void, _write_put)  # at[place] = number
below = _instruction(types.intp, _write_below)  # a bit per lane, set where lanes < limits
choose = _instruction(_lanes, _write_choose)  # the first where the lane's bit is set, else the second
add = _instruction(_lanes, lambda builder, one, other: builder.fadd(one, other, flags=_FAST))
subtract = _instruction(_lanes, lambda builder, one, other: builder.fsub(one, other, flags=_FAST))
multiply = _instruction(_lanes, lambda builder, one, other: builder.fmul(one, other, flags=_FAST))
