"""Comparisons of 64 numbers at once, as bits of one integer.

Numba's loops become vectors when they add, but not when they are to say which elements
passed; LLVM has that as one conversion, for every kind of CPU.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

LANES = 64
_BITS = ir.IntType(LANES)


def _load(context: Any, builder: Any, array_type: Any, array: Any, start: Any) -> Any:
    """Load the 64 elements of a contiguous array from `start` on."""
    element = context.get_data_type(array_type.dtype)
    data = context.make_array(array_type)(context, builder, array).data
    address = builder.gep(data, [start])
    pointer = builder.bitcast(address, ir.PointerType(ir.VectorType(element, LANES)))
    return builder.load(pointer, align=array_type.dtype.bitwidth // 8)


def _fill(builder: Any, value: Any) -> Any:
    """Return 64 times a value."""
    vector = ir.VectorType(value.type, LANES)
    single = builder.insert_element(ir.Constant(vector, ir.Undefined), value, ir.IntType(32)(0))
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
    return builder.shuffle_vector(single, ir.Constant(vector, ir.Undefined), zeros)


@intrinsic
def which_pass(typing: Any, scores: Any, start: Any, first: Any, width: Any) -> Any:
    """Return a bit for each of 64 unsigned scores with ``(score - first) <= width``."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        array, start, first, width = args
        vector = _load(context, builder, signature.args[0], array, start)
        distance = builder.sub(vector, _fill(builder, first))
        return builder.bitcast(builder.icmp_unsigned("<=", distance, _fill(builder, width)), _BITS)

    return types.uint64(scores, types.intp, scores.dtype, scores.dtype), codegen


@intrinsic
def num_above(typing: Any, keys: Any, start: Any, key: Any) -> Any:
    """Return how many of 64 keys are above one."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        array, start, key = args
        vector = _load(context, builder, signature.args[0], array, start)
        above = builder.bitcast(builder.icmp_signed(">", vector, _fill(builder, key)), _BITS)
        return builder.trunc(builder.ctpop(above), ir.IntType(32))

    return types.int32(keys, types.intp, keys.dtype), codegen


@intrinsic
def num_around(typing: Any, keys: Any, ids: Any, start: Any, key: Any, own_id: Any) -> Any:
    """Return how many of 64 keys are above one, or equal to it and of a lower id."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        key_array, id_array, start, key, own_id = args
        some_keys = _load(context, builder, signature.args[0], key_array, start)
        some_ids = _load(context, builder, signature.args[1], id_array, start)
        equal = builder.icmp_signed("==", some_keys, _fill(builder, key))
        lower = builder.icmp_signed("<", some_ids, _fill(builder, own_id))
        above = builder.icmp_signed(">", some_keys, _fill(builder, key))
        before = builder.or_(above, builder.and_(equal, lower))
        return builder.trunc(builder.ctpop(builder.bitcast(before, _BITS)), ir.IntType(32))

    signature = types.int32(keys, ids, types.intp, keys.dtype, types.int32)
    return signature, codegen


@intrinsic
def lowest_bit(typing: Any, bits: Any) -> Any:
    """Return the position of the lowest bit of an integer that is not 0."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))

    return types.uint64(types.uint64), codegen
