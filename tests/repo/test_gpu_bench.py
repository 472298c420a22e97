"""bench/gpu/run.py on the host: its checks are right, and it says so when an answer is wrong.

Skipped without torch, whose tests are a step of their own in .ci/run.
"""

import json
import sys
from pathlib import Path

import numpy as np
import oracle
import pytest
import ranking_oracle

import fastpr

torch = pytest.importorskip("torch")

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bench"))

from gpu import data as gpu_data  # noqa: E402
from gpu import peers as gpu_peers  # noqa: E402
from gpu import run as gpu  # noqa: E402
from gpu import timing as gpu_timing  # noqa: E402
from gpu.arrays import put  # noqa: E402
from gpu.place import ON_HOST, Place  # noqa: E402
from gpu.results import Results  # noqa: E402

HOST = Place("cpu")


@pytest.fixture
def run(tmp_path):
    """Return a function that runs the benchmark on the host: its exit status, and its report."""

    def call(*arguments):
        path = tmp_path / "gpu.json"
        status = gpu.main(["--quick", "--device", "cpu", "--out", str(path), *arguments])
        return status, json.loads(path.read_text())

    return call


def plant(monkeypatch, wrong):
    """Let every count be wrong by what a function adds to the true positives."""
    state = fastpr.PrecisionRecallAtEqualThresholds
    compute = state.compute

    def off(self):
        data = compute(self)
        return data._replace(tp=data.tp + wrong(data).astype(data.tp.dtype))

    monkeypatch.setattr(state, "compute", off)


# ---- what it compares with ----


@pytest.mark.parametrize("kind", gpu_data.FLOATS)
def test_thresholds_are_rounded_correctly(kind):
    for number in (2, 3, 11, 201, 1001, 6144, 29_055, 65_536, 65_537):
        bits = oracle.threshold_bits(number, kind).astype(oracle.FLOATS[kind][1])
        expected = bits.view(oracle.dtype_of(kind)).astype(np.float64)
        assert np.array_equal(gpu_data.thresholds_of(kind, number), expected), number


@pytest.mark.parametrize("kind", gpu_data.KINDS)
@pytest.mark.parametrize("num_thresholds", [2, 201, 65_537])
def test_tables_are_those_of_the_oracle(kind, num_thresholds):
    made = [gpu_data.make(name, 5000, HOST, kind) for name in gpu_data.DISTRIBUTIONS]
    made.append(gpu_data.edges(50_000, num_thresholds, HOST, kind))
    for scores, labels in made:
        if kind == "bfloat16":
            array = scores.view(torch.int16).numpy().view(oracle.dtype_of(kind))
        else:
            array = scores.numpy()
        expected = oracle.table(labels.numpy(), array, kind, num_thresholds)
        assert np.array_equal(gpu_data.table_of(scores, labels, num_thresholds), expected)
    weights = gpu_data.whole_weights(len(labels), HOST)
    sums = gpu_data.table_of(scores, labels, num_thresholds, weights)
    assert sums.sum() == weights.double().sum()


def test_ranks_are_those_of_the_oracle():
    labels, scores = gpu_data.rows(6, 60, 4, 1, HOST)
    for values in (scores, scores.round(), torch.zeros_like(scores)):
        found = gpu_data.ranks_of(labels, values)
        for row, ids, ranks in zip(values.numpy(), labels.tolist(), found, strict=True):
            assert ranking_oracle.ranking(row)[0][ids].tolist() == ranks.tolist()
        expected = [
            float(
                ranking_oracle.values_at(ranks.tolist(), 10, len(ranks))["average_precision"]
            )
            for ranks in found
        ]  # fmt: skip
        assert np.allclose(gpu_data.average_precisions(found, 10), expected, rtol=1e-14, atol=0)


@pytest.mark.parametrize("dtype", ["?", "u1", "i8", "u2", "f2", "f4", "f8"])
def test_arrays_keep_their_layout(dtype):
    array = np.arange(120).astype(dtype).reshape(4, 5, 6)
    for view in (
        array, array.T, array[1:, ::2, 3:], array[..., 0], array[2, 1, 4], array[:0],
        np.broadcast_to(array[:, :1], array.shape), np.asfortranarray(array),
        np.lib.stride_tricks.sliding_window_view(array.reshape(-1), 7),
    ):  # fmt: skip
        tensor = put(view, HOST)
        assert isinstance(tensor, torch.Tensor)
        assert np.array_equal(tensor.numpy(), view)
        steps = [step * tensor.element_size() for step in tensor.stride()]
        assert all(
            ours == theirs or size < 2 or not view.size
            for ours, theirs, size in zip(steps, view.strides, view.shape, strict=True)
        )
    assert np.array_equal(put(array.astype(array.dtype.newbyteorder(">")), HOST), array)


