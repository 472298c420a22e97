"""The gate of rankings for arrays on a device: what is taken, where it lies, what is refused."""

from __future__ import annotations

from itertools import pairwise

import ml_dtypes
import numpy as np
import pytest
import rank_stand_in
from device_doubles import Cupy, OnCuda
from rank_stand_in import on_device

import fastpr
from fastpr.ranking.rows import device as device_rows
from fastpr.ranking.rows.device import DeviceRows
from fastpr.ranking.rows.host import Rows
from fastpr.ranking.rows.read import read_rows

RNG = np.random.default_rng(0)
SCORES = RNG.random((4, 3, 5)).astype(np.float32)
LABELS = RNG.integers(-1, 6, (4, 3, 2))
INDPTR = np.arange(13)
INDICES = RNG.integers(0, 5, 12)


@pytest.fixture(autouse=True)
def devices(monkeypatch):
    monkeypatch.delenv("FASTPR_BACKEND", raising=False)
    return rank_stand_in.install(monkeypatch)


def read(labels, scores, weights=None, backend=None):
    return read_rows(labels, scores, weights, backend)


def device_rows_of(labels, scores, weights=None):
    rows = read(on_device(labels), on_device(scores), weights)
    assert type(rows) is DeviceRows
    return rows


# ---- on the host ----


@pytest.mark.parametrize(
    "weights", [None, 0.5, np.float32(2), np.ones((4, 3)), [[1], [1], [1], [0]]]
)
@pytest.mark.parametrize(
    "labels", [LABELS, LABELS.tolist(), (INDPTR, INDICES), LABELS[..., 0], memoryview(LABELS)]
)
def test_arrays_on_the_host_stay_there(labels, weights):
    rows = read(labels, SCORES, weights)
    assert type(rows) is Rows
    assert type(read(labels, memoryview(SCORES), weights)) is Rows


def test_sparse_matrices_are_on_the_host():
    sparse = pytest.importorskip("scipy.sparse")
    matrix = sparse.csr_array(SCORES.reshape(12, 5))
    assert type(read(matrix, SCORES.reshape(12, 5))) is Rows
    assert type(read([[0]] * 12, matrix)) is Rows
    with pytest.raises(ValueError, match=r"^labels are on the host and predictions on cuda:0"):
        read(matrix, Cupy(SCORES.reshape(12, 5)))


# ---- on a device ----


@pytest.mark.parametrize(
    ("dtype", "kernel"),
    [
        (np.float16, "f16"),
        (ml_dtypes.bfloat16, "bf16"),
        (np.float32, "f32"),
        (np.float64, "f64"),
        (np.uint8, "u8"),
    ],
)
def test_scores_of_every_dtype_are_read_where_they_are(dtype, kernel):
    scores = SCORES.astype(dtype)
    rows = device_rows_of(LABELS, scores)
    assert (rows.kernel, rows.shape, rows.num_rows, rows.num_classes) == (kernel, (4, 3), 12, 5)
    assert rows.scores.address == scores.ctypes.data
    assert rows.scores.strides == scores.strides
    assert rows.row_stride == 5 * scores.itemsize


@pytest.mark.parametrize(
    "dtype", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"]
)
def test_labels_of_every_integer_dtype_are_read_where_they_are(dtype):
    labels, pair = LABELS.astype(dtype), (INDPTR.astype(dtype), INDICES.astype(dtype))
    rows = device_rows_of(labels, SCORES)
    assert (rows.labels.address, rows.labels.dtype) == (labels.ctypes.data, dtype)
    assert (rows.num_labels, rows.indptr) == (2, None)
    rows = device_rows_of(pair, SCORES)
    assert (rows.labels.address, rows.labels.dtype) == (pair[1].ctypes.data, dtype)
    signed = "int64" if dtype == "uint64" else dtype
    assert (rows.indptr.address, rows.indptr.dtype) == (pair[0].ctypes.data, signed)
    assert rows.num_labels == 12


def test_one_label_a_row_needs_no_axis_of_labels():
    rows = device_rows_of(LABELS[..., 0], SCORES)
    assert rows.num_labels == 1
    assert rows.labels_row_stride == LABELS.strides[1]
    assert device_rows_of(np.array(3), SCORES[0, 0]).num_rows == 1


def test_no_labels_have_no_dtype_of_their_own():
    assert device_rows_of(np.zeros((4, 3, 0)), SCORES).labels.dtype == np.int64
    assert device_rows_of((np.zeros(13, int), np.zeros(0)), SCORES).labels.dtype == np.int64


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        (None, None),
        (0.5, np.full(12, 0.5)),
        (np.float16(2), np.full(12, 2.0)),
        (np.array([[3]]), np.full(12, 3.0)),
    ],
)
def test_scalar_weights_may_be_on_the_host(weights, expected):
    rows = device_rows_of(LABELS, SCORES, weights)
    assert rows.device_weights is None
    found = rows.weights(None)
    assert expected is found or found.tolist() == expected.tolist()


