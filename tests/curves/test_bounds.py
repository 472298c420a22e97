"""Certificates: the exact number, of the scores before binning, is always between the bounds."""

import itertools
from fractions import Fraction

import curve_oracle as oracle
import ml_dtypes
import numpy as np
import pytest
from curve_cases import (
    NUM_THRESHOLDS,
    curve_of,
    random_labels,
    random_samples,
    random_scores,
    random_weights,
)
from hypothesis import given
from hypothesis import strategies as st
from tiers import examples, exhaustive

import fastpr
from fastpr.curves.curve import Curve, replace_table
from fastpr.curves.cuts import FineCuts
from fastpr.curves.ratios import matthews

LEVELS = (0.0, 0.1, 0.5, 0.6, 0.75, 0.9, 0.95, 1.0)
MAX_FPRS = (1e-6, 0.1, 0.3, 0.5, 1.0)


def answers(curve, cuts, rng):
    """Yield the name, the estimate and the exact number of all that has bounds."""
    positives, negatives = cuts[0][0], cuts[0][1]
    if positives:
        yield "average_precision", curve.average_precision(), oracle.average_precision(cuts)
    level = float(rng.choice(LEVELS)) if rng.random() < 0.7 else float(rng.random())
    for name, metric in oracle.METRICS.items():
        if (positives and negatives) or name in ("f1", "iou", "accuracy"):
            exact = oracle.best(cuts, metric)
            if exact is not None:
                yield f"best {name}", curve.best(name).value, exact
    beta = float(rng.choice([0.25, 0.5, 2.0, 3.0]))
    if positives:
        exact = oracle.best(cuts, lambda cut: oracle.f_score(cut, beta))
        yield "best f", curve.best("f", beta=beta).value, exact
        for name in ("precision_at_recall", "recall_at_precision"):
            yield name, getattr(curve, name)(level).value, oracle.POINTS[name](cuts, level)
    if positives and negatives:
        yield "auroc", curve.auroc(), oracle.auroc(cuts)
        end = float(rng.choice(MAX_FPRS)) if rng.random() < 0.7 else 1 - float(rng.random())
        yield "partial auroc", curve.auroc(end), oracle.auroc(cuts, end)
        for name in ("fpr_at_tpr", "tpr_at_fpr", "specificity_at_sensitivity"):
            yield name, getattr(curve, name)(level).value, oracle.POINTS[name](cuts, level)
        yield "equal_error_rate", curve.equal_error_rate().value, oracle.equal_error_rate(cuts)


def holds(estimate, exact):
    """Return whether the exact number is between bounds that are around the value."""
    value = Fraction(float(estimate))
    return estimate.low <= exact <= estimate.high and estimate.low <= value <= estimate.high


def violations(trials, seed, weighted, max_size=60):
    """Return what was violated, how many numbers were checked, and the widths by name."""
    rng = np.random.default_rng(seed)
    violated, widths = [], {}
    for trial in range(trials):
        num_thresholds = NUM_THRESHOLDS[trial % len(NUM_THRESHOLDS)]
        labels, scores, weights = random_samples(rng, num_thresholds, max_size)
        weights = weights if weighted else None
        curve = curve_of(labels, scores, num_thresholds, weights)
        cuts = oracle.exact_cuts(labels, scores, weights)
        for name, estimate, exact in answers(curve, cuts, rng):
            widths.setdefault(name, []).append(estimate.width)
            if not holds(estimate, exact):
                violated.append((trial, name, estimate.low, float(exact), estimate.high))
    return violated, widths


@pytest.mark.parametrize("weighted", [False, True])
def test_no_certificate_is_violated(weighted):
    violated, widths = violations(1200, 60 + weighted, weighted)
    num_checked = sum(map(len, widths.values()))
    print(f"\n{'weighted' if weighted else 'counts'}: {len(violated)} violations in {num_checked}")
    for name, parts in widths.items():
        print(f"  {name:28} {len(parts):6} checked, mean width {np.mean(parts):.3g}")
    assert violated == []
    assert num_checked > 12_000


