"""Arrays on CUDA devices are taken in where they are, whoever made them. No GPU is needed."""

from __future__ import annotations

import gc
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from device_doubles import Cupy, OnCuda, OnDLPack, Tensor, Torch, as_array

from fastpr.arrays import device as device_arrays
from fastpr.arrays.device import DeviceArray, device_array
from fastpr.arrays.places import is_cuda, place_of

DTYPES = [
    "?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", ml_dtypes.bfloat16,
]  # fmt: skip
LAYOUTS = {
    "C": lambda base: base,
    "Fortran": lambda base: base.T,
    "steps": lambda base: base[:, ::2, 1:],
    "backwards": lambda base: base[::-1, :, ::-1],
    "broadcast": lambda base: np.broadcast_to(base[:1], (3, 3, 4)),
    "one number": lambda base: base[0, 0, 3:].reshape(()),
    "empty": lambda base: base[:0],
}


@pytest.fixture(autouse=True)
def torch(monkeypatch: pytest.MonkeyPatch) -> Torch:
    """A torch of ours, and a driver that knows one device."""
    module = Torch()
    monkeypatch.setitem(sys.modules, "torch", module)
    monkeypatch.setattr(device_arrays, "_ordinal_of", lambda address: 0)
    return module


def on_device(value: Any, name: str = "predictions") -> DeviceArray:
    return device_array(value, name)


def error_of(expected: type[Exception], value: Any) -> str:
    with pytest.raises(expected) as caught:
        device_array(value, "predictions")
    assert type(caught.value) is expected
    return str(caught.value)


# ---- what all producers have in common ----


@pytest.mark.parametrize("producer", [OnCuda, Cupy, OnDLPack, Tensor])
@pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: np.dtype(dtype).name)
def test_dtypes_are_read_in_place(producer: Any, dtype: Any) -> None:
    values = np.arange(6).reshape(2, 3).astype(dtype)
    is_bfloat16 = values.dtype.name == "bfloat16"
    array = on_device(producer(values))
    assert array.address == values.ctypes.data
    assert (array.shape, array.strides, array.size) == ((2, 3), values.strides, 6)
    assert array.dtype == (np.uint16 if is_bfloat16 else values.dtype)
    assert array.is_bfloat16 == is_bfloat16
    assert (array.device, array.stream) == (0, 1)
    assert as_array(array).tobytes() == values.tobytes()


@pytest.mark.parametrize("producer", [OnCuda, Cupy, OnDLPack, Tensor])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_are_read_in_place(producer: Any, layout: str) -> None:
    if producer is Tensor and layout == "backwards":
        return  # torch has no such tensors
    values = LAYOUTS[layout](np.arange(24, dtype=np.float32).reshape(2, 3, 4))
    array = on_device(producer(values))
    assert array.shape == values.shape
    if values.size:
        assert array.address == values.ctypes.data
        assert as_array(array).tolist() == values.tolist()
    else:
        assert (array.address, array.size) == (0, 0)


@pytest.mark.parametrize("producer", [OnCuda, Cupy, OnDLPack, Tensor])
def test_complex_numbers_have_their_dtype_for_a_message(producer: Any) -> None:
    assert on_device(producer(np.zeros(2, np.complex64))).dtype == np.complex64


@pytest.mark.parametrize("producer", [OnCuda, Cupy, OnDLPack])
def test_arrays_that_are_not_aligned_are_refused(producer: Any) -> None:
    memory = np.zeros(33, np.uint8)
    unaligned = memory[1:].view(np.float32)
    assert error_of(ValueError, producer(unaligned)) == (
        "predictions are not aligned: their address and strides have to be multiples of 4 bytes "
        "on a device; pass a copy"
    )
    between = np.zeros(4, [("score", "f4"), ("flag", "u1")])["score"]
    if producer is not OnDLPack:  # whose strides are in elements
        assert "are not aligned" in error_of(ValueError, producer(between))
    assert on_device(producer(unaligned[:0])).size == 0
    assert on_device(OnCuda(between[:1])).size == 1


