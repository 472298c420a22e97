"""The emulator does what the manual of PTX says, and finds what it is there to find."""

import math

import numpy as np
import pytest
from numba import cuda, types
from ptx import rows as ptx_rows
from ptx.emulator import Kernel, KernelFailure, compile_kernel
from ptx.instructions import UnknownPTX

from fastpr.backends.cuda.loads import loads

INT32, INT64 = types.Array(types.int32, 1, "C"), types.Array(types.int64, 1, "C")
UINT32, FLOAT32 = types.Array(types.uint32, 1, "C"), types.Array(types.float32, 1, "C")


# ---- instructions ----


@pytest.fixture(scope="module")
def results():
    inputs = []
    for row in ptx_rows.ROWS:
        for kind, value in zip(ptx_rows.operand_kinds(row), row[3], strict=True):
            cell = np.zeros(1, np.uint64)
            cell.view(ptx_rows.DTYPES[kind])[0] = value
            inputs.append(cell)
    inputs = np.concatenate(inputs)
    outputs = np.zeros(len(ptx_rows.ROWS), np.uint64)
    kernel = Kernel(ptx_rows.module(ptx_rows.ROWS))
    addresses = np.uint64(inputs.ctypes.data), np.uint64(outputs.ctypes.data)
    kernel.run(1, 1, 0, *addresses, buffers=[inputs, outputs])
    return outputs


@pytest.mark.parametrize("index", range(len(ptx_rows.ROWS)),
                         ids=[f"{row[0]} {row[3]}" for row in ptx_rows.ROWS])  # fmt: skip
def test_an_instruction_does_what_the_manual_says(results, index):
    _, kind, _, _, expected = ptx_rows.ROWS[index]
    actual = results[index : index + 1].view(ptx_rows.DTYPES[kind])[0]
    expected = np.array(expected).astype(ptx_rows.DTYPES[kind])
    if isinstance(actual, np.floating):
        assert actual == expected or (math.isnan(actual) and math.isnan(expected))
        assert np.signbit(actual) == np.signbit(expected) or math.isnan(actual)
    else:
        assert actual == expected


def test_nan_of_float32_is_one():
    text = ptx_rows.module([("add.f32 d, a, b;", "f32", "f32", (0, 0), 0)])
    inputs, outputs = np.array([0xFFC00001, 0], np.uint64), np.zeros(1, np.uint64)
    addresses = np.uint64(inputs.ctypes.data), np.uint64(outputs.ctypes.data)
    Kernel(text).run(1, 1, 0, *addresses, buffers=[inputs, outputs])
    assert outputs[0] == 0x7FFFFFFF


@pytest.mark.parametrize("kind", ["f16", "bf16"])
def test_every_half_is_widened_as_by_numpy(kind):
    text = f"""
    .visible .entry widen(.param .u64 inputs, .param .u64 outputs)
    {{
    .reg .b16 %rs<2>; .reg .b32 %r<3>; .reg .f32 %f<2>; .reg .b64 %rd<4>;
    ld.param.u64 %rd0, [inputs]; ld.param.u64 %rd1, [outputs];
    mov.u32 %r0, %tid.x; mov.u32 %r1, %ctaid.x; mov.u32 %r2, %ntid.x;
    mad.lo.s32 %r0, %r1, %r2, %r0;
    mul.wide.u32 %rd2, %r0, 2; add.s64 %rd2, %rd2, %rd0; ld.global.b16 %rs0, [%rd2];
    cvt.f32.{kind} %f0, %rs0;
    mul.wide.u32 %rd3, %r0, 4; add.s64 %rd3, %rd3, %rd1; st.global.f32 [%rd3], %f0;
    ret;
    }}
    """
    bits, actual = np.arange(65536).astype(np.uint16), np.zeros(65536, np.float32)
    addresses = np.uint64(bits.ctypes.data), np.uint64(actual.ctypes.data)
    Kernel(text).run(128, 512, 0, *addresses, buffers=[bits, actual])
    wide = bits.view(np.float16).astype(np.float32)
    if kind == "bf16":
        wide = (bits.astype(np.uint32) << 16).view(np.float32)
    np.testing.assert_array_equal(actual, wide)
    assert np.array_equal(np.signbit(actual[actual == 0]), np.signbit(wide[wide == 0]))


