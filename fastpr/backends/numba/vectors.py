"""What Numba has no words for: vectors of 64 and of 16 numbers, and prefetching.

Numba's loops become vectors when they add, but not when they are to say which elements
passed; LLVM has that as one conversion, for every kind of CPU.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

LANES = 64
EVERY = np.uint64(2**64 - 1)  # a bit for each of them
_BITS = ir.IntType(LANES)
# The labels of a row, as the lanes of a vector.
NUM_LANES = 16
_INT32 = ir.IntType(32)
_NUMBERS = ir.VectorType(_INT32, NUM_LANES)
_BYTES = ir.IntType(8).as_pointer()


def _address(
    context: Any, builder: Any, array_type: Any, array: Any, lanes: int, start: Any = None
) -> Any:
    """Return the address of elements of a contiguous array, from `start` on if that is given."""
    element = context.get_data_type(array_type.dtype)
    data = context.make_array(array_type)(context, builder, array).data
    if start is not None:
        data = builder.gep(data, [start])
    return builder.bitcast(data, ir.PointerType(ir.VectorType(element, lanes)))


def _load(context: Any, builder: Any, array_type: Any, array: Any, start: Any = None) -> Any:
    """Load 64 elements of a contiguous array, from `start` on if that is given."""
    pointer = _address(context, builder, array_type, array, LANES, start)
    return builder.load(pointer, align=array_type.dtype.bitwidth // 8)


def _fill(builder: Any, value: Any, lanes: int = LANES) -> Any:
    """Return a vector of one value."""
    vector = ir.VectorType(value.type, lanes)
    single = builder.insert_element(ir.Constant(vector, ir.Undefined), value, _INT32(0))
    zeros = ir.Constant(ir.VectorType(_INT32, lanes), [0] * lanes)
    return builder.shuffle_vector(single, ir.Constant(vector, ir.Undefined), zeros)


def _prefetch(builder: Any, address: Any, level: int) -> None:
    """Ask for the line of memory at an address, into a level of the cache."""
    prefetch = builder.module.declare_intrinsic(
        "llvm.prefetch", [_BYTES], ir.FunctionType(ir.VoidType(), [_BYTES, *[_INT32] * 3])
    )
    # to be read, how near it is to be kept, and as data
    builder.call(prefetch, [address, _INT32(0), _INT32(4 - level), _INT32(1)])


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
def write_keys(
    typing: Any, scores: Any, start: Any, infinity: Any, keys: Any, key_start: Any
) -> Any:
    """Write the keys of 64 floats that are given as their bits; the lowest one for NaN."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        array, start, infinity, key_array, key_start = args
        bits = _load(context, builder, signature.args[0], array, start)
        key_type = context.get_data_type(keys.dtype)
        key_vector = ir.VectorType(key_type, LANES)
        num_bits = bits.type.element.width
        all_but_sign = ir.Constant(bits.type.element, (1 << (num_bits - 1)) - 1)
        magnitude = builder.and_(bits, _fill(builder, all_but_sign))
        is_negative = builder.icmp_unsigned("!=", bits, magnitude)
        is_nan = builder.icmp_unsigned(">", magnitude, _fill(builder, infinity))
        if key_type.width > num_bits:
            magnitude = builder.zext(magnitude, key_vector)
        zero = _fill(builder, ir.Constant(key_type, 0))
        key = builder.select(is_negative, builder.sub(zero, magnitude), magnitude)
        lowest = ir.Constant(key_type, -(1 << (key_type.width - 1)))
        key = builder.select(is_nan, _fill(builder, lowest), key)
        data = context.make_array(signature.args[3])(context, builder, key_array).data
        data = builder.gep(data, [key_start])
        pointer = builder.bitcast(data, ir.PointerType(key_vector))
        builder.store(key, pointer, align=key_type.width // 8)
        return context.get_dummy_value()

    signature = types.void(scores, types.intp, scores.dtype, keys, types.intp)
    return signature, codegen


def _count(builder: Any, passes: Any, among: Any) -> Any:
    """Return the number of lanes that pass and have a bit in an integer."""
    bits = builder.and_(builder.bitcast(passes, _BITS), among)
    return builder.trunc(builder.ctpop(bits), ir.IntType(32))


@intrinsic
def num_above(typing: Any, keys: Any, start: Any, among: Any, key: Any) -> Any:
    """Return how many of 64 keys, those that have a bit, are above one."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        array, start, among, key = args
        vector = _load(context, builder, signature.args[0], array, start)
        return _count(builder, builder.icmp_signed(">", vector, _fill(builder, key)), among)

    return types.int32(keys, types.intp, types.uint64, keys.dtype), codegen


@intrinsic
def num_around(typing: Any, keys: Any, ids: Any, among: Any, key: Any, own_id: Any) -> Any:
    """Return how many of 64 keys, those that have a bit, are above, or equal of a lower id."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        key_array, id_array, among, key, own_id = args
        some_keys = _load(context, builder, signature.args[0], key_array)
        some_ids = _load(context, builder, signature.args[1], id_array)
        equal = builder.icmp_signed("==", some_keys, _fill(builder, key))
        lower = builder.icmp_signed("<", some_ids, _fill(builder, own_id))
        above = builder.icmp_signed(">", some_keys, _fill(builder, key))
        return _count(builder, builder.or_(above, builder.and_(equal, lower)), among)

    return types.int32(keys, ids, types.uint64, keys.dtype, types.int32), codegen


@intrinsic
def lowest_bit(typing: Any, bits: Any) -> Any:
    """Return the position of the lowest bit of an integer that is not 0."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))

    return types.uint64(types.uint64), codegen


@intrinsic
def lowest_bit_or_0(typing: Any, bits: Any) -> Any:
    """Return the position of the lowest bit of an integer; 0 if it has none."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        position = builder.cttz(args[0], ir.Constant(ir.IntType(1), 0))
        return builder.and_(position, ir.Constant(_BITS, LANES - 1))

    return types.uint64(types.uint64), codegen


@intrinsic
def num_bits(typing: Any, bits: Any) -> Any:
    """Return how many bits of an integer are set."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.ctpop(args[0])

    return types.int64(types.uint64), codegen


@intrinsic
def four_codes(typing: Any, codes: Any, start: Any) -> Any:
    """Return four numbers of 16 bits in one of 64, the first in its lowest bits."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        address = builder.gep(data, [args[1]])
        return builder.load(builder.bitcast(address, ir.PointerType(_BITS)), align=2)

    return types.uint64(codes, types.intp), codegen


@intrinsic
def which_odd(typing: Any, codes: Any) -> Any:
    """Return a bit for each of 64 integers that is odd."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        vector = _load(context, builder, signature.args[0], args[0])
        return builder.bitcast(builder.trunc(vector, ir.VectorType(ir.IntType(1), LANES)), _BITS)

    return types.uint64(codes), codegen


def can_compress(context: Any) -> bool:
    """Return whether the CPU that is compiled for moves chosen 16-bit lanes together at once."""
    return "+avx512vbmi2" in context.codegen().magic_tuple()[2].split(",")


@intrinsic
def compress(typing: Any, codes: Any, chosen: Any, to: Any, place: Any) -> Any:
    """Write those of 64 codes that have a bit, from a place on; return where they end.

    There must be room for 64. Only where `can_compress`.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        element = context.get_data_type(codes.dtype)
        length = 512 // element.width
        vector, mask = ir.VectorType(element, length), ir.VectorType(ir.IntType(1), length)
        # In registers: to write what is chosen alone, some CPUs take a hundred cycles.
        function = builder.module.declare_intrinsic(
            f"llvm.x86.avx512.mask.compress.v{length}i{element.width}",
            fnty=ir.FunctionType(vector, [vector, vector, mask]),
        )
        source = context.make_array(signature.args[0])(context, builder, args[0]).data
        target = context.make_array(signature.args[2])(context, builder, args[2]).data
        chosen, place = args[1], args[3]
        pointer, bits_type = ir.PointerType(vector), ir.IntType(length)
        for start in range(0, LANES, length):
            address = builder.bitcast(builder.gep(source, [_BITS(start)]), pointer)
            own = builder.trunc(builder.lshr(chosen, _BITS(start)), bits_type)
            together = builder.call(function, [
                builder.load(address, align=codes.dtype.bitwidth // 8),
                ir.Constant(vector, None),
                builder.bitcast(own, mask),
            ])  # fmt: skip
            address = builder.bitcast(builder.gep(target, [place]), pointer)
            builder.store(together, address, align=codes.dtype.bitwidth // 8)
            place = builder.add(place, builder.zext(builder.ctpop(own), _BITS))
        return place

    return types.int64(codes, types.uint64, to, types.int64), codegen


@intrinsic
def any_bits_above(typing: Any, numbers: Any, limit: Any) -> Any:
    """Return whether the bits of one of 64 numbers, as an integer, are above a limit."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        element = ir.IntType(numbers.dtype.bitwidth)
        vector = _load(context, builder, signature.args[0], args[0])
        bits = builder.bitcast(vector, ir.VectorType(element, LANES))
        own_limit = args[1] if element == _BITS else builder.trunc(args[1], element)
        above = builder.icmp_unsigned(">", bits, _fill(builder, own_limit))
        return builder.icmp_unsigned("!=", builder.bitcast(above, _BITS), ir.Constant(_BITS, 0))

    return types.boolean(numbers, types.int64), codegen


@intrinsic
def multiply_add(typing: Any, first: Any, second: Any, third: Any) -> Any:
    """Return first * second + third, rounded once."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.fma(*args)

    return first(first, first, first), codegen


@intrinsic
def fetch(typing: Any, rows: Any, number: Any, ahead: Any) -> Any:
    """Ask for the memory of a row of 64 that is some rows ahead; it may be past the end."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        array, number, ahead = args
        data = context.make_array(rows)(context, builder, array).data
        index = builder.mul(builder.add(number, ahead), ir.Constant(_BITS, LANES))
        start = builder.bitcast(builder.gep(data, [index]), _BYTES)
        for offset in range(0, LANES * rows.dtype.bitwidth // 8, 64):
            line = builder.gep(start, [ir.Constant(_BITS, offset)])
            _prefetch(builder, line, level=2)  # csrc/histogram/accumulate.h says why the second
        return context.get_dummy_value()

    return types.void(rows, types.uint64, types.uint64), codegen


@intrinsic
def count_class(
    typing: Any, before: Any, label_keys: Any, label_ids: Any, key: Any, own_id: Any
) -> Any:
    """Add one to `before` of each of 16 labels that a class of this key and id comes before."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        addresses = [
            _address(context, builder, array_type, array, NUM_LANES)
            for array_type, array in zip(signature.args[:3], args[:3], strict=True)
        ]
        counts, keys, ids = (builder.load(address, align=4) for address in addresses)
        wins = builder.icmp_signed("<", _fill(builder, args[4], NUM_LANES), ids)
        keys = builder.sub(keys, builder.zext(wins, keys.type))
        is_before = builder.icmp_signed(">", _fill(builder, args[3], NUM_LANES), keys)
        builder.store(builder.add(counts, builder.zext(is_before, _NUMBERS)), addresses[0], align=4)
        return context.get_dummy_value()

    signature = types.void(before, label_keys, label_ids, label_keys.dtype, types.int32)
    return signature, codegen


@intrinsic
def num_below(typing: Any, numbers: Any, value: Any) -> Any:
    """Return how many of 16 integers are below one."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        vector = builder.load(
            _address(context, builder, signature.args[0], args[0], NUM_LANES), align=4
        )
        below = builder.icmp_signed("<", vector, _fill(builder, args[1], NUM_LANES))
        bits = builder.bitcast(below, ir.IntType(NUM_LANES))
        return builder.zext(builder.ctpop(bits), ir.IntType(64))

    return types.int64(numbers, types.int32), codegen


@intrinsic
def fetch_line(typing: Any, array: Any, index: Any) -> Any:
    """Ask for the memory of an element."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = context.make_array(array)(context, builder, args[0]).data
        _prefetch(builder, builder.bitcast(builder.gep(data, [args[1]]), _BYTES), level=1)
        return context.get_dummy_value()

    return types.void(array, types.int64), codegen