def test_memory_at_no_address_is_refused() -> None:
    assert error_of(ValueError, OnCuda(np.zeros(2), data=(0, False))) == (
        "predictions of shape (2,) have no memory: their address is 0"
    )


def test_what_is_on_the_host_is_left_alone() -> None:
    host = [np.zeros(2), [0.5], 0.5, None, Tensor([1.0], "cpu"), OnDLPack([1.0], (1, 0)), {}, "x",
            np.float32(1), memoryview(b"12"), OnDLPack([1.0], (3, 0))]  # fmt: skip
    for value in host:
        assert place_of(value) == "the host"
        assert not is_cuda(place_of(value))


@pytest.mark.parametrize(
    ("value", "place", "readable"),
    [
        (Tensor([1.0], "cuda:3"), "cuda:3", True),
        (Tensor([1.0], "mps:0"), "mps:0", False),
        (Tensor([1.0], "xpu:1"), "xpu:1", False),
        (Tensor([1.0], "meta"), "meta", False),
        (OnCuda([1.0]), "a CUDA device", True),
        (Cupy([1.0], 2), "cuda:2", True),
        (OnDLPack([1.0], (2, 1)), "cuda:1", True),
        (OnDLPack([1.0], (13, 0)), "cuda:0", True),
        (OnDLPack([1.0], (8, 0)), "metal:0", False),
        (OnDLPack([1.0], (14, 5)), "oneapi:5", False),
        (OnDLPack([1.0], (16, 0)), "DLPack device 16:0", False),
    ],
)
def test_places_have_names(value: Any, place: str, readable: bool) -> None:
    assert place_of(value) == place
    assert is_cuda(place) == readable


def test_a_torch_for_rocm_has_no_cuda_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", Torch(hip="6.2"))
    assert place_of(Tensor([1.0])) == "cuda:0 (ROCm)"
    assert not is_cuda("cuda:0 (ROCm)")


# ---- torch ----


def test_a_tensor_is_read_on_the_current_stream_of_its_device(torch: Torch) -> None:
    torch.streams = {0: 0, 1: 7001}
    tensor = Tensor(np.zeros(3, np.float32), "cuda:1")
    array = on_device(tensor)
    assert (array.device, array.stream) == (1, 7001)
    assert tensor.calls == ["detach", 7001]  # the allocator knows; nothing has to be kept
    assert array.owner is None


def test_a_tensor_whose_memory_holds_the_opposite_is_resolved() -> None:
    tensor = Tensor(np.array([0.5, -1.0], np.float32), is_neg=True)
    seen = []
    tensor.resolve_neg = lambda: seen.append(Tensor(-tensor.array)) or seen[0].detach()
    assert as_array(on_device(tensor)).tolist() == [-0.5, 1.0]
    assert seen


def test_sparse_tensors_are_refused() -> None:
    tensor = Tensor(np.zeros(3))
    tensor.layout = "torch.sparse_coo"
    assert error_of(TypeError, tensor) == (
        "predictions are a sparse tensor (torch.sparse_coo); pass a dense one"
    )


@pytest.mark.parametrize("dtype", ["float8_e4m3fn", "quint8", "complex32", "uint4"])
def test_tensors_of_other_dtypes_are_refused(dtype: str) -> None:
    assert error_of(TypeError, Tensor(np.zeros(3, np.uint8), dtype=dtype)) == (
        f"predictions have dtype {dtype}, which is not read on a device; convert them, to "
        "float32 for instance"
    )


def test_what_is_a_tensor_is_read_as_one_first() -> None:
    class Both(Tensor, OnDLPack):
        pass

    assert on_device(Both(np.zeros(3))).owner is None  # and not by its interface, which fails


# ---- __cuda_array_interface__ ----


@pytest.mark.parametrize("version", [0, 1, 2, 3])
@pytest.mark.parametrize(
    ("stream", "expected"), [(None, 1), (1, 1), (2, 2), (81_985_529, 81_985_529)]
)
def test_the_stream_of_an_interface(version: int, stream: int | None, expected: int) -> None:
    value = OnCuda(np.zeros(3), version=version, stream=stream)
    array = on_device(value)
    assert array.stream == expected
    assert array.owner is value