@pytest.mark.parametrize(
    "instruction",
    ["add.ftz.f32 d, a, b;", "div.approx.f32 d, a, b;", "vote.sync.any.pred %p1, %p1, -1;",
     "ex2.approx.f32 d, a;", "add.f32 d, a, %clock;", "fma.rz.f32 d, a, b, a;",
     "call.uni (d), work, (a, b);", ".noise 5;", "st.global.f32 [a+b], d;"],
)  # fmt: skip
def test_what_is_not_known_is_an_error_that_names_it(instruction):
    with pytest.raises(UnknownPTX, match=r"line \d+ of the PTX: .* is not known"):
        Kernel(ptx_rows.module([(instruction, "f32", "f32", (1, 2), 3)]))


# ---- kernels of Numba ----


def test_arrays_and_numbers_are_passed_as_numba_does():
    def kernel(a, b, scale, shift, flag, out):
        i = cuda.grid(1)
        if i < out.size:
            out[i] = a[i] * scale + b[i, 1] - shift + len(b) + (100 if flag else 0)

    signature = types.void(
        INT64, types.Array(types.int16, 2, "C"), types.int64, types.uint8, types.boolean,
        types.Array(types.float64, 1, "C"),
    )  # fmt: skip
    rng = np.random.default_rng(0)
    a, b = rng.integers(-9, 9, 1000), rng.integers(-9, 9, (1000, 3)).astype(np.int16)
    out = np.zeros(1000)
    scalars = np.int64(-3), np.uint8(200), np.bool_(True)
    compile_kernel(kernel, signature).run(4, 256, 0, a, b, *scalars, out)
    np.testing.assert_array_equal(out, a * -3 + b[:, 1] - 200 + 1000 + 100)


def _reduce(values, out):
    table = cuda.shared.array(0, np.int64)
    i = cuda.threadIdx.x
    table[i] = values[cuda.grid(1)]
    cuda.syncthreads()
    width = cuda.blockDim.x // 2
    while width:
        if i < width:
            table[i] += table[i + width]
        cuda.syncthreads()
        width //= 2
    if i == 0:
        out[cuda.blockIdx.x] = table[0]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_reduction_waits_at_its_barriers(seed):
    values, out = np.arange(2048) * 7, np.zeros(8, np.int64)
    kernel = compile_kernel(_reduce, types.void(INT64, INT64))
    kernel.run(8, 256, 8 * 256, values, out, seed=seed)
    np.testing.assert_array_equal(out, values.reshape(8, -1).sum(1))
    assert kernel.num_steps > 8 * 256 * 8


def _reduce_without_a_barrier(values, out):
    table = cuda.shared.array(256, np.int64)
    i = cuda.threadIdx.x
    table[i] = values[cuda.grid(1)]
    out[cuda.grid(1)] = table[255 - i]


@pytest.mark.parametrize("seed", [0, 5])
def test_a_race_is_found(seed):
    values, out = np.arange(256), np.zeros(256, np.int64)
    kernel = compile_kernel(_reduce_without_a_barrier, types.void(INT64, INT64))
    with pytest.raises(KernelFailure, match=r"a race: shared byte \d+ was .* last barrier"):
        kernel.run(1, 256, 0, values, out, seed=seed)
    kernel.run(1, 256, 0, values, out, check_races=False)
    assert (out == -0x5454545454545455).any()  # what shared memory holds at first


def _mixed(out):
    table = cuda.shared.array(1, np.int32)
    table[0] = 0
    cuda.syncthreads()
    cuda.atomic.add(table, 0, np.int32(1))
    cuda.syncthreads()
    table[0] = 7  # all the same
    cuda.syncthreads()
    out[cuda.grid(1)] = table[0]


def test_what_all_write_alike_and_atomics_are_no_races():
    out = np.zeros(64, np.int32)
    compile_kernel(_mixed, types.void(INT32)).run(2, 32, 0, out, seed=3)
    assert (out == 7).all()


def _in_warps(out):
    table = cuda.shared.array(64, np.int32)
    i = cuda.threadIdx.x
    table[i] = i
    cuda.syncwarp()
    out[i] = table[i ^ 1]
    cuda.syncwarp()
    out[i] += table[i ^ 31]


