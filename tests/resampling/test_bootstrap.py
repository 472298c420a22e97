"""Intervals over groups: against merging the states themselves, and against SciPy."""

import math
import pickle

import numpy as np
import pytest
from scipy import stats
from tiers import exhaustive

import fastpr
from fastpr.resampling.bootstrap import METRICS, BootstrapResult, bootstrap

NUM_GROUPS = 12


def make_states(num_groups=NUM_GROUPS, weighted=False, num_samples=60, **options):
    rng = np.random.default_rng(5)
    states = []
    for _ in range(num_groups):
        scores = rng.random(num_samples, dtype=np.float32)
        labels = rng.random(num_samples) < scores ** rng.uniform(0.3, 3)
        state = fastpr.PrecisionRecallAtEqualThresholds(**{"num_thresholds": 21, **options})
        state.update(labels, scores, rng.random(num_samples) if weighted else None)
        states.append(state)
    return states


@pytest.fixture(scope="module")
def states():
    return make_states()


def merged(states, groups):
    total = states[groups[0]] + states[groups[1]]
    return total.merge(*(states[group] for group in groups[2:]))


def value_of(metric, curve):
    if callable(metric):
        value = metric(curve)
    elif metric.startswith("best_"):
        value = curve.best(metric.removeprefix("best_"))
    else:
        value = getattr(curve, metric)()
    return value.value if isinstance(value, tuple) else value


def by_merging(states, metric, num_resamples, seed):
    rng = np.random.default_rng(seed)
    draws = [rng.integers(len(states), size=len(states)) for _ in range(num_resamples)]
    return np.array([value_of(metric, merged(states, groups).curve()) for groups in draws])


