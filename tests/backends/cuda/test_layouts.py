"""Samples of any layout come to the kernels in rows and columns, all of them, once."""

from fractions import Fraction

import numpy as np
import pytest

from fastpr.backends.cuda.histogram.kernels import UNIT
from fastpr.backends.cuda.histogram.layouts import pieces, windows
from fastpr.backends.cuda.histogram.request import Address
from fastpr.backends.cuda.histogram.weights import NARROW, WIDE, sums_of_limbs


def address(array, base=None):
    start = array.ctypes.data if base is None else base + array.ctypes.data
    return Address(start, array.strides, array.dtype)


def positions(shape, arrays):
    """Return the position and the addresses of every sample that pieces lead to."""
    found = {}
    for piece in pieces(shape, [address(array) for array in arrays]):
        for row in range(piece.num_rows):
            for col in range(piece.num_cols):
                position = piece.offset + row * piece.row_pitch + col * piece.col_pitch
                assert position not in found
                found[position] = tuple(
                    start + row * by_row + col * by_col for start, by_row, by_col in piece.places
                )
    return found


def grid(dtype=np.float32):
    return np.zeros((4, 3, 5, 7), dtype)


LAYOUTS = {
    "contiguous": (grid(), grid(bool)),
    "one channel": (grid()[:, 1], np.zeros((4, 5, 7), bool)),
    "every other": (grid()[..., ::2], grid(bool)[..., ::2]),
    "backwards": (grid()[..., ::-1], grid(bool)),
    "transposed": (grid().T, grid(bool).T),
    "one transposed": (np.zeros((7, 5, 3, 4), np.float32).T, grid(bool)),
    "channels last": (np.zeros((4, 5, 7, 3), np.float32).transpose(0, 3, 1, 2), grid(bool)),
    "broadcast": (grid(), grid(bool), np.broadcast_to(np.ones((3, 1, 7)), (4, 3, 5, 7))),
    "a weight for each": (grid(), grid(bool), np.broadcast_to(np.ones((4, 1, 1, 1)), (4, 3, 5, 7))),
    "one sample": (np.zeros((1, 1), np.float32), np.zeros((1, 1), bool)),
    "0-d": (np.array(0.5), np.array(True)),
    "axes of length 1": (np.zeros((1, 9, 1, 4))[:, ::2], np.zeros((1, 5, 1, 4), bool)),
    "six axes": (np.zeros((2, 3, 2, 3, 2, 3)).T, np.zeros((3, 2, 3, 2, 3, 2), bool)),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_sample_is_in_one_piece_at_its_place(name):
    arrays = LAYOUTS[name]
    shape = arrays[0].shape
    found = positions(shape, arrays)
    expected = {}
    for position, index in enumerate(np.ndindex(*shape)):
        expected[position] = tuple(
            array.ctypes.data + sum(i * s for i, s in zip(index, array.strides, strict=True))
            for array in arrays
        )
    assert found == expected


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("contiguous", 1), ("one channel", 1), ("transposed", 12), ("backwards", 1),
        ("every other", 1), ("0-d", 1), ("channels last", 4),
    ],
)  # fmt: skip
def test_pieces_are_few(name, number):
    arrays = LAYOUTS[name]
    shape = arrays[0].shape
    assert len(list(pieces(shape, [address(array) for array in arrays]))) == number


def at(start, num, dtype):
    dtype = np.dtype(dtype)
    return Address(start, (dtype.itemsize,), dtype)


@pytest.mark.parametrize("head", range(17))
def test_rows_are_read_wide_from_where_all_arrays_are_aligned(head):
    """As x[head:] and y[head:] of two arrays that are."""
    num = 1000
    arrays = [at(4096 + 4 * head, num, "f4"), at(65536 + head, num, "u1")]
    found = list(pieces((num,), arrays))
    dtypes = [array.dtype for array in arrays]
    assert found[-1].is_wide(dtypes)
    assert sum(piece.num_cols for piece in found) == num
    assert [piece.offset for piece in found] == [0, -head % UNIT][: len(found)]
    assert len(found) == (1 if head % UNIT == 0 else 2)
    assert found[-1].places[0][0] == arrays[0].address + 4 * found[-1].offset


def test_rows_that_are_never_aligned_together_are_not_read_wide():
    arrays = [at(4096, 1000, "f4"), at(65536 + 1, 1000, "u1")]
    (piece,) = pieces((1000,), arrays)
    assert not piece.is_wide([array.dtype for array in arrays])


def test_rows_that_begin_anywhere_are_not_read_wide():
    scores, labels = np.zeros((5, 33), np.float32), np.zeros((5, 33), bool)
    (piece,) = pieces((5, 32), [address(scores[:, :32]), address(labels[:, :32])])
    assert not piece.is_wide([scores.dtype, labels.dtype])


@pytest.mark.parametrize("max_shared", [48 * 1024, 99 * 1024, 227 * 1024])
def test_windows_cover_the_cells_and_fit(max_shared):
    most = max_shared // 4 - 2
    for num_cells in (4, 402, most - 1, most, most + 1, 2 * most, 2 * most + 1, 131_074):
        plan = windows(num_cells, max_shared)
        assert plan.shared == 4 * (plan.num_cells + 2) <= max_shared
        assert plan.num_windows * plan.num_cells >= num_cells
        assert (plan.num_windows - 1) * plan.num_cells < num_cells
        assert (plan.num_windows == 1) == (num_cells <= most)


@pytest.mark.parametrize("grid", [NARROW, WIDE])
def test_limbs_become_sums_and_what_was_rounded_off(grid):
    """Compared with whole numbers of Python."""
    rng = np.random.default_rng(1)
    limbs = rng.integers(0, 2**45, (grid.num_limbs, 6))
    limbs[:, 1] = 0
    limbs[3:, 2] = 0
    # sums stay below the largest float64
    limbs[-3:] = 0
    sums = sums_of_limbs({grid: limbs.reshape(-1)})
    unit = Fraction(2) ** grid.exponent
    for cell in range(6):
        exact = unit * sum(int(limb) << (32 * i) for i, limb in enumerate(limbs[:, cell]))
        high = exact.numerator / exact.denominator
        assert sums[0, cell] == high
        rest = exact - Fraction(high)
        assert sums[1, cell] == rest.numerator / rest.denominator
        assert sums[0, cell] + sums[1, cell] == sums[0, cell]


def test_limbs_of_both_grids_add_up():
    narrow = np.zeros((NARROW.num_limbs, 1), np.int64)
    narrow[4] = 2**21  # of the unit 2**-149: 2**(128 + 21 - 149), which is 1
    wide = np.zeros((WIDE.num_limbs, 1), np.int64)
    wide[33] = 2**18  # 2**(1056 + 18 - 1074), which is 1
    assert sums_of_limbs({NARROW: narrow.ravel(), WIDE: wide.ravel()}).tolist() == [[2.0], [0.0]]
    assert sums_of_limbs({NARROW: np.zeros(NARROW.num_limbs, np.int64)}) is None


def test_a_sum_that_is_no_float64_is_an_error():
    wide = np.zeros((WIDE.num_limbs, 1), np.int64)
    wide[-1] = 1
    with pytest.raises(OverflowError, match="scale the weights down"):
        sums_of_limbs({WIDE: wide.ravel()})
