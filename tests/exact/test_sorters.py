"""Exact curves on each backend that sorts, and what is said of those that do not."""

import warnings

import numpy as np
import pytest
from exact_cases import sets

import fastpr
from fastpr import exact
from fastpr.backends.choose import choose_sorter


def everything(labels, scores, weights, backend):
    """Return all that the four functions give, warnings too."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        options = {"sample_weight": weights, "backend": backend}
        found = [
            *exact.precision_recall_curve(labels, scores, pos_label=1, **options),
            *exact.precision_recall_curve(
                labels, scores, pos_label=1, drop_intermediate=True, **options
            ),
            *exact.roc_curve(labels, scores, pos_label=1, **options),
            *exact.roc_curve(labels, scores, pos_label=1, drop_intermediate=False, **options),
            exact.average_precision_score(labels == 1, scores, **options),
            exact.roc_auc_score(labels == 1, scores, **options),
        ]
    return found, [(str(one.message), one.filename) for one in caught]


def test_every_sorter_gives_the_same_curves():
    for labels, scores, weights in sets(60, (1, 300), seed=5):
        found, said = everything(labels, scores, weights, "numba")
        expected, expected_said = everything(labels, scores, weights, "reference")
        assert said == expected_said
        assert all(name == __file__ for _, name in said)
        for a, b in zip(found, expected, strict=True):
            assert np.asarray(a).dtype == np.asarray(b).dtype
            np.testing.assert_allclose(a, b, rtol=1e-13, atol=0)


def test_thresholds_and_counts_are_the_same_bits():
    rng = np.random.default_rng(1)
    labels, scores = rng.random(5000) < 0.3, rng.integers(0, 900, 5000).astype("f4") / 900
    for function in (exact.precision_recall_curve, exact.roc_curve):
        for a, b in zip(
            function(labels, scores, backend="numba"),
            function(labels, scores, backend="reference"),
            strict=True,
        ):
            assert a.tobytes() == b.tobytes()


@pytest.mark.parametrize("function", exact.__all__[1:])
@pytest.mark.parametrize("name", ["c", "cuda"])
def test_a_backend_that_does_not_sort_is_an_error(monkeypatch, function, name):
    monkeypatch.delenv("FASTPR_BACKEND", raising=False)
    call = getattr(exact, function)
    with pytest.raises(fastpr.BackendUnavailable) as caught:
        call([0, 1], [0.2, 0.8], backend=name)
    assert str(caught.value) == (
        f"backend {name!r} does not sort scores, as exact curves need it; pass "
        "backend='numba' or 'reference'"
    )
    monkeypatch.setenv("FASTPR_BACKEND", name)
    with pytest.raises(fastpr.BackendUnavailable, match=r"FASTPR_BACKEND names it"):
        call([0, 1], [0.2, 0.8])
    assert call([0, 1], [0.2, 0.8], backend="reference") is not None


def test_the_variable_names_a_sorter(monkeypatch):
    monkeypatch.setenv("FASTPR_BACKEND", "reference")
    assert choose_sorter()[0] == "reference"
    monkeypatch.setenv("FASTPR_BACKEND", "auto")
    assert choose_sorter()[0] == "numba"
    with pytest.raises(ValueError, match="backend must be one of"):
        exact.roc_curve([0, 1], [0.2, 0.8], backend="fast")