def test_weights_on_the_device_are_read_later():
    weights = np.array([[-1.0], [2], [3], [4]])
    rows = device_rows_of(LABELS, SCORES, Cupy(weights))
    assert rows.device_weights.address == weights.ctypes.data
    assert rows.weights(abs(weights)).tolist() == np.repeat([1.0, 2, 3, 4], 3).tolist()
    with pytest.raises(ValueError, match=r"first: -1.0 at index \(0, 0\)"):
        rows.weights(weights)


def test_what_owns_the_memory_is_kept_until_it_is_released():
    labels, scores, weights = Cupy(LABELS), Cupy(SCORES), Cupy(np.ones((4, 3)))
    rows = read(labels, scores, weights)
    assert rows.owners == [scores, labels]
    assert rows.device_weights.owner is weights
    assert rows.scores.owner is rows.labels.owner is None
    rows.release()
    assert rows.owners == []
    pair = on_device((INDPTR, INDICES))
    rows = read(pair, scores)
    assert rows.owners == [scores, pair[1]]
    assert rows.indptr.owner is pair[0]


def test_streams_other_than_that_of_the_scores_are_named():
    scores = Cupy(SCORES, stream=7)
    assert read(Cupy(LABELS, stream=7), scores).other_streams == ()
    assert read(Cupy(LABELS, stream=9), scores, Cupy(1.0)).other_streams == (1, 9)
    pair = Cupy(INDPTR, stream=8), Cupy(INDICES, stream=7)
    assert read(pair, scores).other_streams == (8,)


# ---- pieces ----


def layouts():
    """Scores and labels of the same leading shape, and how many pieces they are."""
    wide = RNG.random((4, 6, 3, 10)).astype(np.float32)
    many = RNG.integers(0, 9, (4, 6, 3, 4))
    yield "contiguous", wide, many, 1
    yield "every second class, from the last on", wide[..., ::-2], many[..., ::-1], 1
    yield "first axis reversed", wide[::-1], many, 4
    yield "every axis reversed", wide[::-1, ::-1, ::-1], many[::-1, ::-1, ::-1], 1
    yield "labels are one row", wide, np.broadcast_to(many[0, 0, 0], many.shape), 1
    yield "rows are a part", wide[:, ::2], many[:, 1::2], 12
    yield "labels are not as scores", wide[:, :3], many[:, :3].copy(), 4
    yield "last axes swapped", wide.transpose(0, 2, 1, 3), many.transpose(0, 2, 1, 3), 12
    yield "repeated scores", np.broadcast_to(wide[:1], wide.shape), many, 4
    yield "all scores are one row", np.broadcast_to(wide[0, 0, 0], wide.shape), many, 1
    yield "axes of one element", wide[:1, :, :1], many[:1, :, :1], 1
    yield "a single row", wide[0, 0, 0], many[0, 0, 0], 1
    first = RNG.integers(0, 9, (5, 6, 3, 10))
    yield "classes first", np.moveaxis(wide, 0, -1), np.moveaxis(first, 0, -1), 1
    yield "no rows", wide[:, :0], many[:, :0], 0
    yield "no labels", wide, many[..., :0], 1


LAYOUTS = {name: rest for name, *rest in layouts()}


def read_pieces(rows):
    """Return all scores, labels and indptr as a kernel reads them."""
    scores, labels = [], []
    itemsize = rows.scores.dtype.itemsize
    for piece in rows.pieces():
        num_rows = piece.stop - piece.start
        scores.append(
            rank_stand_in.memory(
                piece.scores_address,
                (num_rows, rows.num_classes),
                (rows.row_stride, rows.scores.strides[-1]),
                f"f{itemsize}",
            )
        )
        if piece.starts_address is None:
            shape = num_rows, rows.num_labels
            strides = rows.labels_row_stride, rows.labels.strides[-1]
            labels.append(
                rank_stand_in.memory(piece.labels_address, shape, strides, rows.labels.dtype)
            )
            assert piece.num_entries == num_rows * (1 + rows.num_labels)
        else:
            assert piece.labels_address == rows.labels.address
            assert piece.num_entries == num_rows + rows.num_labels
            labels.append(
                rank_stand_in.memory(
                    piece.starts_address, (num_rows + 1,), rows.indptr.strides, rows.indptr.dtype
                )
            )
    return scores, labels