def test_the_check_finds_bounds_that_are_too_tight(monkeypatch):
    """The tempting upper bound, positives one by one above the negatives, is wrong with ties."""
    from fastpr.curves import areas

    def wrong(fine):
        value = down = up = 0.0
        for at in np.flatnonzero(fine.table[1]):
            p, tp, fp = fine.table[1, at], fine.floats[0, at + 1], fine.floats[1, at + 1]
            value += sum((tp + i) / (tp + i + fp) for i in range(1, p + 1)) / fine.positives
        return value, down, up

    monkeypatch.setattr("fastpr.curves.curve.step_area", wrong)
    assert areas.step_area is not wrong
    labels, scores = [0, 1, 1], [0.9, 0.2, 0.2]
    curve = curve_of(labels, scores, 3)
    exact = oracle.average_precision(oracle.exact_cuts(labels, scores))
    assert not holds(curve.average_precision(), exact)


def orders(num_groups):
    """Return all ways to give ranks to three samples of a bin: strict, and with ties."""
    return sorted({tuple(sorted(set(p)).index(i) for i in p) for p in
                   itertools.product(range(num_groups), repeat=num_groups)})  # fmt: skip


@exhaustive
def test_all_labels_and_orders_of_a_few_samples_in_three_bins():
    """All that up to 3 + 3 + 2 samples can be: the bounds hold for each, and some attain them."""
    rng = np.random.default_rng(3)
    edges = np.array([0.0, 0.5, 1.0])
    num_checked, attained_low, attained_high = 0, 0, 0
    for sizes in [(3, 2, 0), (2, 3, 0), (3, 3, 0), (2, 2, 2), (3, 3, 2)]:
        ways = [orders(sizes[0]), orders(sizes[1])]
        num_samples = sum(sizes)
        for labels in itertools.product((0, 1), repeat=num_samples):
            if num_samples == 8 and rng.random() > 0.15:
                continue  # the most of the largest are left to chance
            exacts = []
            curve = None
            for low_ranks, high_ranks in itertools.product(*ways):
                scores = [
                    *(0.1 + 0.1 * r for r in low_ranks),
                    *(0.6 + 0.1 * r for r in high_ranks),
                    *([1.0] * sizes[2]),
                ]
                if curve is None:
                    curve = curve_of(labels, scores, len(edges))
                    average_precision, auroc = curve.average_precision(), curve.auroc()
                    f1 = curve.best().value
                cuts = oracle.exact_cuts(labels, scores)
                if not any(labels) or all(labels):
                    break
                exacts.append(oracle.average_precision(cuts))
                assert holds(average_precision, exacts[-1])
                assert holds(auroc, oracle.auroc(cuts))
                assert holds(f1, oracle.best(cuts, oracle.f_score))
                num_checked += 1
            if exacts:
                attained_low += float(min(exacts)) - average_precision.low < 0.02
                attained_high += average_precision.high - float(max(exacts)) < 1e-9
    assert num_checked > 10_000
    assert attained_low > 100
    assert attained_high > 100


def test_a_sample_alone_in_its_bin_leaves_nothing_open():
    curve = curve_of([0, 1, 0, 1], [0.1, 0.3, 0.6, 0.9], 11)
    assert curve.is_exact
    assert curve.average_precision().is_exact
    weighted = curve_of([0, 1, 0, 1], [0.1, 0.3, 0.6, 0.9], 11, np.ones(4))
    assert not weighted.is_exact  # a sum of 1 can be of many samples
    assert weighted.auroc().is_exact  # but no bin is mixed


def test_20_times_as_many_bins_make_bounds_about_20_times_tighter():
    rng = np.random.default_rng(5)
    labels = rng.random(200_000) < 0.3
    scores = np.clip(rng.normal(0.4 + 0.2 * labels, 0.15), 0, 1)
    widths = {}
    for num_thresholds in (201, 4001):
        edges = np.arange(num_thresholds) / (num_thresholds - 1)
        bins = np.searchsorted(edges, scores, "right") - 1
        table = np.stack([np.bincount(bins[labels == c], minlength=num_thresholds) for c in (0, 1)])
        curve = Curve.from_bins(table, edges)
        for name, estimate in {
            "average_precision": curve.average_precision(),
            "auroc": curve.auroc(),
            "partial": curve.auroc(0.1),
            "f1": curve.best().value,
            "fpr": curve.fpr_at_tpr().value,
            "eer": curve.equal_error_rate().value,
            "ece": curve.expected_calibration_error(),
        }.items():
            widths.setdefault(name, []).append(estimate.width)
    for name, (coarse, fine) in widths.items():
        print(f"  {name:20} {coarse:.3g} {fine:.3g}")
        # how much of its bin the crossing leaves open depends on where in the bin it is
        assert (2 if name == "eer" else 10) < coarse / fine < 40, name