def iou_at_half(curve):
    return curve.iou[len(curve.thresholds) // 2]


# ---- what a resample is ----


@pytest.mark.parametrize("metric", [*METRICS, iou_at_half])
def test_a_resample_is_the_merge_of_the_states_it_takes(states, metric):
    result = bootstrap(states, metric, 25, seed=3)
    assert np.array_equal(result.distribution, by_merging(states, metric, 25, 3))
    assert result.estimate == value_of(metric, merged(states, range(NUM_GROUPS)).curve())
    assert result.metric == (metric if isinstance(metric, str) else "iou_at_half")


@pytest.mark.parametrize(
    "options",
    [{"bins_per_threshold": 7}, {"resolution": "exact"}, {"zero_division": 1.0}],
    ids=lambda options: next(iter(options)),
)
def test_a_resample_keeps_the_options_of_the_states(options):
    states = make_states(num_samples=0, **options)
    rng = np.random.default_rng(0)
    for state in states[1:]:  # the first one stays empty
        state.update(rng.random(30) < 0.5, rng.integers(0, 256, 30).astype(np.uint8))
    for metric in ("average_precision", "auroc", "best_f1"):
        result = bootstrap(states, metric, 10, seed=1)
        assert np.array_equal(result.distribution, by_merging(states, metric, 10, 1))


def test_a_resample_of_weighted_states_is_their_merge_within_rounding():
    states = make_states(weighted=True)
    result = bootstrap(states, "average_precision", 25, seed=3)
    expected = by_merging(states, "average_precision", 25, 3)
    np.testing.assert_allclose(result.distribution, expected, rtol=1e-12)


def test_weighted_and_unweighted_states_go_together():
    states = make_states(weighted=True)[:3] + make_states()[3:]
    result = bootstrap(states, "auroc", 10, seed=3)
    np.testing.assert_allclose(result.distribution, by_merging(states, "auroc", 10, 3), rtol=1e-12)


def test_counts_past_2_to_the_53_are_exact():
    states = make_states()
    for state in states[::2]:
        for _ in range(48):
            state.merge(state)
    curves = []

    def kept(curve):
        curves.append(curve)
        return 0.0

    bootstrap(states, kept, 10, seed=4)
    rng = np.random.default_rng(4)
    for curve in curves[1:]:
        groups = rng.integers(NUM_GROUPS, size=NUM_GROUPS)
        expected = merged(states, groups).compute()
        for name in ("tp", "fp", "tn", "fn"):
            assert getattr(curve, name).dtype == np.int64
            assert np.array_equal(getattr(curve, name), getattr(expected, name))
    assert max(int(curve.tp[0]) for curve in curves) > 2**55


def test_groups_that_could_overflow_are_refused():
    states = make_states(4)
    for _ in range(56):
        states[0].merge(states[0])
    with pytest.raises(OverflowError, match="could hold"):
        bootstrap(states, "auroc", 10)


def test_states_stay_as_they_are(states):
    before = [state.to_bytes() for state in states]
    bootstrap(states, "auroc", 10, method="bca")
    assert [state.to_bytes() for state in states] == before


# ---- what is drawn ----


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("method", ["percentile", "bca"])
def test_the_same_seed_gives_the_same_bits_for_any_batch(weighted, method):
    states = make_states(weighted=weighted)
    results = [
        bootstrap(states, "average_precision", 50, method=method, seed=9, batch=batch)
        for batch in (None, 1, 7, 50, 1000)
    ]
    assert len({result.distribution.tobytes() for result in results}) == 1
    assert len({(result.low, result.high) for result in results}) == 1


def test_seeds_are_those_of_numpy(states):
    first = bootstrap(states, "auroc", 20, seed=9).distribution
    for seed in (np.random.SeedSequence(9), np.random.default_rng(9), np.random.PCG64(9)):
        assert np.array_equal(bootstrap(states, "auroc", 20, seed=seed).distribution, first)
    generator = np.random.default_rng(9)
    bootstrap(states, "auroc", 20, seed=generator)
    assert not np.array_equal(bootstrap(states, "auroc", 20, seed=generator).distribution, first)
    others = [bootstrap(states, "auroc", 20).distribution for _ in range(2)]
    assert not np.array_equal(*others)


def test_progress_is_told_after_each_batch(states):
    done = []
    bootstrap(states, "auroc", 20, batch=8, progress=done.append)
    assert done == [8, 16, 20]


def test_any_iterable_of_states_will_do(states):
    first = bootstrap(states, "auroc", 10, seed=0)
    assert bootstrap(iter(states), "auroc", 10, seed=0).low == first.low


# ---- the intervals ----


@pytest.mark.parametrize("method", ["percentile", "basic", "bca"])
@pytest.mark.parametrize("metric", ["average_precision", "best_f1"])
@pytest.mark.parametrize("level", [0.5, 0.9, 0.95])
def test_intervals_are_those_of_scipy(states, method, metric, level):
    result = bootstrap(states, metric, 99, confidence_level=level, method=method, seed=2)
    expected = stats.bootstrap(
        (np.arange(NUM_GROUPS),),
        lambda groups: value_of(metric, merged(states, groups).curve()),
        n_resamples=99,
        vectorized=False,
        confidence_level=level,
        method=method,
        rng=np.random.default_rng(2),
    )
    np.testing.assert_array_equal(result.distribution, expected.bootstrap_distribution)
    assert result.low == pytest.approx(expected.confidence_interval.low, rel=1e-12)
    assert result.high == pytest.approx(expected.confidence_interval.high, rel=1e-12)
    assert result.standard_error == pytest.approx(expected.standard_error, rel=1e-12)


def test_the_bounds_of_binning_stay_with_the_estimate(states):
    result = bootstrap(states, "average_precision", 10)
    assert result.estimate.low <= result.estimate <= result.estimate.high
    assert result.estimate.high != result.high


@pytest.mark.parametrize("method", ["percentile", "basic", "bca"])
def test_groups_that_are_alike_leave_no_doubt(method):
    state = make_states(1)[0]
    result = bootstrap([state] * 5, "auroc", 20, method=method)
    assert result.low == result.high == result.estimate
    assert result.standard_error == pytest.approx(0, abs=1e-15)


def test_one_resample_has_no_standard_error(states):
    result = bootstrap(states, "auroc", 1)
    assert result.low == result.high == result.distribution[0]
    assert math.isnan(result.standard_error)


# ---- what is not defined ----


def one_positive_group():
    states = [fastpr.PrecisionRecallAtEqualThresholds(11) for _ in range(4)]
    for state in states:
        state.update([0, 0, 0], [0.1, 0.5, 0.7])
    states[0].update([1, 1], [0.2, 0.6])
    return states


def test_resamples_without_a_value_are_left_out_and_counted():
    states = one_positive_group()
    expected = by_merging(states, "auroc", 200, 6)
    undefined = np.isnan(expected).sum()
    assert 30 < undefined < 100
    with pytest.warns(RuntimeWarning, match=f"the auroc of {undefined} of 200 resamples is not"):
        result = bootstrap(states, "auroc", 200, seed=6)
    assert result.num_undefined == undefined
    assert np.array_equal(result.distribution, expected, equal_nan=True)
    defined = expected[~np.isnan(expected)]
    assert [result.low, result.high] == np.quantile(defined, [0.025, 0.975]).tolist()
    assert result.standard_error == defined.std(ddof=1)


def test_bca_leaves_out_groups_without_which_there_is_no_value():
    states = one_positive_group()
    states[2].update([0, 0], [0.0, 0.0])
    with pytest.warns(RuntimeWarning, match="left out"):
        result = bootstrap(states, "auroc", 200, method="bca", seed=6)
    values = result.distribution[np.isfinite(result.distribution)]
    # all but the one with the positives can be left out
    others = [
        value_of("auroc", merged(states, [0, *pair]).curve()) for pair in ((2, 3), (1, 3), (1, 2))
    ]
    deviations = np.mean(others) - others
    acceleration = (deviations**3).sum() / (6 * (deviations**2).sum() ** 1.5)
    assert acceleration != 0
    share = (np.mean(values < result.estimate) + np.mean(values <= result.estimate)) / 2
    bias = stats.norm.ppf(share)
    shifted = bias + stats.norm.ppf([0.025, 0.975])
    levels = stats.norm.cdf(bias + shifted / (1 - acceleration * shifted))
    assert [result.low, result.high] == pytest.approx(np.quantile(values, levels))


@pytest.mark.parametrize("method", ["percentile", "basic", "bca"])
def test_without_any_value_there_is_no_interval(method):
    states = [fastpr.PrecisionRecallAtEqualThresholds(11).update([0], [0.5]) for _ in range(3)]
    with pytest.warns(RuntimeWarning, match="10 of 10 resamples"):
        result = bootstrap(states, "auroc", 10, method=method)
    assert math.isnan(result.estimate)
    assert math.isnan(result.low)
    assert math.isnan(result.high)
    assert math.isnan(result.standard_error)


def test_bca_has_no_interval_when_all_resamples_are_on_one_side(states):
    values = iter([1.0] + [0.5, 0.25] * 20)
    with pytest.warns(RuntimeWarning, match="all resamples lie on one side"):
        result = bootstrap(states, lambda _: next(values), 10, method="bca")
    assert math.isnan(result.low)
    assert math.isnan(result.high)


# ---- what is refused ----


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"states": []}, "at least 2 states are needed.*got 0"),
        ({"states": make_states(1)}, "at least 2 states are needed.*got 1"),
        ({"metric": "f1"}, "metric must be one of average_precision, auroc, .*got 'f1'"),
        ({"metric": 3}, "metric must be one of .*got 3"),
        ({"metric": "best_score"}, "metric must be one of .*best_iou.*got 'best_score'"),
        ({"num_resamples": 0}, "num_resamples must be at least 1, got 0"),
        ({"batch": 0}, "batch must be at least 1, got 0"),
        ({"confidence_level": 1.0}, "confidence_level must be between 0 and 1, got 1.0"),
        ({"confidence_level": 0}, "confidence_level must be between 0 and 1, got 0"),
        ({"confidence_level": math.nan}, "confidence_level must be between 0 and 1, got nan"),
        ({"method": "BCa"}, "method must be one of percentile, basic, bca, got 'BCa'"),
        (
            {"states": [*make_states(2), *make_states(1, num_thresholds=5)]},
            "different options.*num_thresholds",
        ),
        ({"states": [*make_states(2), *make_states(1, bins_per_threshold=2)]}, "bins_per_thresh"),
    ],
)
def test_bad_options_are_refused(states, options, message):
    arguments = {"states": states, "metric": "auroc", "num_resamples": 5, **options}
    with pytest.raises(ValueError, match=message):
        bootstrap(**arguments)


