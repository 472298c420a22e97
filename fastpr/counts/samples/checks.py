"""What samples may be, and the messages that say so, wherever the samples are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastpr.arrays.dtypes import ScoreKind, score_kind
from fastpr.arrays.first import First, position_text
from fastpr.arrays.weights import bad_weights

_BOOLS = np.dtype(np.uint8)


def check_kind(dtype: np.dtype[Any], is_bfloat16: bool) -> ScoreKind:
    """Return the kind of scores of a dtype; TypeError for other dtypes."""
    kind = score_kind(dtype, is_bfloat16)
    if kind is None:
        raise TypeError(
            f"predictions have dtype {dtype}; pass scores in [0, 1] as float16, bfloat16, "
            "float32 or float64, or uint8 or uint16 that stand for u / (2**bits - 1)"
        )
    return kind


def kernel_labels(dtype: np.dtype[Any], is_bfloat16: bool) -> np.dtype[Any] | str:
    """Return as what kernels read labels of a dtype; TypeError if they are not labels.

    That is uint8 for bool, of which every byte is a label, and signed integers.
    """
    if dtype.kind == "b":
        return _BOOLS
    if dtype.kind == "i":
        return dtype
    if dtype.kind == "u" and not is_bfloat16:
        signed: str = dtype.str.replace("u", "i")
        return signed
    raise TypeError(
        f"labels have dtype {'bfloat16' if is_bfloat16 else dtype}; pass bool labels, or "
        "integers 0 and 1 (labels > 0, for instance)"
    )


def check_shapes(labels: tuple[int, ...], predictions: tuple[int, ...]) -> None:
    """Raise ValueError if the two shapes differ."""
    if labels != predictions:
        raise ValueError(
            f"labels of shape {labels} and predictions of shape {predictions} "
            "must have the same shape"
        )


def check_broadcast(weights: tuple[int, ...], shape: tuple[int, ...]) -> None:
    """Raise ValueError if weights of a shape do not broadcast to that of the predictions."""
    trailing = shape[len(shape) - len(weights) :] if len(weights) <= len(shape) else None
    if trailing is None or any(
        ours not in (1, theirs) for ours, theirs in zip(weights, trailing, strict=True)
    ):
        raise ValueError(
            f"weights of shape {weights} do not broadcast to predictions of shape {shape}; "
            "each of their dimensions, counted from the last, must be 1 or equal"
        )


def message_of(
    num_invalid: int,
    num_bad_labels: int,
    num_bad_weights: int,
    first: Callable[[str], First],
    kind: ScoreKind,
) -> str:
    """Return what is wrong with samples: of labels, weights and scores the first that is.

    Parameters
    ----------
    num_invalid, num_bad_labels, num_bad_weights : int
        What a kernel reported; see `fastpr.backends.protocol.Backend.score_histogram`.
    first : callable
        Takes "labels", "weights" or "predictions", and returns the first that is wrong.
    kind : ScoreKind
        Of the scores; the first of these is as it is stored.
    """
    if num_bad_labels:
        return bad_labels(first("labels"))
    if num_bad_weights:
        return bad_weights(first("weights"))
    return bad_scores(num_invalid, first("predictions"), kind)


def bad_labels(first: First) -> str:
    """Return the message about labels of which one is neither 0 nor 1."""
    return (
        f"labels hold values other than 0 and 1 ({position_text(first)}); pass labels > 0, "
        "and weights of 0 where samples are to be ignored"
    )


def bad_scores(num_invalid: int, first: First, kind: ScoreKind) -> str:
    """Return the message about scores that are not in [0, 1]; the first is as it is stored."""
    if first is not None:
        first = kind.floats(np.asarray(first[0]))[()], first[1]
    noun = "value that is" if num_invalid == 1 else "values that are"
    return (
        f"predictions hold {num_invalid} {noun} not in [0, 1] ({position_text(first)}); pass "
        "probabilities (of logits, the sigmoid), or invalid='drop' to leave such "
        "samples out and count them"
    )