def test_counts_past_int64_products_and_2_to_the_53():
    """P = N = 5e9, and counts near 2**62: the exact numbers of bins are between the bounds."""
    for table in (
        np.array([[3 * 10**9, 2 * 10**9], [10**9, 4 * 10**9]]),
        np.array([[2**61 + 1, 2**60], [2**60 + 7, 2**61 + 5]]),
        np.array([[2**62 - 1, 1], [1, 2**62 - 1]]),
    ):
        for single in (True, False):
            curve = Curve.from_bins(table, [0.0, 0.5], single=[single, single])
            cuts = [(int(sum(table[1, b:])), int(sum(table[0, b:]))) for b in range(3)]
            p, n = cuts[0]
            cuts = [(tp, fp, p - tp, n - fp) for tp, fp in cuts]
            assert holds(curve.average_precision(), oracle.average_precision(cuts))
            assert holds(curve.auroc(), oracle.auroc(cuts))
            assert holds(curve.auroc(0.25), oracle.auroc(cuts, 0.25))
            for name, metric in oracle.METRICS.items():
                assert holds(curve.best(name).value, oracle.best(cuts, metric)), name
            assert holds(curve.equal_error_rate().value, oracle.equal_error_rate(cuts))
            for level in (1e-10, 0.25, 0.5, 0.75, 0.999):
                for name, point in oracle.POINTS.items():
                    assert holds(getattr(curve, name)(level).value, point(cuts, level)), name
            assert curve.auroc().is_exact is single
            assert not single or curve.auroc().width < 1e-13


def test_matthews_coefficient_grows_with_tp_and_falls_with_fp():
    for positives, negatives in ((1, 1), (3, 5), (7, 2), (6, 6), (1, 9)):
        tp, fp = np.meshgrid(np.arange(positives + 1), np.arange(negatives + 1), indexing="ij")
        fn, tn = positives - tp, negatives - fp
        value = matthews(*(c.ravel().astype(float) for c in (tp, fp, fn, tn)), np.nan)
        value = value.reshape(tp.shape)
        defined = (tp + fp > 0) & (fn + tn > 0)
        value[~defined] = np.nan
        steps = np.concatenate([np.diff(value, axis=0).ravel(), -np.diff(value, axis=1).ravel()])
        assert (steps[np.isfinite(steps)] >= -1e-15).all()
        # where it is not defined it counts as 0: at most 0 beside, on the side that is worse
        assert value[0, 1:].max() <= 1e-15
        assert value[:-1, -1].max() <= 1e-15


def test_weights_of_very_different_sizes():
    weights = np.array([1e300, 1e-300, 1e-5, 3.0, 0.0, 1e300])
    labels, scores = [0, 1, 1, 0, 1, 0], [0.1, 0.2, 0.6, 0.7, 0.8, 0.9]
    for num_thresholds in (2, 3, 11):
        curve = curve_of(labels, scores, num_thresholds, weights)
        cuts = oracle.exact_cuts(labels, scores, weights)
        for name, estimate, exact in answers(curve, cuts, np.random.default_rng(0)):
            assert holds(estimate, exact), name


def test_errors_of_1e_12_in_the_sums_are_inside_the_bounds():
    rng = np.random.default_rng(7)
    for _ in range(100):
        labels, scores, _ = random_samples(rng, 11)
        weights = rng.random(len(scores)) + 0.01
        cuts = oracle.exact_cuts(labels, scores, weights)
        curve = curve_of(labels, scores, 11, weights)
        table = curve.cuts.table * (1 + rng.uniform(-1e-12, 1e-12, (2, 11)))
        for name, estimate, exact in answers(replace_table(curve, table), cuts, rng):
            assert holds(estimate, exact), name


