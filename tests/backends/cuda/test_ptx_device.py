"""The emulated device holds back what a GPU may hold back, and refuses what a GPU refuses."""

import numpy as np
import pytest
from numba import cuda
from ptx.device import EmulatedDevice, emulated
from ptx.emulator import KernelFailure

import fastpr
from fastpr.backends.cuda import device as cuda_device


@cuda.jit
def double(values, num):
    i = cuda.grid(1)
    if i < num:
        values[i] *= 2


@cuda.jit
def with_shared(values):
    table = cuda.shared.array(0, np.int32)
    own = cuda.shared.array(3, np.int32)
    own[cuda.threadIdx.x] = table[cuda.threadIdx.x] = 1
    values[0] = own[cuda.threadIdx.x] + table[cuda.threadIdx.x]


def copied_in(device, stream, host):
    array = device.empty(host.shape, host.dtype)
    device.copy_in(array, host, stream)
    return array


@pytest.mark.parametrize("is_late", [False, True])
def test_kernels_and_copies_come_in_order(is_late):
    device = EmulatedDevice(is_late=is_late)
    stream = device.stream()
    array = copied_in(device, stream, np.arange(5))
    device.launch(double, 2, 32, stream, 0, array, np.int32(4))
    device.launch(double, 1, 32, stream, 0, array, np.int32(2))
    assert (array._host.tolist() == [0, 4, 4, 6, 4]) != is_late
    assert device.copy_out(array, stream).tolist() == [0, 4, 4, 6, 4]
    assert device.launches == [("double", 2, 32, 0), ("double", 1, 32, 0)]


def test_a_late_copy_reads_pinned_memory_as_it_then_is():
    device = EmulatedDevice(is_late=True)
    stream = device.stream()
    pinned, plain = device.pinned(3, np.int64), np.zeros(3, np.int64)
    pinned[:] = 1
    arrays = [copied_in(device, stream, host) for host in (pinned[:2], plain)]
    pinned[:], plain[:] = 7, 7
    assert device.copy_out(arrays[0], stream).tolist() == [7, 7]
    assert device.copy_out(arrays[1], stream).tolist() == [0, 0, 0]


def test_streams_wait_for_events_and_for_nothing_else():
    device = EmulatedDevice(is_late=True)
    first, second = device.stream(), device.stream(5)
    assert device.stream(5) is second
    array = copied_in(device, first, np.ones(3, np.int64))
    assert (device.copy_out(array, second) != 1).all()
    device.let_wait(second, device.record(first))
    assert device.copy_out(array, second).tolist() == [1, 1, 1]


def test_an_event_comes_at_last_without_waiting():
    device = EmulatedDevice(is_late=True)
    stream = device.stream()
    array = copied_in(device, stream, np.ones(3, np.int64))
    device.launch(double, 1, 32, stream, 0, array, np.int32(3))
    event = device.record(stream)
    asked = [device.has_come(event) for _ in range(4)]
    assert asked == [False, False, True, True]
    device.copy_in(array, np.zeros(3, np.int64), stream)
    assert device.record(stream, event) is event
    assert not device.has_come(event)
    device.wait(event)
    assert device.has_come(event)


def test_kernels_may_touch_arrays_of_the_device_as_long_as_they_live():
    device = EmulatedDevice()
    stream = device.stream()
    array = copied_in(device, stream, np.arange(64))
    with pytest.raises(KernelFailure, match="at byte 512 of an array of 512 bytes"):
        device.launch(double, 1, 96, stream, 0, array, np.int32(65))
    assert device.address(array) % 256 == 0
    assert device.address(array[3:]) == device.address(array) + 24
    assert len(device._regions) == 1
    del array
    assert len(device._regions) == 0


def test_an_array_of_a_wrong_type_or_length_is_not_copied():
    device = EmulatedDevice()
    array = device.empty(4, np.int64)
    for host in (np.zeros(4), np.zeros(5, np.int64)):
        with pytest.raises(TypeError, match="is not copied to one of int64"):
            device.copy_in(array, host, device.stream())


def test_shared_memory_has_a_limit_with_what_a_kernel_has_of_its_own():
    stream, plain = EmulatedDevice().stream(), cuda_device.PLAIN_SHARED
    for max_shared in (plain, 100_000):
        device = EmulatedDevice(max_shared)
        array = device.empty(1, np.int32)
        device.launch(with_shared, 1, 3, stream, max_shared - 16, array)
        for shared in {plain - 4, max_shared - 4}:
            with pytest.raises(ValueError, match=r"16 \+ \d+ bytes of shared memory, of \d+"):
                device.launch(with_shared, 1, 3, stream, shared, array)
        with pytest.raises(ValueError, match="bytes of shared memory, of"):
            device.launch(with_shared, 1, 3, stream, max_shared + 1, array)


@pytest.mark.parametrize("arg", [3, 3.5, np.zeros(3), [1]])
def test_numbers_without_a_type_and_arrays_of_the_host_are_no_arguments(arg):
    device = EmulatedDevice()
    with pytest.raises(TypeError, match="an argument of a kernel is a"):
        device.launch(double, 1, 32, device.stream(), 0, device.empty(1, np.int32), arg)


def test_the_backend_is_there_for_a_while():
    before = fastpr.available_backends()
    names = "get", "current", "why_not", "device_of"
    functions = [getattr(cuda_device, name) for name in names]
    for _ in range(2):
        with emulated(max_shared=50_000) as device:
            assert fastpr.available_backends() == [*before, "cuda"]
            assert cuda_device.current() is cuda_device.get(0) is device
            assert device.max_shared == 50_000
            state = fastpr.PrecisionRecallAtEqualThresholds(3, backend="cuda")
            assert state.update([True, False], [0.7, 0.2]).compute().tp.tolist() == [1, 1, 0]
            assert len(device.launches) > 0
        assert fastpr.available_backends() == before
        assert [getattr(cuda_device, name) for name in names] == functions
        with pytest.raises(fastpr.BackendUnavailable, match="cuda"):
            fastpr.PrecisionRecallAtEqualThresholds(3, backend="cuda").update([True], [0.5])