@pytest.mark.parametrize("seed", [0, 1])
def test_warps_wait_for_themselves(seed):
    out = np.zeros(64, np.int32)
    compile_kernel(_in_warps, types.void(INT32)).run(1, 64, 0, out, seed=seed)
    i = np.arange(64)
    np.testing.assert_array_equal(out, (i ^ 1) + (i ^ 31))


def _across_warps(out):
    table = cuda.shared.array(64, np.int32)
    i = cuda.threadIdx.x
    table[i] = i
    cuda.syncwarp()
    out[i] = table[63 - i]


def test_a_barrier_of_a_warp_is_none_between_warps():
    kernel = compile_kernel(_across_warps, types.void(INT32))
    with pytest.raises(KernelFailure, match="a race"):
        kernel.run(1, 64, 0, np.zeros(64, np.int32))


def _some_wait(out):
    if cuda.threadIdx.x < 5:
        cuda.syncthreads()
    else:
        out[0] = 1
        cuda.syncthreads()


def test_a_barrier_that_not_all_threads_reach_is_found():
    kernel = compile_kernel(_some_wait, types.void(INT32))
    with pytest.raises(KernelFailure, match="barrier is not reached by all threads"):
        kernel.run(1, 32, 0, np.zeros(1, np.int32))


def _atomics(values, totals, floats):
    i = cuda.grid(1)
    in_block = cuda.shared.array(4, np.uint32)
    if cuda.threadIdx.x < 4:
        in_block[cuda.threadIdx.x] = 0
    cuda.syncthreads()
    cuda.atomic.add(in_block, 0, np.uint32(values[i]))
    cuda.atomic.max(in_block, 1, np.uint32(values[i]))
    cuda.atomic.inc(in_block, 2, np.uint32(9))
    cuda.syncthreads()
    if cuda.threadIdx.x < 4:
        cuda.atomic.add(totals, cuda.threadIdx.x, np.int64(in_block[cuda.threadIdx.x]))
    cuda.atomic.min(totals, 4, np.int64(values[i]))
    cuda.atomic.cas(totals, 5, np.int64(0), np.int64(i + 1))
    cuda.atomic.add(floats, 0, 0.5 * values[i])
    cuda.atomic.exch(totals, 6, np.int64(i))


def test_atomics_count():
    values = np.random.default_rng(1).integers(0, 2**30, 512).astype(np.int32)
    totals, floats = np.zeros(7, np.int64), np.zeros(1)
    totals[4] = 2**40
    signature = types.void(INT32, INT64, types.Array(types.float64, 1, "C"))
    kernel = compile_kernel(_atomics, signature)
    kernel.run(2, 256, 0, values, totals, floats, seed=9)
    halves = values.reshape(2, -1).astype(np.int64)
    assert totals[0] == (halves.sum(1) % 2**32).sum()
    assert totals[1] == halves.max(1).sum()
    assert totals[2] == 2 * (256 % 10)
    assert totals[4] == values.min()
    assert 0 < totals[5] <= 512
    assert 0 <= totals[6] < 512
    assert floats[0] == values.astype(np.int64).sum() / 2


# ---- memory ----

load_four = loads(np.float32, 4)


def _read_wide(address, out):
    i = cuda.grid(1)
    values = load_four(address + i * np.int64(16))
    out[i] = values[0] + values[3]


READ_WIDE = types.void(types.int64, FLOAT32)


def aligned(num, dtype):
    memory = np.zeros(num * np.dtype(dtype).itemsize + 16, np.uint8)
    start = -memory.ctypes.data % 16
    return memory[start : start + num * np.dtype(dtype).itemsize].view(dtype)


def test_a_wide_load_reads_its_values():
    values, out = aligned(64, np.float32), np.zeros(16, np.float32)
    values[:] = np.arange(64)
    kernel = compile_kernel(_read_wide, READ_WIDE)
    assert "ld.global.v4.f32" in kernel.ptx
    kernel.run(1, 16, 0, np.int64(values.ctypes.data), out, buffers=[values])
    np.testing.assert_array_equal(out, values[::4] + values[3::4])


