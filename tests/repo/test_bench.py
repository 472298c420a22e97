"""What can be wrong in bench/: checks that let wrong answers pass, and tables of workloads.

Nothing is timed here, and no peer is needed: answers that others would give are made by NumPy.
"""

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

import fastpr

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bench"))

import answers
import distributions
import long_arrays
import peers
import rank_peers
import workloads

T = 201
NUM = 20_000


# ---- the answers that are expected ----


@pytest.mark.parametrize("name", distributions.DISTRIBUTIONS)
def test_distributions_are_scores_and_labels_and_always_the_same(name):
    scores, labels = distributions.make_samples(name, 10_001)
    assert scores.shape == labels.shape == (10_001,)
    assert (scores.dtype, labels.dtype) == (np.float32, bool)
    assert scores.min() >= 0
    assert scores.max() <= 1
    again = distributions.make_samples(name, 10_001)
    assert np.array_equal(again[0], scores)
    assert np.array_equal(again[1], labels)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("num_thresholds", [2, T, 4001])
@pytest.mark.parametrize("weighted", [False, True])
def test_expected_counts_are_those_of_the_reference(dtype, num_thresholds, weighted):
    scores, labels = distributions.make_samples("uniform", NUM)
    scores[:T] = np.arange(T) / (T - 1)
    scores = distributions.as_scores(scores, dtype)
    weights = distributions.make_weights(NUM, "float32") if weighted else None
    table = answers.expected_table(scores, labels, weights, num_thresholds)
    data = fastpr.precision_recall_at_equal_thresholds(
        labels, scores, weights, num_thresholds, backend="reference"
    )
    assert answers.check_counts(data, table) == 4 * num_thresholds
    wrong = data._replace(tp=data.tp + (np.arange(num_thresholds) == 1))
    with pytest.raises(AssertionError, match="tp differ"):
        answers.check_counts(wrong, table)


def test_counts_that_are_not_integers_are_refused():
    scores, labels = distributions.make_samples("uniform", NUM)
    table = answers.expected_table(scores, labels, None, T)
    data = fastpr.precision_recall_at_equal_thresholds(labels, scores)
    with pytest.raises(AssertionError, match="not counts"):
        answers.check_counts(data._replace(fp=data.fp.astype(np.float64)), table)


def test_average_precision_bounds_hold_and_are_tight():
    for seed in range(20):
        rng = np.random.default_rng(seed)
        scores = rng.random(3000, dtype=np.float32).round(2 + seed % 3)
        labels = rng.random(3000) < scores
        low, high = answers.average_precision_bounds(
            answers.expected_table(scores, labels, None, T)
        )
        assert low <= average_precision_score(labels, scores) <= high
        assert high - low < 0.05


def test_average_precision_of_rows_is_checked():
    labels, scores = distributions.make_rows(20, 50, 3, 1.0)
    assert all(len(set(row)) == 3 for row in labels.tolist())
    values = fastpr.average_precision_at_k(labels, scores, 5, per_row=True)
    assert answers.check_average_precision(values[:8], labels, scores, 5) == 8
    with pytest.raises(AssertionError, match="differ"):
        answers.check_average_precision(values[:8] + 1e-9, labels, scores, 5)


# ---- the checks of peers ----


def tensor(values):
    return SimpleNamespace(numpy=lambda: np.asarray(values))


def sums(table):
    fp, tp = table[:, ::-1].cumsum(axis=1)[:, ::-1]
    return fp, tp


def answer_of_torcheval(table):
    fp, tp = sums(table)
    precision = np.append(tp / np.maximum(tp + fp, 1), 1)
    return tensor(precision), tensor(np.append(tp / tp[0], 0)), tensor([])


def answer_of_torchmetrics(table):
    counts = np.zeros((T, 2, 2))
    counts[:, 0, 1], counts[:, 1, 1] = sums(table)
    return tensor(counts), None


# What a peer whose bins are ours would answer, from a table of counts.
ANSWERS = {
    "boost-histogram": lambda table: SimpleNamespace(
        view=lambda flow: np.concatenate([np.zeros((1, 2)), table.T])
    ),
    "fast-histogram": lambda table: table.T,
    "numpy bincount": lambda table: table.T,
    "torcheval": answer_of_torcheval,
    "torchmetrics": answer_of_torchmetrics,
    "Keras": lambda table: SimpleNamespace(
        false_positives=sums(table)[0], true_positives=sums(table)[1]
    ),
}
HERE = ("numpy bincount", "scikit-learn", "scikit-learn AP")  # those that the tests bring along


def test_all_peers_have_an_answer_here():
    assert {peer.name for peer in peers.PEERS} == {*ANSWERS, *HERE}


@pytest.mark.parametrize("peer", peers.PEERS, ids=lambda peer: peer.name)
@pytest.mark.parametrize("distribution", workloads.HEADLINE)
def test_a_wrong_answer_of_a_peer_is_found(peer, distribution):
    scores, labels = distributions.make_samples(distribution, NUM)
    table = answers.expected_table(scores, labels, None, T)
    flipped = labels ^ (np.arange(NUM) % 50 == 0)  # one label in 50 is wrong
    moved = answers.expected_table(scores, flipped, None, T)
    if peer.name in HERE:
        right, wrong = (peer.prepare(scores, own, T, 1)() for own in (labels, flipped))
    else:
        right, wrong = (ANSWERS[peer.name](own) for own in (table, moved))
    assert peer.check(right, table) > 0
    with pytest.raises(AssertionError):
        peer.check(wrong, table)


