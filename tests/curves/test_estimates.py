"""Estimates: floats that know their bounds."""

import copy
import json
import math
import pickle

import numpy as np
import pytest

from fastpr.curves.estimates import Estimate, bounded


def test_an_estimate_is_a_float():
    estimate = Estimate(0.81234, 0.81201, 0.81269)
    assert isinstance(estimate, float)
    assert type(estimate + 1) is float
    assert estimate + 1 == 1 + 0.81234
    assert f"{estimate:.2f} {estimate} {estimate!s}" == "0.81 0.81234 0.81234"
    assert json.dumps([estimate]) == "[0.81234]"
    assert np.array([estimate]).dtype == np.float64
    assert estimate.width == pytest.approx(0.00068)
    for other in (pickle.loads(pickle.dumps(estimate)), copy.deepcopy(estimate)):
        assert (other, other.low, other.high) == (0.81234, 0.81201, 0.81269)
        assert repr(other) == repr(estimate)
    with pytest.raises(AttributeError, match="cannot be changed"):
        estimate.low = 0.0
    for parts in ((0.5, 0.6, 0.7), (0.5, 0.3, 0.4), (math.nan, 0.0, 1.0), (0.5, math.nan, 1.0)):
        with pytest.raises(ValueError, match="is not between"):
            Estimate(*parts)


def test_an_estimate_shows_the_digits_that_tell_its_bounds_apart():
    assert repr(Estimate(0.81234, 0.81201, 0.81269)) == "0.8123 (0.8120 to 0.8127)"
    assert repr(Estimate(0.5, 0.25 - 1e-15, 1.0)) == "0.50 (0.25 to 1.00)"
    assert repr(Estimate(1 / 3, 1 / 3 - 1e-9, 1 / 3 + 1e-9)).startswith("0.333333333 (0.333333332")
    assert repr(Estimate(-0.25, -0.5, 0.0)) == "-0.25 (-0.50 to 0.00)"
    assert repr(Estimate(0.75)) == repr(Estimate(0.75, 0.75 - 1e-15, 0.75, True)) == "0.75 (exact)"
    assert repr(Estimate(0.75, problem="why")) == "0.75 (no bounds)"
    assert repr(Estimate(math.nan)) == "nan"
    rng = np.random.default_rng(0)
    for _ in range(300):
        value, down, up = rng.random() * 0.5 + 0.25, *10.0 ** rng.uniform(-13, -1, 2)
        estimate = Estimate(value, value - down, value + up)
        shown = [float(part.strip("()")) for part in repr(estimate).split() if part != "to"]
        assert shown[1] <= estimate.low + 1e-10
        assert shown[2] >= estimate.high - 1e-10
        assert shown[1] < shown[2]
        assert shown[2] - shown[1] < 22 * estimate.width


def test_bounds_are_widened_and_cut_off_at_the_range_of_the_metric():
    plain = bounded(0.5, 0.125, 0.25, 0.0625)
    assert (plain, plain.low, plain.high, plain.is_exact) == (0.5, 0.3125, 0.8125, False)
    ends = bounded(1 + 1e-16, 2.0, 1.0, 0.0)
    assert (ends, ends.low, ends.high) == (1.0, 0.0, 1.0)
    exact = bounded(-0.5, 0.0, 0.0, 2.0**-40, (-1.0, 1.0))
    assert exact.is_exact
    assert exact.width == 2.0**-39
    with pytest.raises(ValueError, match="there are no bounds: because"):
        _ = bounded(0.5, 0.1, 0.1, 0.0, problem="because").high