@pytest.mark.parametrize("most", [1, 7, 40, 1 << 22])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_pieces_are_all_rows_in_order(monkeypatch, layout, most):
    monkeypatch.setattr(device_rows, "MAX_PIECE", most)
    scores, labels, num_pieces = LAYOUTS[layout]
    rows = device_rows_of(labels, scores)
    pieces = list(rows.pieces())
    if most == 1 << 22:
        assert len(pieces) == num_pieces
    assert [piece.start for piece in pieces[1:]] == [piece.stop for piece in pieces[:-1]]
    assert all(each.num_entries <= most or each.stop == each.start + 1 for each in pieces)
    if not pieces:
        assert rows.num_rows == 0
        return
    assert (pieces[0].start, pieces[-1].stop) == (0, rows.num_rows)
    read_scores, read_labels = map(np.concatenate, read_pieces(rows))
    assert np.array_equal(read_scores, scores.reshape(-1, scores.shape[-1]))
    assert np.array_equal(read_labels, labels.reshape(len(read_scores), -1))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_pieces_of_ragged_rows_share_their_labels(monkeypatch, layout):
    monkeypatch.setattr(device_rows, "MAX_PIECE", 1)
    scores = LAYOUTS[layout][0]
    num_rows = int(np.prod(scores.shape[:-1]))
    indptr = np.repeat(np.arange(num_rows + 1), 3)[::3]
    rows = device_rows_of((indptr, np.arange(num_rows)), scores)
    read_scores, starts = read_pieces(rows)
    if not num_rows:
        assert not read_scores
        return
    assert np.array_equal(np.concatenate(read_scores), scores.reshape(num_rows, -1))
    assert np.concatenate([each[:-1] for each in starts]).tolist() == indptr[:-1].tolist()
    assert all(left[-1] == right[0] for left, right in pairwise(starts))


# ---- what is refused ----


def message(call):
    with pytest.raises((ValueError, TypeError)) as caught:
        call()
    return type(caught.value), str(caught.value)