def test_lost_samples_are_found():
    table = np.ones((2, T), np.int64)
    with pytest.raises(AssertionError, match="lost"):
        answers.check_moved(table * 0.999, table, 1e-3 * 0.6)
    with pytest.raises(AssertionError, match="shape"):
        answers.check_moved(table[:, 1:], table, 1e-3)


@pytest.mark.parametrize("peer", rank_peers.RANK_PEERS, ids=lambda peer: peer.name)
def test_a_wrong_answer_of_a_ranking_peer_is_found(peer):
    k = 5
    labels, scores = distributions.make_rows(50, 100, 3, 2.0)
    top = np.argsort(-scores, axis=1)[:, :k]
    bottom = np.argsort(scores, axis=1)[:, :k]
    mean = fastpr.average_precision_at_k(labels, scores, k)
    relevant = fastpr.average_precision_at_k(labels, scores, k, denominator="relevant")
    right, wrong = {
        "torch.topk": tuple(SimpleNamespace(indices=tensor(ids)) for ids in (top, bottom)),
        "argpartition": (top[:, ::-1], bottom),
        "TensorFlow": (mean, mean + 1e-6),
        "ranx": (relevant, relevant + 1e-3),
    }[peer.name]
    assert peer.check(right, labels, scores, k) > 0
    with pytest.raises(AssertionError):
        peer.check(wrong, labels, scores, k)


def test_argpartition_as_it_is_called():
    labels, scores = distributions.make_rows(50, 100, 3, 2.0)
    peer = next(peer for peer in rank_peers.RANK_PEERS if peer.name == "argpartition")
    assert peer.check(peer.prepare(labels, scores, 5, 1)(), labels, scores, 5) == 250


def test_a_peer_that_does_not_import_has_a_reason():
    there = peers.PEERS[0]._replace(modules=("numpy",))
    assert peers.missing_reason(there) == ""
    lacking = there._replace(package="no-such", modules=("fastpr_no_such_module",))
    assert "no-such does not import here (ModuleNotFoundError" in peers.missing_reason(lacking)


# ---- the tables of workloads ----


def test_workloads_have_the_figures_of_all_that_is_asked():
    rows = [*workloads.score_rows(), *workloads.rank_rows()]
    assert len(rows) == len(set(rows))
    assert sum(row.asked is not None for row in rows) == 14
    assert all(row.subject == workloads.AUTO for row in rows if row.asked is not None)
    names = [(row.workload.name, row.subject.name) for row in rows]
    assert len(names) == len(set(names))  # by which rows are found again
    for asked in workloads.ASKED_OF_PEERS.values():
        assert tuple(asked) == workloads.HEADLINE
    assert set(workloads.ASKED_OF_PEERS) <= {peer.name for peer in peers.PEERS}


@pytest.mark.parametrize(("classes", "labels"), [(10, 10), (100, 10), (10_000, 500), (20, 1)])
def test_labels_of_a_row_are_different(classes, labels):
    ids, scores = distributions.make_rows(4, classes, labels, 1.0)
    assert ids.shape == (4, labels)
    assert scores.shape == (4, classes)
    assert all(len(set(row)) == labels for row in ids.tolist())
    assert ids.min() >= 0
    assert ids.max() < classes


@pytest.mark.parametrize("memory", [0, 1 << 40])
def test_long_arrays_are_mapped_where_memory_is_too_small(memory, tmp_path, monkeypatch):
    monkeypatch.setattr(long_arrays, "memory_bytes", lambda: memory)
    arrays = long_arrays.LongArrays(tmp_path, 8192, base=2048)
    assert arrays.is_mapped == (memory == 0)
    assert sorted(path.name for path in tmp_path.iterdir()) == (
        ["labels", "scores"] if memory == 0 else []
    )
    for num in (1000, 2048, 8192):
        data = fastpr.precision_recall_at_equal_thresholds(arrays.labels[:num], arrays.scores[:num])
        assert data.tp[0] + data.fp[0] == num
        assert answers.check_counts(data, arrays.table(num)) == 4 * T
    arrays.close()


def test_long_arrays_want_room_on_the_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(long_arrays, "memory_bytes", lambda: 0)
    assert long_arrays.lacking_room(tmp_path, 1000) == 0
    assert long_arrays.lacking_room(tmp_path, 1 << 60) == 5 << 60


def test_workloads_can_be_made():
    for workload in workloads.SCORE_WORKLOADS:
        scores, labels, weights = workload._replace(log2=10).make(quick=True)
        assert scores.dtype.name == workload.scores
        assert labels.dtype.name == workload.labels
        assert (weights is None) == (workload.weights == "")


def test_thread_counts_end_with_all():
    assert workloads.thread_counts(1) == (1,)
    assert workloads.thread_counts(2) == (1, 2)
    assert workloads.thread_counts(96)[-1] == 96
    assert len(workloads.thread_counts(96)) < 40
