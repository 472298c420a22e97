"""Curves: what they are made of, what they show at thresholds, and what they refuse."""

import copy
import math
import pickle
import sys
import types

import numpy as np
import pytest
from compare import assert_same_bits

import fastpr
from fastpr.curves import ratios
from fastpr.curves.curve import Curve, replace_table
from fastpr.curves.estimates import CONVENTIONS, Conventions, conventions_of

ARRAYS = ("thresholds", "tp", "fp", "fn", "tn", "precision", "recall", "tpr", "fpr", "specificity",
          "accuracy", "balanced_accuracy", "iou", "mcc")  # fmt: skip
RATIOS = ARRAYS[5:]
COUNTS = ([4, 3, 0], [4, 1, 0], [0, 3, 4], [0, 1, 4])
TABLE = np.array([[3, 0, 1], [1, 2, 4]])
EDGES = [0.0, 0.5, 1.0]


def state_of(num_thresholds=11, size=200, weights=None, **options):
    rng = np.random.default_rng(size)
    scores = rng.random(size)
    state = fastpr.PrecisionRecallAtEqualThresholds(num_thresholds, **options)
    return state.update(rng.random(size) < scores, scores, weights)


# ---- arrays ----


@pytest.mark.parametrize("zero_division", [0.0, 1.0, math.nan])
@pytest.mark.parametrize("weighted", [False, True])
def test_counts_and_ratios_are_those_that_compute_gives(zero_division, weighted):
    weights = np.random.default_rng(0).random(200) if weighted else None
    for num_thresholds in (2, 11, 201):
        state = state_of(num_thresholds, weights=weights)
        table = state._read().table(num_thresholds)
        data = ratios.precision_recall(table, zero_division)
        curve = Curve.from_bins(table, data.thresholds, conventions=conventions_of(zero_division))
        for name in data._fields:
            assert_same_bits(getattr(curve, name), getattr(data, name), name)
        assert_same_bits(curve.f(), ratios.f1(data))
        assert_same_bits(curve.iou, ratios.iou(data))
        if not weighted:
            again = Curve.from_counts(*data[:4], conventions=conventions_of(zero_division))
            for name in data._fields:
                assert_same_bits(getattr(again, name), getattr(data, name), name)


def test_the_other_ratios_are_those_of_their_definitions():
    curve = Curve.from_bins(TABLE, EDGES)
    for at in range(3):
        tp, fp, fn, tn = (int(getattr(curve, n)[at]) for n in ("tp", "fp", "fn", "tn"))
        assert curve.tpr[at] == curve.recall[at] == tp / (tp + fn)
        assert curve.fpr[at] == fp / (fp + tn)
        assert curve.specificity[at] == tn / (fp + tn)
        assert curve.accuracy[at] == (tp + tn) / (tp + fp + fn + tn)
        assert curve.balanced_accuracy[at] == (curve.tpr[at] + curve.specificity[at]) / 2
        assert curve.f(2.0)[at] == pytest.approx(5 * tp / (5 * tp + 4 * fn + fp))
        below = (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)
        mcc = (tp * tn - fp * fn) / math.sqrt(below) if below else 0.0
        assert curve.mcc[at] == pytest.approx(mcc, abs=1e-15)


def test_only_the_reported_thresholds_are_shown_and_all_bins_are_used():
    rng = np.random.default_rng(0)
    table, edges = rng.integers(0, 5, (2, 21)), np.arange(21) / 20
    fine = Curve.from_bins(table, edges)
    curve = Curve.from_bins(table, edges, reported=np.arange(0, 21, 4))
    for name in ARRAYS:
        assert_same_bits(getattr(curve, name), getattr(fine, name)[::4], name)
    assert_same_bits(curve.f(2.0), fine.f(2.0)[::4])
    assert curve.average_precision() == fine.average_precision()
    assert curve.best() == fine.best()
    coarse = Curve.from_counts(*(getattr(curve, n) for n in ("tp", "fp", "tn", "fn")))
    assert coarse.average_precision().width > 2 * curve.average_precision().width


