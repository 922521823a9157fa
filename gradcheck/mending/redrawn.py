"""Data drawn anew within their kind: labels stay labels, masks masks, probabilities probabilities.

Data with a structure that a function may rely on (evenly spaced, orthogonal, a pattern of ones and
zeros that is no mask) stay as they are: None is returned.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

SPREAD = 0.4
"""The standard deviation of the logarithms of the factors by which numbers are scaled."""

CLOSE = 1e-9
FEW = 12
"""The maximum number of different whole numbers, written as floats, that are classes."""

PARTS, LARGEST = 60, 100.0
"""A number of mathematics, its square or exponential is so many whole ones, or these times pi."""


def redrawn(array: Array, rng: np.random.Generator) -> Array | None:
    """Return an array of the same shape, kind and class with other values, or None."""
    drawn = _of_its_kind(np.asarray(array), rng)
    return drawn if drawn is None else drawn.view(type(array))  # the product of matrices is `*`


def _of_its_kind(array: Array, rng: np.random.Generator) -> Array | None:
    if array.dtype.kind in "biu":
        others = (
            _one_hot(array.astype(np.float64), rng) if set(np.unique(array)) <= {0, 1} else None
        )
        if others is not None:
            return None if _is_square(array) else others.astype(array.dtype)
        return _mask(array, rng) if array.dtype.kind == "b" else _whole_numbers(array, rng)
    if not np.all(np.isfinite(array)):
        return None
    is_complex = array.dtype.kind == "c"
    drawn = _complex(array, rng) if is_complex else _floats(array.astype(np.float64), rng)
    return None if drawn is None else drawn.astype(array.dtype)


def redrawn_number(value: float, rng: np.random.Generator) -> float | None:
    """Return another number of the same kind; None for 0, 1, -1, a root and what is not finite.

    A 0, 1 or -1 of numpy's is an item of an array, as the label of a sample is.
    """
    if isinstance(value, np.floating) and value in (0.0, 1.0, -1.0):
        return 1.0 if value < 1 else 0.0
    value = float(value)
    if not np.isfinite(value) or value in (0.0, 1.0, -1.0) or _is_of_mathematics(value):
        return None
    other = jittered(np.array([value]), rng)
    return float(other[0])


def _is_of_mathematics(value: float) -> bool:
    """True of 5 / 3, sqrt(5), sqrt(2 / pi) or log(2 pi), with which a formula stands or falls."""
    if float(f"{value:.12g}") == value or abs(value) > LARGEST:
        return False
    numbers = (value, value**2, np.exp(value))
    parts = [PARTS * number * by for number in numbers for by in (1, np.pi, 1 / np.pi)]
    return any(abs(one - round(one)) <= 1e-13 * abs(round(one)) for one in parts)


def renamed(arrays: Sequence[Array], rng: np.random.Generator) -> list[Array]:
    """Return several arrays with their labels exchanged: equal labels are still equal."""
    labels = np.unique(np.concatenate([array.reshape(-1) for array in arrays]))
    others = rng.permutation(labels)
    return [others[np.searchsorted(labels, array)].astype(array.dtype) for array in arrays]


def _mask(array: Array, rng: np.random.Generator) -> Array | None:
    """Return a mask with one true entry more or less, if possible, at other places."""
    count = int(array.sum())
    if array.size < 2 or count in (0, array.size):
        return None
    counts = [one for one in (count + 1, count - 1) if 0 < one < array.size] or [count]
    flat = np.arange(array.size) < rng.choice(counts)
    return np.asarray(rng.permutation(flat).reshape(array.shape))


def _whole_numbers(array: Array, rng: np.random.Generator) -> Array | None:
    """Return labels or indices within their range, the largest still among them."""
    kinds, counts = np.unique(array, return_counts=True)
    if len(kinds) == 1:
        value = int(kinds[0])
        if value in (0, 1) or array.size < 2:
            return None
        kinds = np.array([0, value] if value < 0 else range(min(value, FEW) + 1)[-3:], array.dtype)
        kinds[-1] = value
    flat = array.reshape(-1)
    in_order = (
        array.ndim == 1 and len(counts) > 1 and bool(np.all(np.diff(array.astype(float)) >= 0))
    )
    if in_order and (len(kinds) > FEW or np.all(counts == 1)):
        return None  # positions, or the limits of segments
    if np.all(counts == 1) and len(counts) == array.size:
        return np.asarray(rng.permutation(flat).reshape(array.shape))
    if array.ndim == 2 and array.shape[1] > 2 and np.all(np.diff(np.sort(array, axis=1), axis=1)):
        return renamed([array], rng)[0]  # rows without repeats, as rankings are
    drawn = rng.choice(kinds, array.size)
    drawn[rng.integers(array.size)] = kinds[-1]
    return np.asarray(drawn.astype(array.dtype).reshape(array.shape))


def _floats(values: Array, rng: np.random.Generator) -> Array | None:
    whole = bool(np.all(values == np.round(values)))
    kinds = np.unique(values)
    if len(kinds) == 1:
        return None if values.size < 2 or abs(kinds[0]) in (0, 1) else jittered(values, rng)
    if _is_square(values) and (whole or not _is_plain(values)):
        return _congruent(values, rng)
    if set(kinds) <= {0.0, 1.0}:
        return _zeros_and_ones(values, rng)
    if whole and len(kinds) <= FEW:
        return _whole_numbers(values, rng)
    if values.ndim == 1 and values.size > 2 and np.all(np.diff(values) > 0):
        return _in_order(values, rng)
    for axis in (*range(values.ndim), None):
        if np.all(values >= 0) and np.allclose(values.sum(axis), 1, rtol=0, atol=CLOSE):
            drawn = jittered(values, rng)
            return np.asarray(drawn / drawn.sum(axis, keepdims=True))
    drawn = jittered(values if _is_square(values) else rng.permutation(values), rng)
    if values.ndim == 2 and min(values.shape) > 1:
        for axis in (0, 1):  # keep a bias unit among the features
            same = np.all(values == values.take([0], axis), axis, keepdims=True)
            drawn = np.where(same, values, drawn)
    return drawn


def jittered(values: Array, rng: np.random.Generator) -> Array:
    """Return every number scaled by its own factor; numbers between 0 and 1 stay there."""
    factors = np.exp(SPREAD * rng.standard_normal(values.shape))
    if np.all((values >= 0) & (values <= 1)):
        return np.asarray(values**factors)
    return np.asarray(values * factors)


def _complex(values: Array, rng: np.random.Generator) -> Array | None:
    """Return every number turned and scaled; None if they may be waves: of one size, or squares."""
    sizes = np.abs(values)
    if _is_square(values) or np.allclose(sizes, sizes.flat[0], rtol=CLOSE):
        return None
    turns = np.exp(2j * np.pi * rng.random(values.shape))
    return np.asarray(values * turns * np.exp(SPREAD * rng.standard_normal(values.shape)))


def _is_square(values: Array) -> bool:
    return values.ndim == 2 and values.shape[0] == values.shape[1] > 1


def _is_plain(values: Array) -> bool:
    """True if a square matrix is full, and neither symmetric nor orthogonal nor of sums 0."""
    symmetric = np.allclose(np.abs(values), np.abs(values.T), rtol=CLOSE)
    balanced = any(np.allclose(values.sum(axis), 0, atol=CLOSE) for axis in (0, 1))
    product = values @ values.T
    orthogonal = np.allclose(product, np.diag(np.diag(product)), atol=CLOSE)
    return not (symmetric or balanced or orthogonal) and bool(np.all(values != 0))


def _congruent(values: Array, rng: np.random.Generator) -> Array | None:
    """Return a symmetric matrix with rows and columns scaled, so still definite; else None.

    Shares of a whole, as the joint probabilities of pairs, still add up to 1.
    """
    off = values - np.diag(np.diag(values))
    if not np.allclose(values, values.T, rtol=CLOSE) or set(np.unique(off)) <= {0.0, 1.0}:
        return None
    if any(np.allclose(values.sum(axis), 0, atol=CLOSE) for axis in (0, 1)):
        return None
    scales = np.exp(SPREAD / 2 * rng.standard_normal(len(values)))
    drawn = values * scales * scales[:, None]
    shares = np.all(values >= 0) and np.isclose(values.sum(), 1, rtol=0, atol=CLOSE)
    return np.asarray(drawn / drawn.sum() if shares else drawn)


def _one_hot(values: Array, rng: np.random.Generator) -> Array | None:
    """Return other one-hot rows or columns; None if these zeros and ones are neither."""
    for axis in (-1, 0):
        if values.ndim == 2 and min(values.shape) > 1 and np.all(values.sum(axis) == 1):
            rows = values if axis == -1 else values.T
            labels = rng.integers(rows.shape[1], size=len(rows))
            drawn = np.eye(rows.shape[1])[labels]
            return np.asarray(drawn if axis == -1 else drawn.T)
    return None


def _zeros_and_ones(values: Array, rng: np.random.Generator) -> Array | None:
    """Return other one-hot rows or columns; other zeros and ones are drawn as a mask."""
    others = _one_hot(values, rng)
    if others is not None:
        return others
    if values.ndim == 2 and any(len(set(column)) == 1 for column in values.T):
        return None  # a column of ones beside a mask: a bias unit
    mask = _mask(values == 1.0, rng)
    return None if mask is None else mask.astype(np.float64)


def _in_order(values: Array, rng: np.random.Generator) -> Array | None:
    """Return other sorted numbers; None for evenly spaced ones, which stay as they are."""
    steps = np.diff(values)
    if np.allclose(steps, steps[0], rtol=1e-6):
        return None
    scaled = jittered(steps, rng)
    span = (values[-1] - values[0]) / scaled.sum()
    return np.asarray(np.concatenate([values[:1], values[0] + np.cumsum(scaled) * span]))