FLAT = SCORES.reshape(12, 5)
REFUSED = {
    "dtype of scores": (LABELS, SCORES.astype(np.int32), None),
    "bool scores": (LABELS, SCORES > 0, None),
    "complex scores": (LABELS, SCORES.astype(np.complex64), None),
    "no classes": (LABELS, SCORES[..., :0], None),
    "a single score": (LABELS[0, 0], SCORES[0, 0, 0], None),
    "bool labels": (LABELS > 0, SCORES, None),
    "float labels": (LABELS.astype(np.float32), SCORES, None),
    "bfloat16 labels": (LABELS.astype(ml_dtypes.bfloat16), SCORES, None),
    "no labels, of float32": (np.zeros((4, 3, 0), np.float32), SCORES, None),
    "other rows": (LABELS[:3], SCORES, None),
    "too many axes": (LABELS[..., np.newaxis], SCORES, None),
    "too few axes": (LABELS[0, :, 0], SCORES, None),
    "indptr of floats": ((INDPTR * 1.0, INDICES), SCORES, None),
    "indices of bool": ((INDPTR, INDICES > 0), SCORES, None),
    "indptr too short": ((INDPTR[1:], INDICES), SCORES, None),
    "indptr too long": ((np.arange(14), INDICES), SCORES, None),
    "no indptr": ((INDPTR[:0], INDICES), SCORES, None),
    "shape of weights": (LABELS, SCORES, np.ones((3, 4))),
    "weights for one axis": (LABELS, SCORES, np.ones(3)),
    "weights for classes": (LABELS, SCORES, np.ones((4, 3, 5))),
    "complex weights": (LABELS, SCORES, np.ones((4, 3), complex)),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_on_the_host_is_on_a_device_in_the_same_words(name):
    labels, scores, weights = REFUSED[name]
    expected = message(lambda: Rows(labels, scores, weights))
    weights = None if weights is None else Cupy(weights)
    assert message(lambda: read(on_device(labels), Cupy(scores), weights)) == expected


@pytest.mark.parametrize("weights", [-1.0, np.nan, np.inf, np.array([[-2]]), 1j])
def test_scalar_weights_are_refused_at_once(weights):
    expected = message(lambda: Rows(LABELS, SCORES, weights))
    assert message(lambda: read(Cupy(LABELS), Cupy(SCORES), weights)) == expected


def test_a_tuple_of_tables_is_no_pair():
    assert message(lambda: device_rows_of((LABELS[0], LABELS[0, 0]), SCORES)) == (
        ValueError,
        "labels are a tuple of arrays of shapes (3, 2) and (2,); pass an array, or (indptr, "
        "indices), which have one dimension each",
    )


def test_more_labels_than_kernels_count_are_refused():
    many = np.broadcast_to(np.int8(0), (4, 3, 2**31))
    assert message(lambda: device_rows_of(many, SCORES)) == (
        ValueError,
        "labels on a device are 2147483648 in each row; pass at most 2147483647 in an update",
    )
    assert message(lambda: device_rows_of((INDPTR, many[0, 0]), SCORES)) == (
        ValueError,
        "labels on a device are 2147483648 in all; pass at most 2147483647 in an update",
    )
    assert device_rows_of((INDPTR, many[0, 0, 1:]), SCORES).num_labels == 2**31 - 1


@pytest.mark.parametrize(
    "labels", [LABELS, LABELS.tolist(), (INDPTR, INDICES), [[{0}] * 3] * 4, LABELS[..., 0]]
)
def test_labels_have_to_be_where_the_scores_are(labels):
    assert message(lambda: read(labels, Cupy(SCORES))) == (
        ValueError,
        "labels are on the host and predictions on cuda:0; pass both on the same device",
    )


def test_scores_have_to_be_where_the_labels_are():
    there = "predictions on the host; pass both on the same device"
    assert message(lambda: read(Cupy(LABELS), SCORES)) == (
        ValueError, f"labels are on cuda:0 and {there}",
    )  # fmt: skip
    assert message(lambda: read(on_device((INDPTR, INDICES)), SCORES)) == (
        ValueError, f"labels (their indices) are on cuda:0 and {there}",
    )  # fmt: skip


@pytest.mark.parametrize("is_first", [True, False])
def test_both_parts_of_a_pair_have_to_be_where_the_scores_are(is_first):
    pair = (Cupy(INDPTR), INDICES) if is_first else (INDPTR, Cupy(INDICES))
    kind, text = message(lambda: read(pair, Cupy(SCORES)))
    assert kind is ValueError
    assert "labels (their indptr) are on" in text
    assert "and labels (their indices) on" in text


def test_weights_of_rows_have_to_be_where_the_scores_are():
    assert message(lambda: read(Cupy(LABELS), Cupy(SCORES), np.ones((4, 3)))) == (
        ValueError,
        "predictions are on cuda:0 and weights on the host; pass both on the same device",
    )
    assert message(lambda: read(LABELS, SCORES, Cupy(np.ones((4, 3))))) == (
        ValueError,
        "predictions are on the host and weights on cuda:0; pass both on the same device",
    )


def test_devices_have_to_be_the_same():
    scores, labels = Cupy(SCORES), Cupy(LABELS, device=1)
    assert message(lambda: read(labels, scores)) == (
        ValueError,
        "labels are on cuda:1 and predictions on cuda:0; pass both on the same device",
    )
    weights = Cupy(np.ones((4, 3)), device=1)
    assert message(lambda: read(Cupy(LABELS), scores, weights)) == (
        ValueError,
        "predictions are on cuda:0 and weights on cuda:1; pass both on the same device",
    )
    other = Cupy(SCORES, device=1)
    assert read(labels, other, weights).scores.device == 1


@pytest.mark.parametrize("elsewhere", ["labels", "indptr", "weights"])
def test_the_driver_knows_the_device_of_other_arrays(monkeypatch, elsewhere):
    labels, indptr, weights = LABELS.copy(), INDPTR.copy(), np.ones((4, 3))
    there = {"labels": labels, "indptr": indptr, "weights": weights}[elsewhere]
    monkeypatch.setattr(
        fastpr.backends.cuda.device, "device_of", lambda address: int(address == there.ctypes.data)
    )
    given = OnCuda(labels) if elsewhere != "indptr" else (OnCuda(indptr), OnCuda(INDICES))
    name = "labels (their indptr)" if elsewhere == "indptr" else elsewhere
    assert message(lambda: read(given, OnCuda(SCORES), OnCuda(weights))) == (
        ValueError,
        f"{name} are on cuda:1 and predictions on cuda:0; pass both on the same device",
    )


@pytest.mark.parametrize("backend", ["c", "numba", "reference"])
def test_a_host_backend_does_not_read_device_arrays(monkeypatch, backend):
    scores, labels = Cupy(SCORES), Cupy(LABELS)  # whether that backend is there or not
    with pytest.raises(ValueError, match=f"backend '{backend}' .* on cuda:0"):
        read(labels, scores, backend=backend)
    with pytest.raises(ValueError, match=f"backend '{backend}' .* on cuda:0"):
        fastpr.average_precision_at_k(labels, scores, 3, backend=backend)
    monkeypatch.setenv("FASTPR_BACKEND", backend)
    with pytest.raises(ValueError, match=f"FASTPR_BACKEND={backend} .* on cuda:0"):
        read(labels, scores)
    assert type(read(labels, scores, backend="cuda")) is DeviceRows