@pytest.mark.parametrize("dtype", [np.int64, np.float64])
def test_arrays_are_read_only_and_made_once(dtype):
    source = TABLE.astype(dtype)
    curve = Curve.from_bins(source, EDGES, reported=[0, 2])
    for name in ARRAYS:
        array = getattr(curve, name)
        assert array.shape == (2,)
        assert array.dtype == (dtype if name in ("tp", "fp", "fn", "tn") else np.float64)
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 7
        assert getattr(curve, name).base is array.base
    with pytest.raises(ValueError, match="read-only"):
        curve.f()[0] = 7
    for part in (curve.cuts.table, curve.cuts.edges, curve.cuts.single):
        with pytest.raises(ValueError, match="read-only"):
            part[0] = 7
    before = curve.tp.tolist()
    source[:] = 100
    assert curve.tp.tolist() == before
    assert Curve.from_bins(source, EDGES, reported=[0, 2]) != curve


def test_counts_of_5e9_and_near_2_to_the_62():
    curve = Curve.from_bins(np.array([[4, 1], [1, 4]]) * 10**9, [0.0, 0.5])
    small = Curve.from_bins([[4, 1], [1, 4]], [0.0, 0.5])
    for name in RATIOS:
        assert_same_bits(getattr(curve, name), getattr(small, name), name)
    for top in (2**62 - 1, 2**62, 2**63 - 1):
        curve = Curve.from_bins([[top - 1, 1], [1, top - 1]], [0.0, 0.5])
        assert curve.num_positives == curve.num_negatives == top
        assert curve.tp.tolist() == [top, top - 1]
        assert curve.precision == pytest.approx([0.5, 1.0])
        assert curve.accuracy == pytest.approx([0.5, 1.0])
        assert curve.iou == pytest.approx([0.5, 1.0])
        assert curve.f() == pytest.approx([2 / 3, 1.0])
        assert curve.mcc == pytest.approx([0.0, 1.0])
    with pytest.raises(OverflowError, match="more samples than 9223372036854775807"):
        _ = Curve.from_bins([[2**62, 2**62], [0, 1]], [0.0, 0.5]).num_negatives


# ---- the object ----


def test_it_cannot_be_changed():
    curve = Curve.from_bins(TABLE, EDGES)
    for name in ("tp", "_table", "other"):
        with pytest.raises(AttributeError, match=r"cannot be changed|no setter"):
            setattr(curve, name, 1)
    with pytest.raises(TypeError, match="unhashable"):
        hash(curve)


def test_equality_pickle_and_copy():
    options = {"single": [False, False, True], "reported": [0, 2], "conventions": "keras"}
    curve = Curve.from_bins(TABLE, EDGES, **options)
    curve.best()
    for other in (pickle.loads(pickle.dumps(curve)), copy.copy(curve), copy.deepcopy(curve)):
        assert other == curve
        assert other.conventions == curve.conventions
        assert repr(other.average_precision("step")) == repr(curve.average_precision("step"))
        with pytest.raises(ValueError, match="read-only"):
            other.tp[0] = 1
    assert curve != Curve.from_bins(TABLE + 1, EDGES, **options)
    assert curve != Curve.from_bins(TABLE.astype(float), EDGES, **options)
    assert curve != Curve.from_bins(TABLE, [0.0, 0.4, 1.0], **options)
    assert curve != Curve.from_bins(TABLE, EDGES, upper=2.0, **options)
    assert curve != Curve.from_bins(TABLE, EDGES, problem="a", **options)
    for change in ({"single": [True] * 3}, {"reported": None}, {"conventions": "sklearn"}):
        assert curve != Curve.from_bins(TABLE, EDGES, **(options | change))
    assert curve != TABLE.tolist()
    nans = Curve.from_bins(TABLE, EDGES, conventions=conventions_of(math.nan))
    assert nans == pickle.loads(pickle.dumps(nans))