def test_a_stream_that_may_be_any_of_two_is_refused() -> None:
    assert error_of(ValueError, OnCuda(np.zeros(3), stream=0)) == (
        "predictions give the stream 0, which __cuda_array_interface__ does not allow: it may be "
        "the legacy default stream (1) or that of the thread (2)"
    )


def test_an_interface_of_only_what_is_required() -> None:
    values = np.arange(6.0).reshape(2, 3)
    interface = {
        "shape": (2, 3), "typestr": "<f8", "data": (values.ctypes.data, True), "version": 0
    }  # fmt: skip
    value = SimpleNamespace(__cuda_array_interface__=interface)
    array = on_device(value)
    assert (array.strides, array.stream, array.owner) == ((24, 8), 1, value)
    assert as_array(array).tolist() == values.tolist()


def test_masks_are_refused() -> None:
    masked = OnCuda(np.zeros(3), mask=OnCuda(np.zeros(3, bool)))
    assert error_of(TypeError, masked) == (
        "predictions have a mask, which is not read on a device; pass arrays without, and "
        "weights of 0 where samples are to be ignored"
    )
    assert on_device(OnCuda(np.zeros(3), mask=None)).size == 3


@pytest.mark.parametrize(
    ("array", "dtype"),
    [
        (np.zeros(2, ">f4"), ">f4"),
        (np.zeros(2, "V4"), "|V4"),
        (np.zeros(2, "m8[s]"), "timedelta64[s]"),
        (np.zeros(2, np.longdouble), str(np.dtype(np.longdouble))),
    ],
    ids=str,
)
def test_interfaces_of_other_dtypes_are_refused(array: np.ndarray, dtype: str) -> None:
    assert error_of(TypeError, OnCuda(array)) == (
        f"predictions have dtype {dtype}, which is not read on a device; convert them, to "
        "float32 for instance"
    )


