"""The two curves are those of scikit-learn: values, shapes, order, thresholds and warnings."""

import warnings
from fractions import Fraction
from importlib.metadata import version

import numpy as np
import pytest
from compare import assert_same_bits
from exact_cases import SCORES, WEIGHTS, sets

import fastpr
from fastpr import exact

sklearn_metrics = pytest.importorskip("sklearn.metrics")
# the newest that there is for Python 3.10 has thresholds of the dtype of the scores
OLDER = tuple(map(int, version("scikit-learn").split(".")[:2])) < (1, 8)

MANY = 1 << 21  # samples, so that several threads take part
CURVES = ("precision_recall_curve", "roc_curve")
NAMES = {
    "precision_recall_curve": ("precision", "recall", "thresholds"),
    "roc_curve": ("fpr", "tpr", "thresholds"),
}


@pytest.fixture
def _default_threads():
    yield
    fastpr.set_num_threads(None)


def both(name, *arrays, **options):
    """Return what we return, and what scikit-learn does, whose sums of huge scores overflow."""
    with warnings.catch_warnings(), np.errstate(over="ignore", invalid="ignore"):
        warnings.simplefilter("ignore", UserWarning)
        ours = getattr(exact, name)(*arrays, **options)
        return ours, getattr(sklearn_metrics, name)(*arrays, **options)


def assert_same_dtype(name, mine, other, what):
    """The dtype is scikit-learn's; of thresholds of roc_curve, that of its 1.8 and later."""
    is_older = name == "roc_curve" and mine.dtype == np.float64 and OLDER
    assert is_older or mine.dtype == np.dtype(other.dtype).newbyteorder("="), what


def assert_same_curves(labels, scores, weights=None, relative=1e-12, **options):
    for name in CURVES:
        for drop in (False, True):
            ours, theirs = both(
                name, labels, scores, sample_weight=weights, drop_intermediate=drop, **options
            )
            for part, mine, other in zip(NAMES[name], ours, theirs, strict=True):
                what = f"{part} of {name}, drop_intermediate={drop}"
                assert_same_dtype(name, mine, other, what)
                assert mine.shape == other.shape, what
                np.testing.assert_allclose(mine, other, rtol=relative, atol=0, err_msg=what)


# ---- meaning ----


@pytest.mark.parametrize("kind", SCORES)
def test_points_are_as_defined(kind):
    rng = np.random.default_rng(1)
    scores = SCORES[kind](60, rng)
    labels = np.append(rng.random(58) < 0.4, [True, False])
    precision, recall, thresholds = exact.precision_recall_curve(labels, scores)
    assert thresholds.tolist() == sorted(set(scores.tolist()))
    for index, threshold in enumerate(thresholds):
        above = scores >= threshold
        tp, num = int((above & labels).sum()), int(above.sum())
        assert precision[index] == float(Fraction(tp, num))
        assert recall[index] == float(Fraction(tp, int(labels.sum())))
    assert (precision[-1], recall[-1]) == (1.0, 0.0)
    fpr, tpr, falling = exact.roc_curve(labels, scores, drop_intermediate=False)
    assert falling.tolist() == [np.inf, *thresholds.tolist()[::-1]]
    assert tpr.tolist() == recall.tolist()[::-1]
    for rate, threshold in zip(fpr, falling, strict=True):
        num = int(((scores >= threshold) & ~labels).sum())
        assert rate == float(Fraction(num, int((~labels).sum())))


# ---- scikit-learn ----


@pytest.mark.parametrize("seed", range(3))
def test_random_sets_have_the_curves_of_scikit_learn(seed):
    for labels, scores, weights in sets(100, (1, 60), seed):
        assert_same_curves(labels, scores, weights)


def test_larger_sets_have_the_curves_of_scikit_learn():
    for labels, scores, weights in sets(30, (1000, 20_000), 9, positives=(0.001, 0.3, 0.99)):
        assert_same_curves(labels, scores, weights)


@pytest.mark.parametrize("weights", ["none", "some 0"])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("kind", ["uniform", "skewed", "near 1", "all magnitudes"])
def test_sets_past_every_size_of_a_bucket_have_the_curves_of_scikit_learn(kind, dtype, weights):
    rng = np.random.default_rng(4)
    scores = SCORES[kind](200_000, rng).astype(dtype)
    labels = rng.random(200_000) < 0.2
    assert_same_curves(labels, scores, WEIGHTS[weights](200_000, rng))


@pytest.mark.parametrize("kind", SCORES)
def test_sums_of_weights_are_added_from_the_highest_score_and_ties_in_order(kind):
    """So their rounding is that of scikit-learn too, which decides what is left out."""
    rng = np.random.default_rng(5)
    num = 3000
    scores, labels, weights = SCORES[kind](num, rng), rng.random(num) < 0.5, rng.random(num)
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), num - 1)
    tps = np.cumsum((labels * weights)[order])[ends]
    fps = np.cumsum((~labels * weights)[order])[ends]
    precision, recall, _ = exact.precision_recall_curve(labels, scores, sample_weight=weights)
    assert_same_bits(precision[:-1][::-1], tps / (tps + fps))
    assert_same_bits(recall[:-1][::-1], tps / tps[-1])
    fpr, tpr, _ = exact.roc_curve(labels, scores, sample_weight=weights, drop_intermediate=False)
    assert_same_bits(fpr[1:], fps / fps[-1])
    assert_same_bits(tpr[1:], tps / tps[-1])


@pytest.mark.parametrize("pos_label", [0, 1, 2, 3, "b", True])
def test_the_positive_class_may_be_one_of_several_or_none(pos_label):
    rng = np.random.default_rng(6)
    labels = rng.integers(0, 3, 50)
    if isinstance(pos_label, str):
        labels = np.array(["a", "b", "c"])[labels]
    assert_same_curves(labels, rng.random(50), pos_label=pos_label)