def test_the_representation_has_the_totals():
    assert repr(Curve.from_bins(TABLE, EDGES, reported=[0, 2])) == (
        "Curve(num_thresholds=2, num_bins=3, num_negatives=4, num_positives=7, is_exact=False)"
    )
    assert "num_positives=7.0, is_exact=True" in repr(
        Curve.from_bins(TABLE * 1.0, EDGES, exact=True)
    )


def test_another_table_of_the_same_bins():
    options = {"single": [False, True, True], "reported": [0, 2], "problem": "p"}
    curve = Curve.from_bins(TABLE, EDGES, **options)
    table = TABLE[:, ::-1].copy()
    other = replace_table(curve, table)
    assert other == Curve.from_bins(table, EDGES, **options)
    table[:] = 0
    assert other.num_positives == 7


def test_exactness():
    assert Curve.from_bins(TABLE, EDGES, exact=True).is_exact
    assert Curve.from_bins(TABLE, EDGES, single=[True, True, True]).is_exact
    assert Curve.from_bins([[0, 3], [0, 2]], [0.0, 1.0], single=[False, True]).is_exact
    assert Curve.from_bins([[1, 3], [0, 2]], [0.0, 1.0], single=[False, True]).is_exact
    assert not Curve.from_bins([[2, 3], [0, 2]], [0.0, 1.0], single=[False, True]).is_exact
    assert not Curve.from_bins([[1, 3], [1, 2]], [0.0, 1.0], single=[False, True]).is_exact
    assert not Curve.from_bins(TABLE, EDGES).is_exact
    assert not Curve.from_bins(TABLE, EDGES, exact=True, problem="p").is_exact
    assert Curve.from_bins([[0, 0], [0, 0]], [0.0, 1.0]).is_exact
    largest = Curve.from_bins([[2**63 - 1], [2**63 - 1]], [0.0])
    assert not largest.is_exact


# ---- conventions ----

NOTHING, NEGATIVES, POSITIVES = [[0, 0], [0, 0]], [[2, 0], [0, 0]], [[0, 0], [2, 0]]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # precision, recall, tpr, fpr, specificity, f, iou, accuracy, mcc, AP, AUROC
        ("fastpr", (0, 0, 0, 0, 0, 0, 0, 0, None, None, None)),
        ("sklearn", (0, 1, None, None, None, 0, 0, None, 0, 0, None)),
        ("keras", (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)),
        (conventions_of(1.0), (1, 1, 1, 1, 1, 1, 1, 1, None, None, None)),
        (conventions_of(math.nan), (None,) * 11),
    ],
)
def test_each_degenerate_case_has_the_value_of_the_table_in_the_documentation(name, expected):
    values = [math.nan if v is None else float(v) for v in expected]
    negatives, positives, nothing = (
        Curve.from_bins(t, [0.0, 0.5], conventions=name) for t in (NEGATIVES, POSITIVES, NOTHING)
    )
    got = [
        negatives.precision[1],
        negatives.recall[0],
        negatives.tpr[0],
        positives.fpr[0],
        positives.specificity[0],
        negatives.f()[1],
        negatives.iou[1],
        nothing.accuracy[0],
        negatives.mcc[0],
        negatives.average_precision(),
        negatives.auroc(),
    ]
    np.testing.assert_array_equal(got, values)
    assert nothing.precision[0] == values[0] or math.isnan(values[0])
    np.testing.assert_array_equal([positives.mcc[0], nothing.mcc[0]], [values[8]] * 2)
    np.testing.assert_array_equal([positives.auroc(), positives.auroc(0.5)], [values[10]] * 2)
    for curve in (negatives, positives, nothing):
        assert np.isnan(curve.balanced_accuracy).all()
        assert curve.average_precision("step").is_exact
    assert positives.average_precision("step") == 1.0
    both = Curve.from_bins([[2, 0], [1, 0]], [0.0, 0.5], conventions=name)
    assert both.mcc.tolist() == [0.0, 0.0]  # all, and none, predicted positive


