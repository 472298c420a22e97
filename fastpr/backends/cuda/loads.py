"""Reading device memory by address, wide where it can be, and what else Numba has no words for.

Each function has a form for the simulator, in which nothing is typed and an address is one of
host memory. Kernels take addresses and strides in bytes, so that one compiled form serves
arrays of any layout.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from numba import types

from fastpr.backends.cuda.device import IS_SIMULATED

_WIDEST_LOAD = 16  # bytes


def _simulated_loads(dtype: Any, count: int, repeat: int) -> Any:
    import ctypes

    dtype = np.dtype(dtype)

    def load(address: Any) -> Any:
        buffer = (ctypes.c_char * (count * dtype.itemsize)).from_address(int(address))
        values = tuple(np.frombuffer(buffer, dtype))
        return values[0] if count == 1 else values * repeat

    return load


def _device_loads(dtype: Any, count: int, repeat: int) -> Any:
    from llvmlite import ir
    from numba.cuda.extending import intrinsic
    from numba.np.numpy_support import from_dtype

    item = from_dtype(np.dtype(dtype))
    size = np.dtype(dtype).itemsize
    result = item if count == 1 else types.UniTuple(item, count * repeat)

    at_once = min(count, max(1, _WIDEST_LOAD // size))
    # narrow values would be loaded one by one, were they not cut out of words by hand
    num_words = size * at_once // 4 if size < 4 and size * at_once % 4 == 0 else 0
    word = ir.IntType(32)

    def lane_of(builder: Any, loaded: Any, lane: int) -> Any:
        if not num_words:
            return builder.extract_element(loaded, ir.Constant(word, lane))
        part = builder.extract_element(loaded, ir.Constant(word, lane * size // 4))
        shift = ir.Constant(word, 8 * (lane * size % 4))
        return builder.trunc(builder.lshr(part, shift), ir.IntType(8 * size))

    @intrinsic
    def load(typingctx: Any, address: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            value_type = context.get_value_type(item)
            if num_words:
                wide = ir.VectorType(word, num_words)
            else:
                wide = value_type if at_once == 1 else ir.VectorType(value_type, at_once)
            first = builder.inttoptr(args[0], ir.PointerType(wide, addrspace=1))
            values = []
            for start in range(0, count, at_once):
                place = builder.gep(first, [ir.Constant(ir.IntType(64), start // at_once)])
                loaded = builder.load(place, align=size * at_once)
                if at_once == 1:
                    values.append(loaded)
                    continue
                for lane in range(at_once):
                    values.append(lane_of(builder, loaded, lane))
            return values[0] if count == 1 else context.make_tuple(builder, result, values * repeat)

        return result(types.int64), codegen

    return load


def loads(dtype: Any, count: int = 1, repeat: int = 1) -> Any:
    """Return a device function that reads `count` values at an address.

    It returns one value, or a tuple, which has all values so many times. The address has to be
    a multiple of their size together, or of 16 if that is less.
    """
    make = _simulated_loads if IS_SIMULATED else _device_loads
    return make(dtype, count, repeat)


if IS_SIMULATED:

    def fma(a: Any, b: Any, c: Any) -> Any:
        """Return a * b + c, rounded once, in the precision of `a`."""
        if not abs(a) <= 2:
            return a * b + c  # of which nothing is made
        exact = Fraction(float(a)) * Fraction(float(b)) + Fraction(float(c))
        rounded = type(a)(float(exact))
        if a.dtype == np.float64:
            return rounded
        # rounded twice, so perhaps it should have been a neighbour
        near = [rounded, *(np.nextafter(rounded, type(a)(end)) for end in (-np.inf, np.inf))]
        return min(
            near, key=lambda value: (abs(Fraction(float(value)) - exact), value.view(np.uint32) & 1)
        )

    def bits_of_float64(value: Any) -> Any:
        """Return the bits of a float64 as int64."""
        return np.float64(value).view(np.int64)

else:
    from llvmlite import ir
    from numba.cuda.extending import intrinsic

    @intrinsic
    def bits_of_float64(typingctx: Any, value: Any) -> Any:
        """Return the bits of a float64 as int64."""

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return builder.bitcast(args[0], ir.IntType(64))

        return types.int64(types.float64), codegen

    @intrinsic
    def fma(typingctx: Any, a: Any, b: Any, c: Any) -> Any:
        """Return a * b + c, rounded once, in the precision of `a`."""

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return builder.fma(*args)

        return a(a, a, a), codegen