def test_the_device_of_an_interface(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(device_arrays, "_ordinal_of", lambda a: asked.append(a) or 5)
    values = np.zeros(3)
    assert on_device(Cupy(values, 2)).device == 2
    assert not asked
    other = OnCuda(values)
    other.device = SimpleNamespace(id=77)  # the number of a JAX device is not CUDA's
    assert on_device(other).device == 5
    assert asked == [values.ctypes.data]


# ---- DLPack ----


@pytest.mark.parametrize("version", [None, (1, 0), (1, 1), (1, 9)])
def test_a_capsule_is_given_back_once_when_its_owner_dies(version: tuple[int, int] | None) -> None:
    value = OnDLPack(np.arange(3.0), version=version)
    array = on_device(value)
    assert value.streams == [1]
    gc.collect()
    assert value.num_alive == 1
    owner = array.owner
    del array
    gc.collect()
    assert value.num_alive == 1
    del owner
    assert value.num_alive == 0  # and the double would fail if it were given back twice


def test_the_array_lives_as_long_as_the_owner() -> None:
    values = np.arange(3.0)
    array = on_device(OnDLPack(values))
    memory = array.address
    del values
    gc.collect()
    assert (array.address, as_array(array).tolist()) == (memory, [0.0, 1.0, 2.0])


@pytest.mark.parametrize("version", [None, (1, 1)])
def test_offsets_and_missing_strides(version: tuple[int, int] | None) -> None:
    values = np.arange(6, dtype=np.int32).reshape(2, 3)
    value = OnDLPack(values, version=version, byte_offset=64, with_strides=False)
    array = on_device(value)
    assert (array.address, array.strides) == (values.ctypes.data, (12, 4))


def test_a_version_that_is_not_known_is_refused_and_given_back() -> None:
    value = OnDLPack(np.zeros(3), version=(2, 0))
    assert error_of(TypeError, value) == (
        "predictions of type OnDLPack cannot be read as an array: it is of DLPack 2.0, which is "
        "not known"
    )
    gc.collect()  # of the traceback
    assert value.num_alive == 0


@pytest.mark.parametrize(
    ("options", "dtype"),
    [
        ({"code_and_bits": (10, 8)}, "of DLPack code 10 with 8 bits and 1 lanes"),
        ({"code_and_bits": (2, 32), "lanes": 4}, "of DLPack code 2 with 32 bits and 4 lanes"),
        ({"code_and_bits": (3, 64)}, "of DLPack code 3 with 64 bits and 1 lanes"),
        ({"code_and_bits": (6, 1)}, "bool1"),
        ({"code_and_bits": (0, 4)}, "int4"),
        ({"code_and_bits": (2, 128)}, "float128"),
    ],
    ids=str,
)
def test_capsules_of_other_dtypes_are_refused(options: dict[str, Any], dtype: str) -> None:
    value = OnDLPack(np.zeros(3, np.uint8), **options)
    assert error_of(TypeError, value) == (
        f"predictions have dtype {dtype}, which is not read on a device; convert them, to "
        "float32 for instance"
    )
    gc.collect()  # of the traceback
    assert value.num_alive == 0


def test_a_producer_that_refuses_is_reported() -> None:
    class Refusing(OnDLPack):
        def __dlpack__(self, **options: Any) -> Any:
            raise BufferError("not now")

    class NoCapsule(OnDLPack):
        def __dlpack__(self, **options: Any) -> Any:
            return "capsule"

    assert error_of(TypeError, Refusing([1.0])) == (
        "predictions of type Refusing cannot be read as an array: not now"
    )
    assert error_of(TypeError, NoCapsule([1.0])) == (
        "predictions of type NoCapsule cannot be read as an array: its __dlpack__ returned no "
        "capsule of DLPack"
    )


def test_a_capsule_of_numpy_is_understood() -> None:
    """The doubles are ours; this capsule is not."""

    class Numpy:
        def __init__(self, array: np.ndarray) -> None:
            self.array = array

        def __dlpack_device__(self) -> tuple[int, int]:
            return 2, 0

        def __dlpack__(self, *, stream: int, **options: Any) -> Any:
            return self.array.__dlpack__(**options)

    for dtype in ("i2", "u8", "f4", "c8"):
        values = np.arange(24, dtype=dtype).reshape(4, 6)[::-1, ::2]
        before = sys.getrefcount(values)
        array = on_device(Numpy(values))
        assert (array.shape, array.strides, array.dtype) == ((4, 3), values.strides, values.dtype)
        assert as_array(array).tolist() == values.tolist()
        del array
        assert sys.getrefcount(values) == before


# ---- views ----


def test_a_broadcast_view_repeats_by_strides_of_0() -> None:
    values = np.arange(6.0).reshape(2, 1, 3)
    array = on_device(OnCuda(values)).broadcast_to((4, 2, 5, 3))
    assert array.strides == (0, 24, 0, 8)
    assert as_array(array).tolist() == np.broadcast_to(values, (4, 2, 5, 3)).tolist()
    assert on_device(OnCuda(np.ones(()))).broadcast_to((2, 3)).strides == (0, 0)
    assert on_device(OnCuda(np.ones((1, 1)))).broadcast_to((2, 3)).strides == (0, 0)


# ---- cost ----


def test_looking_at_arrays_loads_nothing() -> None:
    program = (
        "import sys, numpy, fastpr\n"
        "from fastpr.arrays.places import place_of\n"
        "fastpr.PrecisionRecallAtEqualThresholds(3).update([1], numpy.ones(1), 2.0)\n"
        "class Here:\n"
        "    __cuda_array_interface__ = {}\n"
        "print(place_of(numpy.ones(1)), place_of(Here()))\n"
        "heavy = {'numba_cuda', 'torch', 'cupy', 'jax'}\n"
        "print(sorted(heavy & set(sys.modules)), 'fastpr.backends.cuda.device' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", program], check=True, capture_output=True, text=True
    )
    assert done.stdout == "the host a CUDA device\n[] False\n"
