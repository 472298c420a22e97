"""torch tensors are read where they are. Skipped without torch; FASTPR_REQUIRE=torch demands it."""

import subprocess
import sys

import numpy as np
import oracle
import pytest
from compare import assert_same_bits, assert_same_data
from read_rows import row_labels

import fastpr
from fastpr.curves.ratios import precision_recall
from fastpr.ranking.rows.host import Rows

torch = pytest.importorskip("torch")

KINDS = ("float16", "bfloat16", "float32", "float64", "uint8", "uint16")


def tensors(kind):
    values = torch.arange(256)
    if kind == "uint8":
        return values.to(torch.uint8)
    if kind == "uint16":
        return torch.from_numpy((np.arange(256) * 257).astype(np.uint16))
    return (values.to(torch.float64) / 255).to(getattr(torch, kind))


def as_array(tensor, kind):
    if kind == "bfloat16":
        return tensor.to(torch.float64).numpy().astype(oracle.dtype_of(kind))
    return tensor.numpy()


LABELS = torch.arange(256) % 3 == 0


@pytest.mark.parametrize("kind", KINDS)
def test_every_dtype_counts_as_the_array_does(kind):
    scores = tensors(kind)
    expected = oracle.table(LABELS.numpy(), as_array(scores, kind), kind, 201)
    data = fastpr.precision_recall_at_equal_thresholds(LABELS, scores)
    assert_same_data(data, precision_recall(expected))


@pytest.mark.parametrize("kind", KINDS[:4])
def test_strided_tensors_and_those_that_require_grad(kind):
    scores = tensors(kind)[::2].requires_grad_()
    expected = oracle.table(LABELS[::2].numpy(), as_array(scores.detach(), kind), kind, 201)
    data = fastpr.precision_recall_at_equal_thresholds(LABELS[::2], scores)
    assert_same_data(data, precision_recall(expected))


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint8", "int16", "int32", "int64"])
def test_labels_of_any_integer_dtype(dtype):
    scores = tensors("float32")
    data = fastpr.precision_recall_at_equal_thresholds(LABELS.to(getattr(torch, dtype)), scores)
    assert_same_data(data, fastpr.precision_recall_at_equal_thresholds(LABELS, scores))


@pytest.mark.parametrize("dtype", ["bool", "bfloat16", "float16", "float32", "float64", "int64"])
def test_weights_of_any_dtype(dtype):
    scores, weights = tensors("float32"), (torch.arange(256) % 2).to(getattr(torch, dtype))
    data = fastpr.precision_recall_at_equal_thresholds(LABELS, scores, weights)
    kept = torch.arange(256) % 2 == 1
    expected = fastpr.precision_recall_at_equal_thresholds(LABELS[kept], scores[kept])
    assert_same_bits(data.tp, expected.tp.astype(np.float64))
    assert_same_bits(data.fp, expected.fp.astype(np.float64))


def test_sparse_tensors_are_refused():
    sparse = tensors("float32").to_sparse()
    with pytest.raises(TypeError, match="predictions are a sparse tensor"):
        fastpr.precision_recall_at_equal_thresholds(LABELS, sparse)


def test_tensors_elsewhere_are_refused_with_their_place():
    elsewhere = torch.zeros(256, device="meta")
    with pytest.raises(fastpr.BackendUnavailable, match="predictions are on meta"):
        fastpr.precision_recall_at_equal_thresholds(LABELS, elsewhere)


def test_flushing_denormals_changes_nothing():
    """torch can make the CPU take denormals for 0; a negative one must stay invalid."""
    program = """
import numpy as np, torch, fastpr
scores = np.array([0.5, -1e-45, 1e-45, -0.0], np.float32)
doubles = np.array([0.5, -5e-324, 5e-324, -0.0])
assert torch.set_flush_denormal(True)
for backend in fastpr.available_backends():
    if backend == "reference":
        continue
    for values in (scores, doubles):
        state = fastpr.PrecisionRecallAtEqualThresholds(invalid="drop", backend=backend)
        state.update([0, 0, 1, 1], values)
        assert (state.num_dropped, state.num_samples) == (1, 3), (backend, state)
print("same")
"""
    done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "same", done.stderr


def test_rows_of_tensors_are_read_where_they_are():
    scores, ids = torch.rand(2, 5).bfloat16().requires_grad_(), torch.tensor([[0], [3]])
    rows = Rows(ids, scores, torch.tensor([1.0, 2.0]))
    assert rows.kernel == "bf16"
    bits = scores.detach().view(torch.int16).numpy()
    assert np.shares_memory(rows.block(0, 2).scores, bits)
    assert np.shares_memory(rows.block(0, 2).labels, ids.numpy())
    assert row_labels(Rows(list(ids), scores)) == [[0], [3]]
    assert row_labels(Rows((torch.tensor([0, 1, 2]), ids[:, 0]), scores)) == [[0], [3]]
    ranks = fastpr.label_ranks(ids, scores, 5).ranks.tolist()
    values = scores.detach().float()
    assert ranks == [int((row > row[i]).sum()) for row, i in zip(values, (0, 3), strict=True)]


def test_flushing_denormals_changes_no_rank():
    program = """
import numpy as np, torch, fastpr
rows = [
    np.array([[0.0, -1e-45, 1e-45, -0.0, 3e-45, 0.0]], np.float32),
    np.array([[0.0, -5e-324, 5e-324, -0.0, 1e-323, 0.0]]),
    np.array([[0, 0x8001, 1, 0x8000, 2, 0]], np.uint16).view(np.float16),
]
assert torch.set_flush_denormal(True)
for backend in fastpr.available_backends():
    if backend == "reference":
        continue
    for scores in rows:
        wide = np.repeat(scores, 100, axis=1)  # not a short row
        found = fastpr.label_ranks([range(6)], scores, 6, backend=backend)
        assert found.labels.tolist() == [4, 2, 0, 3, 5, 1], (backend, scores.dtype)
        found = fastpr.label_ranks([range(0, 600, 100)], wide, 600, backend=backend)
        assert found.ranks.tolist() == [0, 100, 200, 300, 400, 500], (backend, scores.dtype)
        assert found.labels.tolist() == [400, 200, 0, 300, 500, 100], (backend, scores.dtype)
print("same")
"""
    done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "same", done.stderr
