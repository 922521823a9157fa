"""The table of losses; a new one is one row, and every stage reads only the table.

A loss is a sum of terms over outputs and samples, times a factor, over a divisor (`Reduction`). The
terms are functions of the outputs a, and their derivatives are with respect to a.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from gradcheck.network.cross_entropy import (
    AFTER_SIGMOID,
    AFTER_SOFTMAX,
    CLIPPED,
    binary,
    categorical,
)
from gradcheck.network.differences import Change, relu_difference
from gradcheck.network.layouts import Array
from gradcheck.network.rows import Loss, Reduction, table

REDUCTIONS: Mapping[str, Reduction] = MappingProxyType(
    {
        "sum": Reduction("summed", 1.0, lambda m, k: 1),
        "mean": Reduction("mean over samples", 1.0, lambda m, k: m),
        "mean_all": Reduction("mean over all elements", 1.0, lambda m, k: m * k),
        "half_sum": Reduction("half, summed", 0.5, lambda m, k: 1),
        "half_mean": Reduction("half, mean over samples", 0.5, lambda m, k: m),
        "half_mean_all": Reduction("half, mean over all elements", 0.5, lambda m, k: m * k),
    }
)
"""The usual ways to reduce the terms to one number, from m and K."""

EPSILONS = (1e-8, 1e-9, 1e-7, 1e-10, 1e-12, 1e-15, 1e-6, 1e-5)
"""The small numbers that are usually added before a log is taken, the most usual first."""


def _square_change(outputs: Array, targets: Array) -> Change:
    """The form d (2 (a - y) + d)."""
    twice = 2 * (outputs - targets)

    def change(d: Array) -> Array:
        terms = d + twice
        terms *= d
        return terms

    return change


def _summed_square_change(outputs: Array, targets: Array, axis: int) -> Change:
    """The same summed over the units: products and sum take one pass over d."""
    twice = 2 * (outputs - targets)
    sums = "i...,i...->..." if axis == 0 else "...i,...i->..."

    def change(d: Array) -> Array:
        if axis == 0 and d.ndim == 2:
            return np.asarray(np.einsum(sums, d, d) + twice[:, 0] @ d)
        return np.asarray(np.einsum(sums, d + twice, d))

    return change


def _absolute_change(a: Array, y: Array) -> Change:
    """|e + d| - |e|, as |e| is 2 relu(e) - e."""
    relu = relu_difference(a - y)
    return lambda d: np.asarray(2 * relu(d) - d)


def _huber_change(a: Array, y: Array) -> Change:
    """The change of the Huber loss, which is c e - c^2 / 2 with the clipped error c."""
    error = a - y
    clipped = np.clip(error, -1, 1)

    def change(d: Array) -> Array:
        grown = np.clip(error + d, -1, 1) - clipped
        return np.asarray(clipped * d + grown * (error + d - clipped - grown / 2))

    return change


def _log_cosh(a: Array, y: Array) -> Array:
    """The form log1p(cosh(e) - 1) for small e, and log(exp(|e|) / 2) corrected for large e."""
    size = np.abs(a - y)
    near = np.log1p(2 * np.sinh(np.minimum(size, 1) / 2) ** 2)
    return np.asarray(np.where(size < 1, near, size + np.log1p(np.exp(-2 * size)) - math.log(2)))


def _log_cosh_change(a: Array, y: Array) -> Change:
    """The form log(cosh(d) + tanh(e) sinh(d))."""
    slope = np.tanh(a - y)
    return lambda d: np.asarray(np.log1p(2 * np.sinh(d / 2) ** 2 + slope * np.sinh(d)))


def _fourth_power_change(a: Array, y: Array) -> Change:
    e = a - y
    return lambda d: np.asarray(d * (4 * e**3 + d * (6 * e**2 + d * (4 * e + d))))


_ROWS = (
    Loss(
        "squared error",
        lambda a, y: np.asarray((a - y) ** 2),
        lambda a, y: np.asarray(2 * (a - y)),
        _square_change,
        kinked=False,
        summed_change=_summed_square_change,
        usual=True,
        reductions={
            "squared_error_sum": REDUCTIONS["sum"],
            "half_squared_error_sum": REDUCTIONS["half_sum"],
            "squared_error_mean": REDUCTIONS["mean"],
            "half_squared_error_mean": REDUCTIONS["half_mean"],
            "squared_error_mean_all": REDUCTIONS["mean_all"],
            "half_squared_error_mean_all": REDUCTIONS["half_mean_all"],
        },
    ),
    Loss(
        "binary cross-entropy",
        *binary(CLIPPED),
        kinked=False,
        usual=True,
        reductions={"binary_cross_entropy": REDUCTIONS["mean"]},
        of_probabilities=True,
        fused={"sigmoid": AFTER_SIGMOID},
        with_log=binary,
    ),
    Loss(
        "cross-entropy",
        *categorical(CLIPPED),
        kinked=False,
        usual=True,
        reductions={"categorical_cross_entropy": REDUCTIONS["mean"]},
        of_probabilities=True,
        of_labels=True,
        fused={"softmax": AFTER_SOFTMAX},
        with_log=categorical,
    ),
    Loss(
        "absolute error",
        lambda a, y: np.asarray(np.abs(a - y)),
        lambda a, y: np.asarray(np.sign(a - y)),
        _absolute_change,
        kinked=True,
        usual=True,
    ),
    Loss(
        "log-cosh",
        _log_cosh,
        lambda a, y: np.asarray(np.tanh(a - y)),
        _log_cosh_change,
        kinked=False,
    ),
    Loss(
        "Huber loss (delta 1)",
        lambda a, y: np.where(np.abs(a - y) <= 1, (a - y) ** 2 / 2, np.abs(a - y) - 0.5),
        lambda a, y: np.clip(a - y, -1, 1),
        _huber_change,
        kinked=False,
    ),
    Loss(
        "fourth power",
        lambda a, y: np.asarray((a - y) ** 4),
        lambda a, y: np.asarray(4 * (a - y) ** 3),
        _fourth_power_change,
        kinked=False,
    ),
)

LOSSES: Mapping[str, Loss] = table(_ROWS)
"""All losses by name."""

PUBLIC_LOSSES: Mapping[str, tuple[Loss, Reduction]] = MappingProxyType(
    {name: (row, reduction) for row in _ROWS for name, reduction in row.reductions.items()}
)
"""The losses that `MLP` accepts, with their reductions, by name."""

CANDIDATES: tuple[Loss, ...] = (
    *(row for row in _ROWS if row.usual),
    *(row.plus(eps) for eps in EPSILONS for row in _ROWS if row.with_log is not None),
    *(row for row in _ROWS if not row.usual),
)
"""The losses that recognition tries, the likeliest first: usual; with a small number; unusual."""