@pytest.mark.parametrize("missing", [4, 16])
def test_a_load_that_ends_behind_an_array_is_found(missing):
    values, out = aligned(64, np.float32), np.zeros(16, np.float32)
    kernel = compile_kernel(_read_wide, READ_WIDE)
    message = rf"address {values.ctypes.data + 240:#x} is out of bounds \(at byte 240 of an array"
    with pytest.raises(KernelFailure, match=rf"(?s){message}.*thread 15 0 0.*ld\.global\.v4"):
        kernel.run(1, 16, 0, np.int64(values.ctypes.data), out,
                   buffers=[values[: 64 - missing // 4]])  # fmt: skip


def test_a_load_from_a_place_that_is_not_aligned_is_found():
    values, out = aligned(64, np.float32), np.zeros(4, np.float32)
    kernel = compile_kernel(_read_wide, READ_WIDE)
    with pytest.raises(KernelFailure, match="is not aligned"):
        kernel.run(1, 4, 0, np.int64(values.ctypes.data + 4), out, buffers=[values])


def _write(out, place, value):
    out[place] = value


def test_a_store_outside_an_array_or_into_a_read_only_one_is_found():
    kernel = compile_kernel(_write, types.void(INT32, types.int64, types.int32))
    out = np.zeros(9, np.int32)
    kernel.run(1, 1, 0, out, np.int64(8), np.int32(5))
    assert out[8] == 5
    with pytest.raises(KernelFailure, match="at byte 36 of an array of 36 bytes"):
        kernel.run(1, 1, 0, out, np.int64(9), np.int32(5))
    with pytest.raises(KernelFailure, match=r"out of bounds"):
        kernel.run(1, 1, 0, out, np.int64(1 << 40), np.int32(5))
    out.flags.writeable = False
    with pytest.raises(KernelFailure, match="read-only"):
        kernel.run(1, 1, 0, out, np.int64(0), np.int32(5))


def _write_shared(out):
    first = cuda.shared.array(3, np.int32)
    rest = cuda.shared.array(0, np.int64)
    first[2] = 4
    rest[cuda.threadIdx.x] = cuda.threadIdx.x
    out[cuda.threadIdx.x] = rest[cuda.threadIdx.x] + first[2]


def test_shared_memory_has_its_size():
    out = np.zeros(32, np.int64)
    kernel = compile_kernel(_write_shared, types.void(INT64))
    kernel.run(1, 32, 8 * 32, out)
    np.testing.assert_array_equal(out, np.arange(32) + 4)
    assert kernel.source.static_shared == 16
    with pytest.raises(KernelFailure, match=r"shared address \d+ is out of bounds.*thread 31"):
        kernel.run(1, 32, 8 * 32 - 1, out)


def _never_ends(out):
    while out[0] == 0:
        out[1] += 1


def test_a_kernel_that_does_not_end_is_found():
    kernel = compile_kernel(_never_ends, types.void(INT32))
    with pytest.raises(KernelFailure, match="more than 100000 instructions"):
        kernel.run(1, 1, 0, np.zeros(2, np.int32), max_steps=100_000)


def _order(places, count):
    places[cuda.atomic.add(count, 0, np.uint32(1))] = cuda.grid(1)


def test_threads_and_blocks_come_in_an_order_that_a_seed_decides():
    def run(seed):
        places = np.zeros(96, np.int32)
        kernel.run(3, 32, 0, places, np.zeros(1, np.uint32), seed=seed)
        return places.tolist()

    kernel = compile_kernel(_order, types.void(INT32, UINT32))
    assert run(0) == list(range(96))
    assert run(1) == run(1) != run(2)
    assert sorted(run(1)) == list(range(96))
    assert len({place // 32 for place in run(1)[:32]}) == 1  # a block after another


@pytest.mark.parametrize(("grid", "block"), [(0, 32), (1, 0), (1, 1025), ((1, 0), 4)])
def test_a_grid_that_cannot_be_launched_is_an_error(grid, block):
    kernel = compile_kernel(_never_ends, types.void(INT32))
    with pytest.raises(ValueError, match="cannot be launched"):
        kernel.run(grid, block, 0, np.ones(2, np.int32))
