"""What rows of scores and their weights may be, and the messages that say so."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastpr.arrays.dtypes import ScoreKind, score_kind
from fastpr.arrays.weights import as_float64, check_weight_values, weight_array

# Ranks are int32, and k stands for all that are not below it.
MAX_CLASSES = 2**31 - 1


def check_kind(dtype: np.dtype[Any], is_bfloat16: bool) -> ScoreKind:
    """Return the kind of scores of a dtype; TypeError for other dtypes."""
    kind = score_kind(dtype, is_bfloat16)
    if kind is None or kind.ranks is None:
        raise TypeError(
            f"predictions have dtype {dtype}; pass scores as float16, bfloat16, float32, "
            "float64 or uint8, with .astype(numpy.float32) for instance"
        )
    return kind


def check_score_shape(shape: tuple[int, ...]) -> None:
    """Raise ValueError if an array of this shape has no dimension of classes, or no class."""
    if not shape:
        raise ValueError(
            "predictions are a single number; pass at least one dimension, that of classes"
        )
    check_num_classes(shape)


def check_num_classes(shape: tuple[int, ...]) -> None:
    """Raise ValueError if the last dimension is not one of classes."""
    if not 1 <= shape[-1] <= MAX_CLASSES:
        raise ValueError(
            f"predictions of shape {shape} have {shape[-1]} classes; pass scores of 1 to "
            f"{MAX_CLASSES} classes, along the last dimension"
        )


def row_weights(
    weights: ArrayLike, shape: tuple[int, ...], num_rows: int, name: str = "predictions"
) -> NDArray[np.float64]:
    """Return the weights of rows as float64, as they are or as a broadcast view where they can.

    Parameters
    ----------
    weights : array_like of float, int or bool
        As the user passed them.
    shape : tuple of int
        The shape of what is ranked; all but its last are the leading dimensions.
    num_rows : int
        Their product.
    name : str, default "predictions"
        What messages call it.

    Returns
    -------
    ndarray of float64, shape (num_rows,)
        Finite and not negative.
    """
    array, is_bfloat16 = weight_array(
        weights, if_masked="pass their .filled(0), so that masked rows weigh 0"
    )
    lead = shape[:-1]
    check_weight_shape(array.shape, shape, name)
    values = as_float64(array, is_bfloat16)
    if not (np.isfinite(values) & (values >= 0)).all():
        check_weight_values(array, is_bfloat16, left_out="rows")
    if values.size == 1:
        return np.broadcast_to(values.reshape(1), (num_rows,))
    return np.broadcast_to(values, lead).reshape(num_rows)


def check_weight_shape(
    weights_shape: tuple[int, ...], shape: tuple[int, ...], name: str = "predictions"
) -> None:
    """Raise ValueError if weights of one shape are not those of the rows of another."""
    lead = shape[:-1]
    if weights_shape and (
        len(weights_shape) != len(lead)
        or any(ours not in (1, theirs) for ours, theirs in zip(weights_shape, lead, strict=True))
    ):
        raise ValueError(
            f"weights of shape {weights_shape} do not go with {name} of shape {shape}; pass a "
            f"scalar, or an array of the leading shape {lead}, whose dimensions may also be 1"
        )