def test_wrong_counts_fail():
    scores, labels = gpu_data.make("uniform", 5000, HOST)
    table = gpu_data.table_of(scores, labels, 201)
    data = fastpr.precision_recall_at_equal_thresholds(labels, scores)
    gpu_data.assert_counts(data, table)
    for field in ("tp", "fp", "tn", "fn"):
        values = getattr(data, field).copy()
        values[17] += 1
        with pytest.raises(AssertionError, match=f"{field}: 1 of 201 are wrong, first at 17"):
            gpu_data.assert_counts(data._replace(**{field: values}), table)
    with pytest.raises(AssertionError, match="tp: int64 and float64"):
        gpu_data.assert_counts(data, table * 1.0)
    weighted = fastpr.precision_recall_at_equal_thresholds(labels, scores, 1.0)
    gpu_data.assert_counts(weighted, table * 1.0)
    with pytest.raises(AssertionError, match="tp: "):
        gpu_data.assert_counts(weighted._replace(tp=weighted.tp * (1 + 1e-11)), table * 1.0)


# ---- the command ----


def test_a_run_writes_what_it_checked_and_measured(run, capsys):
    status, report = run()
    out = capsys.readouterr().out
    assert status == 0, out
    assert (report["num_failed"], report["num_not_run"]) == (0, 0)
    assert report["num_passed"] == sum(group["passed"] for group in report["groups"].values())
    assert {"tests/cases.py", "tests/cases.py, weighted", "tests/ranking_cases.py", "behaviour",
            "thresholds", "weights", "layouts", "large ranks", "past 2**32",
            "timing"} <= set(report["groups"])  # fmt: skip
    assert all(group["passed"] for group in report["groups"].values())
    names = [figure["name"] for figure in report["figures"]]
    assert names[: len(gpu_timing.COUNTINGS)] == [each.name for each in gpu_timing.COUNTINGS]
    assert len(set(names)) == len(names)
    for figure in report["figures"]:
        assert figure["reached"] > 0
        assert (figure["met"] is None) == (figure["asked"] is None)
        assert figure["name"] in out
    wanted = {"host time of update", "first result in a new process, of torch tensors",
              *(each.name for each in gpu_timing.RANKINGS)}  # fmt: skip
    assert wanted <= set(names)
    assert report["machine"]["versions"]["torch"] == torch.__version__
    assert "mean nothing" in out


def test_a_wrong_answer_is_named_and_is_the_exit_status(run, monkeypatch, capsys):
    plant(monkeypatch, lambda data: np.arange(len(data.tp)) == 1)
    status, report = run("--only", "counts,sums,behaviour")
    assert status == 1
    assert report["num_failed"] > 10
    for name in ("tests/cases.py", "tests/cases.py, weighted", "behaviour"):
        assert report["groups"][name]["failed"], name
    assert "FAILED behaviour: update does not wait: AssertionError: tp: 1 of 201 are wrong, " in (
        capsys.readouterr().out
    )


def test_wrong_ranks_are_named(run, monkeypatch):
    label_ranks = fastpr.label_ranks

    def off(*args, **kwargs):
        found = label_ranks(*args, **kwargs)
        return found._replace(ranks=found.ranks[::-1].copy())

    monkeypatch.setattr(fastpr, "label_ranks", off)
    status, report = run("--only", "ranks")
    assert status == 1
    assert report["groups"]["tests/ranking_cases.py"]["failed"]


def test_a_wrong_answer_that_is_timed_hides_no_other_figure(monkeypatch):
    plant(monkeypatch, lambda data: (np.arange(len(data.tp)) == 1) & (len(data.tp) > 201))
    monkeypatch.setattr(gpu_timing, "COUNTINGS", gpu_timing.COUNTINGS[-3:])
    monkeypatch.setattr(gpu_timing, "RANKINGS", ())
    monkeypatch.setattr(gpu_peers, "PEERS", {})
    monkeypatch.setattr(gpu_timing, "time_first_results", lambda *args: None)
    results = Results(HOST)
    gpu_timing.run(HOST, ON_HOST, results, (0, 1))
    assert [name for name, _ in results.groups["timing"]["failed"]] == [
        each.name for each in gpu_timing.COUNTINGS[:2]
    ]
    assert results.figures[0]["name"] == gpu_timing.COUNTINGS[-1].name


def test_a_part_in_a_process_of_its_own(run):
    status, report = run("--isolate", "--only", "behaviour")
    assert (status, report["num_failed"]) == (0, 0)
    assert report["groups"]["behaviour"]["passed"] > 10


def test_what_there_was_no_time_for_is_no_pass(run):
    status, report = run("--isolate", "--only", "behaviour", "--seconds", "0")
    assert status == 1
    assert report["num_passed"] == 0
    assert ["update does not wait", "no time was left"] in report["groups"]["behaviour"]["not_run"]


def test_an_error_is_no_pass_and_others_still_run():
    results = Results(HOST)
    results.check("group", "first", lambda: 1 / 0)
    results.check("group", "second", lambda: None)
    group = results.groups["group"]
    assert (group["passed"], len(group["failed"])) == (1, 1)
    assert group["failed"][0][1] == "ZeroDivisionError: division by zero"


def test_without_a_gpu_it_says_so(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit, match="needs an NVIDIA GPU"):
        gpu.main([])
