"""The labels of a row as 16 lanes of a vector, and what is asked for before it is read."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

NUM_LANES = 16
_INT32 = ir.IntType(32)
_NUMBERS = ir.VectorType(_INT32, NUM_LANES)


def _address(context: Any, builder: Any, array_type: Any, array: Any, start: int) -> Any:
    """Return the address of 16 elements of a contiguous array."""
    element = context.get_data_type(array_type.dtype)
    data = context.make_array(array_type)(context, builder, array).data
    data = builder.gep(data, [_INT32(start)])
    return builder.bitcast(data, ir.PointerType(ir.VectorType(element, NUM_LANES)))


def _fill(builder: Any, value: Any) -> Any:
    """Return 16 times a value."""
    vector = ir.VectorType(value.type, NUM_LANES)
    single = builder.insert_element(ir.Constant(vector, ir.Undefined), value, _INT32(0))
    zeros = ir.Constant(_NUMBERS, [0] * NUM_LANES)
    return builder.shuffle_vector(single, ir.Constant(vector, ir.Undefined), zeros)


@intrinsic
def count_class(
    typing: Any, before: Any, label_keys: Any, label_ids: Any, key: Any, own_id: Any
) -> Any:
    """Add one to `before` of each of 16 labels that a class of this key and id comes before."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        addresses = [
            _address(context, builder, array_type, array, 0)
            for array_type, array in zip(signature.args[:3], args[:3], strict=True)
        ]
        counts, keys, ids = (builder.load(address, align=4) for address in addresses)
        wins = builder.icmp_signed("<", _fill(builder, args[4]), ids)
        keys = builder.sub(keys, builder.zext(wins, keys.type))
        is_before = builder.icmp_signed(">", _fill(builder, args[3]), keys)
        builder.store(builder.add(counts, builder.zext(is_before, _NUMBERS)), addresses[0], align=4)
        return context.get_dummy_value()

    signature = types.void(before, label_keys, label_ids, label_keys.dtype, types.int32)
    return signature, codegen


@intrinsic
def num_below(typing: Any, numbers: Any, value: Any) -> Any:
    """Return how many of 16 integers are below one."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        vector = builder.load(_address(context, builder, signature.args[0], args[0], 0), align=4)
        below = builder.icmp_signed("<", vector, _fill(builder, args[1]))
        bits = builder.bitcast(below, ir.IntType(NUM_LANES))
        return builder.zext(builder.ctpop(bits), ir.IntType(64))

    return types.int64(numbers, types.int32), codegen


@intrinsic
def fetch_line(typing: Any, array: Any, index: Any) -> Any:
    """Ask for the memory of an element."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = context.make_array(array)(context, builder, args[0]).data
        address = ir.IntType(8).as_pointer()
        prefetch = builder.module.declare_intrinsic(
            "llvm.prefetch", [address], ir.FunctionType(ir.VoidType(), [address, *[_INT32] * 3])
        )
        element = builder.bitcast(builder.gep(data, [args[1]]), address)
        builder.call(prefetch, [element, _INT32(0), _INT32(3), _INT32(1)])  # to read data
        return context.get_dummy_value()

    return types.void(array, types.int64), codegen