def test_conventions_can_be_changed_and_made():
    curve = Curve.from_bins(NEGATIVES, [0.0, 0.5])
    assert curve.conventions == CONVENTIONS["fastpr"] == Conventions()
    other = curve.with_conventions("sklearn")
    assert (curve.recall[0], other.recall[0]) == (0.0, 1.0)
    mine = CONVENTIONS["keras"]._replace(precision=1.0)
    assert curve.with_conventions(mine).precision[1] == 1.0
    some = Curve.from_counts(*COUNTS)
    keras = some.with_conventions("keras")
    assert keras.average_precision() == some.average_precision("interpolated")
    assert not keras.average_precision().has_bounds
    assert some.average_precision().has_bounds
    with pytest.raises(ValueError, match=r"one of fastpr, sklearn, keras or .*, got 'torch'"):
        curve.with_conventions("torch")
    with pytest.raises(TypeError, match="conventions must be a name"):
        curve.with_conventions(None)
    with pytest.raises(ValueError, match="average_precision_method of 'area'"):
        curve.with_conventions(mine._replace(average_precision_method="area"))


# ---- from counts ----


def test_counts_with_scores_below_the_first_threshold():
    curve = Curve.from_counts([3, 1], [2, 0], [1, 3], [1, 3], [0.2, 0.5])
    assert curve.thresholds.tolist() == [0.2, 0.5]
    assert (curve.num_positives, curve.num_negatives) == (4, 3)
    assert curve.fn.tolist() == [1, 3]
    assert curve.tn.tolist() == [1, 3]
    assert curve.cuts.edges.tolist() == [-math.inf, 0.2, 0.5]
    assert curve.precision_at_recall(1.0).threshold == -math.inf


def test_counts_of_a_state_and_counts_as_floats():
    state = state_of(201)
    curve = Curve.from_counts(*state.compute()[:4])
    assert (curve.num_positives, curve.num_negatives) == (state.num_positives, state.num_negatives)
    weighted = state_of(201, weights=np.random.default_rng(0).random(200))
    other = Curve.from_counts(*weighted.compute()[:4])
    np.testing.assert_allclose(other.tp, weighted.compute().tp, rtol=1e-12)
    assert other.tp.dtype == np.float64
    single = Curve.from_counts(*(np.asarray(c, np.float32) for c in COUNTS))
    assert single.tp.dtype == np.float64
    assert single.average_precision() == Curve.from_counts(*COUNTS).average_precision()
    assert Curve.from_counts([1], [1], [0], [0], [0.5]).thresholds.tolist() == [0.5]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"tp": [4, 3]}, ValueError, r"one shape \(T,\), got .*\(2,\)"),
        ({"tp": [[4, 3, 0]]}, ValueError, r"one shape \(T,\)"),
        ({"tp": [4, 5, 0], "fn": [1, 0, 5]}, ValueError, "must not grow .* from 4 to 5 at index 1"),
        ({"tp": [4, 3, 0], "fn": [0, 1, 3]}, ValueError, "tp . fn must be the same .* got 3 to 4"),
        ({"fp": [4, 1, 0], "tn": [0, 3, 5]}, ValueError, "fp . tn must be the same"),
        ({"tp": [4, -3, 0]}, ValueError, "tp must be finite and not negative"),
        ({"tn": [0, math.nan, 4]}, ValueError, "tn must be finite"),
        ({"tn": [0, math.inf, 4]}, ValueError, "tn must be finite"),
        ({"tp": [True, True, False]}, TypeError, "tp must be integers or floats, got .* bool"),
        ({"tp": ["4", "3", "0"]}, TypeError, "tp must be integers or floats"),
        ({"tp": np.array([2**63, 3, 0], np.uint64)}, ValueError, "tp must be at most"),
        ({"tp": [2**62] * 3, "fn": [2**62] * 3}, OverflowError, "tp . fn is more than"),
        ({"thresholds": [0.0, 0.5]}, ValueError, r"shape of the counts, \(3,\), got \(2,\)"),
        ({"thresholds": [0.0, 0.5, 0.5]}, ValueError, "strictly ascending"),
        ({"thresholds": [0.0, 0.5, math.nan]}, ValueError, "finite and strictly ascending"),
        ({"thresholds": [0.0, 0.5, math.inf]}, ValueError, "finite and strictly ascending"),
        ({"score_range": (1.0, 0.0)}, ValueError, "score_range must be finite and ascending"),
        ({"score_range": (0.0, math.inf)}, ValueError, "score_range must be finite"),
    ],
)  # fmt: skip
def test_counts_that_cannot_be_are_refused(change, error, message):
    arguments = dict(zip(("tp", "fp", "tn", "fn"), COUNTS, strict=True)) | change
    with pytest.raises(error, match=message):
        Curve.from_counts(**arguments)