def test_a_problem_takes_the_bounds_away_and_leaves_the_values():
    plain = Curve.from_bins([[2, 1, 0], [0, 1, 3]], [0.0, 0.5, 1.0])
    curve = Curve.from_bins([[2, 1, 0], [0, 1, 3]], [0.0, 0.5, 1.0], problem="two dtypes")
    for make in (
        lambda c: c.average_precision(),
        lambda c: c.auroc(),
        lambda c: c.auroc(0.5),
        lambda c: c.best("mcc").value,
        lambda c: c.fpr_at_tpr().value,
        lambda c: c.equal_error_rate().value,
        lambda c: c.expected_calibration_error(2),
    ):
        assert float(make(curve)) == float(make(plain))
        for name in ("low", "high", "width"):
            with pytest.raises(ValueError, match="two dtypes"):
                getattr(make(curve), name)
        assert not make(curve).is_exact
    assert not curve.is_exact


def test_a_class_of_more_samples_than_int64_holds_is_refused():
    with pytest.raises(OverflowError, match="a class has more samples"):
        FineCuts(np.full((2, 3), 2**62), np.arange(3.0), np.zeros(3, bool))
    with pytest.raises(OverflowError, match="float64"):
        FineCuts(np.full((2, 3), 1e308), np.arange(3.0), np.zeros(3, bool))


def scores_of_kind(rng, dtype, num_thresholds, size):
    """Return scores of a dtype: on edges, beside them, and anywhere; and their values."""
    edges = np.arange(num_thresholds) / (num_thresholds - 1)
    if np.dtype(dtype).kind == "u":
        most = np.iinfo(dtype).max
        near = np.round(rng.choice(edges, size) * most) + rng.integers(-1, 2, size)
        scores = np.clip(near, 0, most).astype(dtype)
        scores = np.where(rng.random(size) < 0.5, scores, rng.integers(0, most, size).astype(dtype))
        return scores, scores / most
    scores = random_scores(rng, size, edges).astype(dtype)
    return scores, scores.astype(np.float64)


@pytest.mark.parametrize(
    "dtype", [np.float16, ml_dtypes.bfloat16, np.float32, np.float64, np.uint8, np.uint16]
)
def test_certificates_of_states_of_all_dtypes(dtype):
    rng = np.random.default_rng(np.dtype(dtype).itemsize)
    options = [{}, {"bins_per_threshold": 4}]
    if np.dtype(dtype).name not in ("float32", "float64"):
        options.append({"resolution": "exact"})
    for trial in range(60):
        num_thresholds = NUM_THRESHOLDS[trial % 4]
        scores, values = scores_of_kind(rng, dtype, num_thresholds, int(rng.integers(1, 40)))
        labels, weights = random_labels(rng, values), random_weights(rng, len(values))
        cuts = oracle.exact_cuts(labels, values, weights)
        for option in options:
            state = fastpr.PrecisionRecallAtEqualThresholds(num_thresholds, **option)
            curve = state.update(labels, scores, weights).curve()
            for name, estimate, exact in answers(curve, cuts, rng):
                assert holds(estimate, exact), (name, option)
            if sum(cuts[0]):
                error = curve.expected_calibration_error(1)
                assert holds(error, oracle.calibration_error(labels, values, 1, weights=weights))
            if "resolution" in option:
                assert curve.is_exact
                assert all(estimate.is_exact for _, estimate, _ in answers(curve, cuts, rng))


samples = st.lists(
    st.tuples(st.booleans(), st.one_of(st.sampled_from([0.0, 0.5, 0.7, 1.0]), st.floats(0, 1))),
    min_size=1,
    max_size=12,
)


@given(samples, st.sampled_from([2, 3, 11]), st.integers(0, 2**32))
@examples(150)
def test_certificates_of_the_smallest_sets(pairs, num_thresholds, seed):
    labels, scores = zip(*pairs, strict=True)
    curve, cuts = curve_of(labels, scores, num_thresholds), oracle.exact_cuts(labels, scores)
    for name, estimate, exact in answers(curve, cuts, np.random.default_rng(seed)):
        assert holds(estimate, exact), name