# ---- inputs ----

FORMS = {
    "list": lambda s: s.tolist(),
    "strided": lambda s: np.repeat(s, 3)[::3],
    "big-endian": lambda s: s.astype(">f4"),
    "big-endian float64": lambda s: s.astype(">f8"),
    "a column": lambda s: s[:, None],
    "float16": lambda s: s.astype(np.float16),
    "longdouble": lambda s: s.astype(np.longdouble) + np.longdouble(2) ** -60,
    "int8": lambda s: (s * 100).astype(np.int8),
    "uint16": lambda s: (s * 60_000).astype(np.uint16),
    "int32": lambda s: (s * 2**31).astype(np.int32) - 2**30,
    "int64": lambda s: (s * 1000).astype(np.int64),
    "int64 past 2**53": lambda s: 2**62 + (s * 100).astype(np.int64),
    "uint64": lambda s: 2**63 + (s * 100).astype(np.uint64),
}


@pytest.mark.parametrize("form", FORMS)
def test_thresholds_have_the_dtype_of_the_scores(form):
    rng = np.random.default_rng(7)
    scores = FORMS[form](rng.random(400, dtype=np.float32))
    labels = rng.random(400) < 0.5
    for name in CURVES:
        ours, theirs = both(name, labels, scores)
        for mine, other in zip(ours, theirs, strict=True):
            assert_same_dtype(name, mine, other, name)
            np.testing.assert_allclose(mine, other, rtol=1e-13, atol=0)


def test_results_can_be_written_to():
    for name in CURVES:
        for drop in (False, True):
            parts = getattr(exact, name)([0, 1, 1, 0], [0.1, 0.2, 0.3, 0.4], drop_intermediate=drop)
            assert all(part.flags.writeable for part in parts)


@pytest.mark.parametrize("name", CURVES)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("drop", [False, True])
@pytest.mark.usefixtures("_default_threads")
def test_the_number_of_threads_changes_nothing(name, weighted, drop):
    rng = np.random.default_rng(12)
    scores = np.where(rng.random(MANY) < 0.3, 0.25, rng.normal(size=MANY)).astype(np.float32)
    labels = rng.random(MANY) < 0.1
    weights = rng.random(MANY) if weighted else None
    results = []
    for num_threads in (1, 2, 3):
        fastpr.set_num_threads(num_threads)
        results.append(
            getattr(exact, name)(labels, scores, sample_weight=weights, drop_intermediate=drop)
        )
    for other in results[1:]:
        for part, expected in zip(other, results[0], strict=True):
            assert_same_bits(part, expected)


# ---- one class ----


@pytest.mark.parametrize("drop", [False, True])
@pytest.mark.parametrize("label", [0, 1])
def test_rates_of_a_missing_class_are_nan_with_a_warning(label, drop):
    missing = ("negative", "positive")[1 - label]
    with pytest.warns(exact.UndefinedMetricWarning, match=f"No {missing} samples"):
        ours = exact.roc_curve([label] * 4, [0.1, 0.2, 0.2, 0.4], drop_intermediate=drop)
    theirs = both("roc_curve", [label] * 4, [0.1, 0.2, 0.2, 0.4], drop_intermediate=drop)[1]
    for mine, other in zip(ours, theirs, strict=True):
        assert_same_bits(mine, other)


def test_recall_without_positives_is_1_with_a_warning():
    with pytest.warns(UserWarning, match="No positive class"):
        precision, recall, thresholds = exact.precision_recall_curve([0, 0], [0.5, 0.5])
    assert precision.tolist() == [0.0, 1.0]
    assert recall.tolist() == [1.0, 0.0]
    assert thresholds.tolist() == [0.5]


# ---- errors ----

Y, S = [0, 1, 1], [0.1, 0.2, 0.3]
WRONG = [
    (([], []), {}, "at least one sample"),
    ((Y, S[:2]), {}, "as many of both"),
    ((Y, [0.1, np.nan, 0.3]), {}, r"first: nan at index \(1,\)"),
    ((Y, np.array([0.1, np.inf, 0.3], "f4")), {}, r"first: inf at index \(1,\)"),
    (([1, 2, 2], S), {}, "holds the classes 1, 2, of which none"),
    (([-1, 0, 0], S), {}, "holds the classes -1, 0, of which none"),
    (([0, 1, 2], S), {}, "classes 0, 1, ..., of which none"),
    ((["a", "b", "b"], S), {}, "holds the classes a, b, of which none"),
    ((["b", "b", "b"], S), {}, "pass pos_label"),
    (([0, 0.5, 1], S), {"pos_label": 1}, "continuous"),
    ((Y, S), {"pos_label": [1]}, "number, bool or string"),
    (([[0, 1], [1, 0]], [[0.1, 0.2], [0.3, 0.4]]), {}, "one label for each sample"),
    ((Y, np.full((3, 2), 0.5)), {}, "one score for each sample"),
    ((Y, S), {"sample_weight": np.ones((3, 2))}, "one weight for each of 3"),
    ((Y, S), {"sample_weight": [1, np.inf, 1]}, "finite and not negative"),
]


@pytest.mark.parametrize("name", CURVES)
@pytest.mark.parametrize(("arrays", "options", "message"), WRONG)
def test_what_scikit_learn_refuses_is_refused_with_a_reason(name, arrays, options, message):
    with pytest.raises(ValueError, match=message):
        getattr(exact, name)(*arrays, **options)
    with pytest.raises((ValueError, IndexError, TypeError)):
        getattr(sklearn_metrics, name)(*arrays, **options)