def test_one_count_needs_its_threshold():
    with pytest.raises(ValueError, match="pass thresholds="):
        Curve.from_counts([1], [1], [0], [0])
    with pytest.raises(ValueError, match="one shape"):
        Curve.from_counts([], [], [], [])


def test_float_totals_may_differ_by_rounding():
    counts = [np.array(c, float) for c in COUNTS]
    counts[3][1] *= 1 + 1e-12
    assert Curve.from_counts(*counts).num_positives == 4
    counts[3][1] *= 1 + 1e-6
    with pytest.raises(ValueError, match="must be the same"):
        Curve.from_counts(*counts)


# ---- from bins ----


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"table": [1, 2, 3]}, ValueError, r"table must have the shape \(2, B\), got \(3,\)"),
        ({"table": [[1, 2, 3]]}, ValueError, "table must have the shape"),
        ({"table": [[], []]}, ValueError, "table must have the shape"),
        ({"table": [[1, 2, -3], [1, 2, 3]]}, ValueError, "finite and not negative"),
        ({"table": [[1, 2, math.nan], [1, 2, 3]]}, ValueError, "finite and not negative"),
        ({"table": TABLE > 1}, TypeError, "table must be integers or floats"),
        ({"edges": [0.0, 1.0]}, ValueError, r"edges must have the shape \(3,\)"),
        ({"edges": [0.0, 1.0, 0.5]}, ValueError, "edges must ascend"),
        ({"edges": [math.nan] * 3}, ValueError, "edges must ascend"),
        ({"edges": [0.0, 0.5, 1.5]}, ValueError, "edges must be finite and at most upper"),
        ({"edges": [-math.inf, 0.5, 1.0]}, ValueError, "edges must be finite"),
        ({"upper": math.inf}, ValueError, "got upper=inf"),
        ({"single": [True]}, ValueError, r"single must have the shape \(3,\) of edges, got \(1,\)"),
        ({"reported": [0, 3]}, ValueError, "reported must be indices of bins, below 3"),
        ({"reported": [-1, 2]}, ValueError, "reported must be indices"),
        ({"reported": []}, ValueError, "reported must be indices"),
        ({"reported": [1, 1]}, ValueError, "reported must ascend"),
        ({"lowest_scores": [0.0, 0.5]}, ValueError, "lowest_scores must have the shape"),
        ({"lowest_scores": [0.0, 0.5, 2.0]}, ValueError, "at most upper"),
    ],
)
def test_bins_that_cannot_be_are_refused(change, error, message):
    arguments = {"table": TABLE, "edges": EDGES} | change
    with pytest.raises(error, match=message):
        Curve.from_bins(**arguments)


def test_plot_is_that_of_the_module_for_plots(monkeypatch):
    module = types.ModuleType("fastpr.curves.plots.draw")
    module.draw = lambda *arguments, **options: (arguments, options)
    monkeypatch.setitem(sys.modules, "fastpr.curves.plots.draw", module)
    curve = Curve.from_bins(TABLE, EDGES)
    assert curve.plot("roc", name="a") == ((curve, "roc", None), {"name": "a"})