def test_what_is_not_a_state_is_refused(states):
    with pytest.raises(TypeError, match="got AveragePrecisionAtK at index 1"):
        bootstrap([states[0], fastpr.AveragePrecisionAtK(3)], "auroc")
    with pytest.raises(TypeError, match="got one state"):
        bootstrap(states[0], "auroc")
    with pytest.raises(TypeError):
        bootstrap(states, "auroc", 2.5)


@pytest.mark.parametrize("value", [None, "0.5", [0.5, 0.6], np.zeros(3)])
def test_a_metric_that_is_not_a_number_is_refused(states, value):
    with pytest.raises(TypeError, match="the metric <lambda> must return a number"):
        bootstrap(states, lambda _: value)


# ---- what an interval is for ----


def draw_group(rng):
    """Return the state of a group whose scores and share of positives are its own."""
    shift = rng.normal(scale=0.6)
    num = rng.integers(20, 60)
    labels = rng.random(num) < 1 / (1 + np.exp(1 - shift))
    scores = 1 / (1 + np.exp(-rng.normal(size=num) - 1.2 * labels - shift))
    return fastpr.PrecisionRecallAtEqualThresholds(21).update(labels, scores)


@pytest.mark.parametrize("method", ["percentile", "bca"])
@exhaustive
def test_intervals_hold_the_value_of_all_groups_as_often_as_they_say(method):
    rng = np.random.default_rng(3)
    everything = draw_group(rng).merge(*(draw_group(rng) for _ in range(5000)))
    value, num_held = everything.curve().auroc(), 0
    for seed in range(100):
        sample = [draw_group(rng) for _ in range(60)]
        result = bootstrap(sample, "auroc", 200, seed=seed, method=method, confidence_level=0.9)
        num_held += result.low <= value <= result.high
    assert 0.8 < num_held / 100 < 0.97  # three standard deviations, and few groups


# ---- the result ----


def test_the_result_is_read_only_and_pickles(states):
    result = bootstrap(states, "average_precision", 10, seed=1, method="basic")
    for copy in (result, pickle.loads(pickle.dumps(result))):
        assert isinstance(copy, BootstrapResult)
        assert copy.distribution.shape == (10,)
        assert copy.distribution.dtype == np.float64
        assert not copy.distribution.flags.writeable
        assert repr(copy) == repr(result)
        assert (copy.method, copy.num_groups, copy.num_undefined) == ("basic", NUM_GROUPS, 0)
        with pytest.raises(AttributeError):
            copy.low = 0.0


def test_repr_is_short(states):
    text = repr(bootstrap(states, "auroc", 300, seed=1))
    assert text.startswith("BootstrapResult(auroc=0.")
    assert "num_groups=12, num_resamples=300" in text
    assert len(text) < 160
