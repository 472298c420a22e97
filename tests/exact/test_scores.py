"""The two scores are those of scikit-learn, and of fractions, for any scores and labels."""

import warnings
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from compare import assert_rounded, assert_same_bits
from exact_cases import SCORES, WEIGHTS, sets
from hypothesis import assume, given
from hypothesis import strategies as st
from tiers import examples

import fastpr
from fastpr import exact

sklearn_metrics = pytest.importorskip("sklearn.metrics")

MANY = 1 << 21  # samples, so that several threads take part
PAIRS = {"average_precision_score": {}, "roc_auc_score": {}}


@pytest.fixture(autouse=True)
def _quiet():
    """Let both warn of one class: tests of warnings look for them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield


@pytest.fixture
def _default_threads():
    yield
    fastpr.set_num_threads(None)


def both(name, *arrays, **options):
    """Return what we return, and what scikit-learn does, whose sums of huge scores overflow."""
    ours = getattr(exact, name)(*arrays, **options)
    with np.errstate(over="ignore", invalid="ignore"):
        return ours, getattr(sklearn_metrics, name)(*arrays, **options)


def assert_same_scores(labels, scores, weights, relative=1e-12):
    for name in PAIRS:
        ours, theirs = both(name, labels, scores, sample_weight=weights)
        assert isinstance(ours, float)
        assert ours == pytest.approx(theirs, rel=relative, abs=1e-14, nan_ok=True), name


# ---- meaning ----


def exact_scores(labels, scores):
    """Average precision and area as fractions, from their definitions."""
    positives = [s for label, s in zip(labels, scores, strict=True) if label]
    negatives = [s for label, s in zip(labels, scores, strict=True) if not label]
    precision = sum(
        Fraction(sum(p >= s for p in positives), sum(t >= s for t in scores)) for s in positives
    )
    pairs = sum(2 * (p > n) + (p == n) for p in positives for n in negatives)
    return precision / len(positives), Fraction(pairs, 2 * len(positives) * len(negatives))


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_every_small_set_is_as_defined(dtype):
    """All labels and all orders, with ties, of up to four samples."""
    for num in (2, 3, 4):
        for labels in product([0, 1], repeat=num):
            if not 0 < sum(labels) < num:
                continue
            for scores in product([-1.5, 0.25, 3.0][: num + 1], repeat=num):
                precision, area = exact_scores(labels, scores)
                values = np.array(scores, dtype)
                assert_rounded(exact.average_precision_score(labels, values), [precision], 1e-15)
                assert_rounded(exact.roc_auc_score(labels, values), [area])


@pytest.mark.parametrize("kind", SCORES)
def test_sets_of_some_hundreds_are_as_defined(kind):
    rng = np.random.default_rng(3)
    scores = SCORES[kind](300, rng)
    labels = rng.random(300) < 0.4
    precision, area = exact_scores(labels.tolist(), scores.tolist())
    assert_rounded(exact.average_precision_score(labels, scores), [precision], 1e-14)
    assert_rounded(exact.roc_auc_score(labels, scores), [area])  # of integers, rounded once


# ---- scikit-learn ----


@pytest.mark.parametrize("seed", range(4))
def test_random_sets_have_the_scores_of_scikit_learn(seed):
    for labels, scores, weights in sets(150, (1, 80), seed):
        assert_same_scores(labels, scores, weights)


def test_larger_sets_have_the_scores_of_scikit_learn():
    for labels, scores, weights in sets(60, (1000, 30_000), 9, positives=(0.001, 0.3, 0.99)):
        assert_same_scores(labels, scores, weights, 1e-11)


@pytest.mark.parametrize("weights", ["none", "some 0"])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("kind", ["uniform", "skewed", "near 1", "all magnitudes", "one far away"])
def test_sets_past_every_size_of_a_bucket_have_the_scores_of_scikit_learn(kind, dtype, weights):
    rng = np.random.default_rng(4)
    num = 300_000
    scores = SCORES[kind](num, rng).astype(dtype)
    labels = rng.random(num) < 0.2
    assert_same_scores(labels, scores, WEIGHTS[weights](num, rng), 1e-11)


def test_weights_that_round_have_the_scores_of_scikit_learn():
    rng = np.random.default_rng(5)
    for kind in SCORES:
        weights = rng.random(500) * 10.0 ** rng.integers(-9, 9, 500)
        assert_same_scores(rng.random(500) < 0.5, SCORES[kind](500, rng), weights, 1e-9)


@pytest.mark.parametrize("max_fpr", [1.0, 0.9, 0.3, 0.01, 1e-9])
def test_the_partial_area_is_that_of_scikit_learn(max_fpr):
    for labels, scores, weights in sets(60, (2, 300), 11, positives=(0.3, 0.8)):
        counted = labels if weights is None else labels[np.asarray(weights) > 0]
        if len(np.unique(counted)) < 2:
            continue
        ours, theirs = both("roc_auc_score", labels, scores, sample_weight=weights, max_fpr=max_fpr)
        assert ours == pytest.approx(theirs, rel=1e-9, abs=1e-12)


# ---- inputs ----

FORMS = {
    "list": lambda y, s: (y.tolist(), s.tolist()),
    "strided": lambda y, s: (np.repeat(y, 2)[::2], np.repeat(s, 3)[::3]),
    "backwards": lambda y, s: (y[::-1].copy()[::-1], s[::-1].copy()[::-1]),
    "big-endian": lambda y, s: (y.astype(">i4"), s.astype(">f4")),
    "big-endian float64": lambda y, s: (y.astype(">i8"), s.astype(">f8")),
    "a column": lambda y, s: (y[:, None], s[:, None]),
    "unaligned": lambda y, s: (y, np.frombuffer(b"x" + s.tobytes(), s.dtype, offset=1)),
    "float16": lambda y, s: (y, s.astype(np.float16)),
    "longdouble": lambda y, s: (y, s.astype(np.longdouble)),
    "bool scores": lambda y, s: (y, s > 0.5),
    "int8 scores": lambda y, s: (y, (s * 100).astype(np.int8)),
    "uint16 scores": lambda y, s: (y, (s * 60_000).astype(np.uint16)),
    "int32 scores": lambda y, s: (y, (s * 2**31).astype(np.int32) - 2**30),
    "int64 scores past 2**53": lambda y, s: (y, 2**62 + (s * 100).astype(np.int64)),
    "uint64 scores": lambda y, s: (y, 2**63 + (s * 100).astype(np.uint64)),
    "object scores": lambda y, s: (y, s.astype(object)),
    "strings as labels": lambda y, s: (np.where(y, "yes", "no"), s),
    "objects as labels": lambda y, s: (np.where(y, "yes", "no").astype(object), s),
    "other numbers as labels": lambda y, s: (np.where(y, 7, 3), s),
    "uint8 0 and 255": lambda y, s: (y.astype(np.uint8) * 255, s),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_input_is_read(form):
    rng = np.random.default_rng(6)
    scores = rng.random(500, dtype=np.float32)
    labels, scores = FORMS[form](rng.random(500) < scores, scores)
    positive = np.unique(labels)[-1]
    positive = positive if isinstance(positive, str) else positive.item()
    ours, theirs = both("average_precision_score", labels, scores, pos_label=positive)
    assert ours == pytest.approx(theirs, rel=1e-13)
    ours, theirs = both("roc_auc_score", labels, scores)
    assert ours == pytest.approx(theirs, rel=1e-13)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_read_only_inputs_stay_as_they_are(dtype):
    rng = np.random.default_rng(8)
    arrays = [rng.random(100) < 0.5, rng.random(100).astype(dtype), rng.random(100)]
    copies = [array.copy() for array in arrays]
    for array in arrays:
        array.flags.writeable = False
    expected = exact.average_precision_score(*copies[:2], sample_weight=copies[2])
    assert exact.average_precision_score(*arrays[:2], sample_weight=arrays[2]) == expected
    for array, copy in zip(arrays, copies, strict=True):
        assert_same_bits(array, copy)


def test_a_byte_of_a_bool_label_that_is_neither_0_nor_1_is_true():
    labels = np.array([0, 2, 255, 0], np.uint8).view(bool)
    assert exact.roc_auc_score(labels, [0.1, 0.9, 0.8, 0.7]) == 1.0


def test_the_positive_class_is_named():
    labels, scores = ["cat", "dog", "cat"], [0.9, 0.5, 0.6]
    for name in ("cat", "dog"):
        ours, theirs = both("average_precision_score", labels, scores, pos_label=name)
        assert ours == theirs
    ours, theirs = both("average_precision_score", [False, True, True], scores, pos_label=False)
    assert ours == theirs
    ours, theirs = both("average_precision_score", [2, 2, 2], scores, pos_label=2)
    assert ours == theirs == 1.0


@pytest.mark.parametrize("num_threads", [1, 2, 3])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.usefixtures("_default_threads")
def test_the_number_of_threads_changes_nothing(dtype, weighted, num_threads):
    rng = np.random.default_rng(12)
    scores = np.where(rng.random(MANY) < 0.3, 0.25, rng.normal(size=MANY)).astype(dtype)
    labels = rng.random(MANY) < 0.1
    weights = rng.random(MANY) if weighted else None
    results = []
    for number in (1, num_threads):
        fastpr.set_num_threads(number)
        for name in PAIRS:
            results.append(getattr(exact, name)(labels, scores, sample_weight=weights))
    assert_same_bits(results[:2], results[2:])


# ---- several classes ----


@pytest.mark.parametrize("average", [None, "macro", "micro", "weighted", "samples"])
@pytest.mark.parametrize("weights", ["none", "some 0", "float32"])
@pytest.mark.parametrize("dtype", ["f4", "f8", "i4"])
def test_flags_of_classes_have_the_averages_of_scikit_learn(average, weights, dtype):
    rng = np.random.default_rng(14)
    for num, num_classes in ((2, 2), (30, 3), (200, 5)):
        flags = rng.integers(0, 2, (num, num_classes))
        flags[0], flags[1] = 0, 1
        flags[:2, 0] = [1, 0]
        scores = np.asfortranarray((rng.random((num, num_classes)) * 50).astype(dtype))
        sample_weight = WEIGHTS[weights](num, rng)
        if sample_weight is not None:
            sample_weight[:2] = 1
        for name in PAIRS:
            options = {"average": average, "sample_weight": sample_weight}
            ours, theirs = both(name, flags, scores, **options)
            np.testing.assert_allclose(ours, theirs, rtol=1e-12)
            assert type(ours) is type(theirs)


def test_flags_without_positives_weigh_nothing():
    flags, scores = np.zeros((3, 2), int), np.random.default_rng(0).random((3, 2))
    for name in PAIRS:
        ours, theirs = both(name, flags, scores, average="weighted")
        assert ours == theirs == 0


@pytest.mark.parametrize("average", [None, "macro", "micro", "weighted"])
@pytest.mark.parametrize("kind", ["int", "str"])
def test_labels_of_several_classes_have_the_precision_of_scikit_learn(average, kind):
    rng = np.random.default_rng(15)
    labels = rng.integers(0, 4, 200)
    labels = np.array(["a", "b", "c", "d"])[labels] if kind == "str" else labels * 3
    ours, theirs = both("average_precision_score", labels, rng.random((200, 4)), average=average)
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)


@pytest.mark.parametrize(
    ("multi_class", "average"),
    [
        *product(["ovr"], [None, "macro", "micro", "weighted"]),
        *product(["ovo"], ["macro", "weighted"]),
    ],
)
@pytest.mark.parametrize("kind", ["int", "str"])
@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.longdouble])
def test_labels_of_several_classes_have_the_area_of_scikit_learn(
    multi_class, average, kind, missing, dtype
):
    rng = np.random.default_rng(16)
    known = np.array(["a", "b", "c", "d"] if kind == "str" else [0, 2, 5, 9])
    labels = known[rng.integers(0, 3 if missing else 4, 300)]
    scores = rng.random((300, 4), dtype=np.float32).astype(dtype)
    scores /= scores.sum(axis=1, keepdims=True)
    options = {"multi_class": multi_class, "average": average}
    if missing:
        options["labels"] = known
    if multi_class == "ovr":
        options["sample_weight"] = rng.integers(0, 3, 300) / 4
    ours, theirs = both("roc_auc_score", labels, scores, **options)
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)


# ---- one class ----


@pytest.mark.parametrize("label", [0, 1])
def test_the_area_of_one_class_is_nan_with_a_warning(label):
    with pytest.warns(exact.UndefinedMetricWarning, match="Only one class"):
        assert np.isnan(exact.roc_auc_score([label] * 3, [0.1, 0.2, 0.3]))


def test_a_class_of_weight_0_is_not_there():
    with pytest.warns(exact.UndefinedMetricWarning, match="Only one class"):
        assert np.isnan(exact.roc_auc_score([0, 1], [0.1, 0.2], sample_weight=[1, 0]))


def test_precision_without_positives_is_0_with_a_warning():
    with pytest.warns(UserWarning, match="No positive class"):
        assert exact.average_precision_score([0, 0], [0.1, 0.2]) == 0.0
    assert exact.average_precision_score([1, 1], [0.1, 0.2]) == 1.0


# ---- errors ----

Y, S = [0, 1, 1], [0.1, 0.2, 0.3]
FLAGS = [[0, 1], [1, 0], [1, 1]]
SHARES = [[0.2, 0.3, 0.5], [0.1, 0.1, 0.8], [0.4, 0.3, 0.3]]
WRONG = [
    (PAIRS, ([], []), {}, "at least one sample"),
    (PAIRS, (Y, S[:2]), {}, "as many of both"),
    (PAIRS, (Y, [0.1, np.nan, 0.3]), {}, r"first: nan at index \(1,\)"),
    (PAIRS, (Y, [0.1, 0.2, np.inf]), {}, r"first: inf at index \(2,\)"),
    (PAIRS, (Y, np.array([0.1, -np.inf, 0.3], "f4")), {}, r"first: -inf at index \(1,\)"),
    (PAIRS, (Y, [0.1, 0.2j, 0.3]), {}, "complex"),
    (PAIRS, (Y, ["a", "b", "c"]), {}, "real numbers"),
    (PAIRS, (Y, [None, "b", 1]), {}, "no number"),
    (PAIRS, ([0, 0.5, 1], S), {}, r"continuous \(first: 0.5 at index \(1,\)\)"),
    (PAIRS, ([0, np.nan, 1], S), {}, "continuous"),
    (PAIRS, (np.zeros((2, 2, 2), int), S), {}, "shape"),
    (PAIRS, ([[0, 1], [2, 3]], [[0.1, 0.2]] * 2), {}, "more than two values"),
    (PAIRS, (FLAGS, S), {}, "as many of both"),
    (PAIRS, (Y, S), {"sample_weight": [1, 2]}, "one weight for each of 3"),
    (PAIRS, (Y, S), {"sample_weight": [1, np.nan, 2]}, "finite and not negative"),
    (PAIRS, (Y, S), {"average": "mean"}, "average must be one of"),
    (["average_precision_score"], (Y, S), {"pos_label": 2}, "pass one of the classes"),
    (["average_precision_score"], (Y, S), {"pos_label": None}, "number, bool or string"),
    (["average_precision_score"], (["a", "b", "b"], S), {}, "pass one of the classes"),
    (["average_precision_score"], (FLAGS, FLAGS), {"pos_label": 0}, "pos_label is 1"),
    (["average_precision_score"], ([0, 1, 2], SHARES), {"pos_label": 2}, "pos_label is 1"),
    (["roc_auc_score"], (Y, S), {"max_fpr": 0}, r"\(0, 1\]"),
    (["roc_auc_score"], (Y, S), {"max_fpr": 1.5}, r"\(0, 1\]"),
    (["roc_auc_score"], (Y, S), {"multi_class": "all"}, "multi_class must be"),
    (["roc_auc_score"], ([0, 1, 2], SHARES), {}, "pass multi_class"),
    (["roc_auc_score"], ([0, 1, 2], S), {"multi_class": "ovr"}, "column for each class"),
    (["roc_auc_score"], ([0, 1, 2], FLAGS), {"multi_class": "ovr"}, "add up to 1"),
    (
        ["roc_auc_score"], ([0, 1, 2], SHARES), {"multi_class": "ovr", "max_fpr": 0.5},
        "max_fpr must be None",
    ),
    (
        ["roc_auc_score"], ([0, 1, 2], SHARES), {"multi_class": "ovo", "sample_weight": [1, 1, 1]},
        "must be None",
    ),
    (
        ["roc_auc_score"], ([0, 1, 2], SHARES), {"multi_class": "ovo", "average": "micro"},
        "average must be",
    ),
    (
        ["roc_auc_score"], ([0, 1, 2], SHARES), {"multi_class": "ovr", "average": "samples"},
        "average must be",
    ),
    (["roc_auc_score"], ([0, 1, 1], SHARES), {"multi_class": "ovr"}, "3 columns for 2 classes"),
    (
        ["roc_auc_score"], ([0, 1, 2], SHARES), {"multi_class": "ovr", "labels": [0, 2, 1]},
        "in order",
    ),
    (
        ["roc_auc_score"], ([0, 1, 3], SHARES), {"multi_class": "ovr", "labels": [0, 1, 2]},
        "not in labels",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("names", "arrays", "options", "message"), WRONG)
def test_what_scikit_learn_refuses_is_refused_with_a_reason(names, arrays, options, message):
    for name in names:
        with pytest.raises(ValueError, match=message):
            getattr(exact, name)(*arrays, **options)
        with pytest.raises((ValueError, IndexError, TypeError)), np.errstate(invalid="ignore"):
            getattr(sklearn_metrics, name)(*arrays, **options)


@pytest.mark.parametrize("name", PAIRS)
def test_weights_that_are_negative_or_all_0_are_refused(name):
    with pytest.raises(ValueError, match="not negative"):
        getattr(exact, name)(Y, S, sample_weight=[1, -1, 2])
    with pytest.raises(ValueError, match="0 for all samples"):
        getattr(exact, name)(Y, S, sample_weight=[0, 0, 0])


def test_ovo_has_no_value_for_each_class():
    with pytest.raises(NotImplementedError, match="ovo"):
        exact.roc_auc_score([0, 1, 2], SHARES, multi_class="ovo", average=None)


@pytest.mark.parametrize("name", PAIRS)
def test_bytes_as_labels_are_refused(name):
    with pytest.raises(TypeError, match="strings or integers"):
        getattr(exact, name)(np.array([b"a", b"b", b"b"]), S)


def test_a_masked_array_is_refused():
    with pytest.raises(TypeError, match="masked"):
        exact.roc_auc_score(Y, np.ma.array(S, mask=[0, 1, 0]))


# ---- whatever floats there are ----

FINITE = st.floats(allow_nan=False, allow_infinity=False, width=32)


@examples(150)
@given(
    samples=st.lists(
        st.tuples(st.booleans(), st.one_of(FINITE, st.sampled_from([0.0, -0.0, 1.0, 0.5]))),
        min_size=2,
        max_size=40,
    ),
    dtype=st.sampled_from(["f4", "f8"]),
)
def test_any_finite_scores_are_as_defined(samples, dtype):
    labels, scores = (list(part) for part in zip(*samples, strict=True))
    assume(0 < sum(labels) < len(labels))
    precision, area = exact_scores(labels, scores)
    values = np.array(scores, dtype)
    assert_rounded(exact.average_precision_score(labels, values), [precision], 1e-14)
    assert_rounded(exact.roc_auc_score(labels, values), [area])
