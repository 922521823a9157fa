"""f(z + d) - f(z) to full relative accuracy, however small d is.

Subtracting two values would keep only the few digits that d changes. These forms never add d to z,
so that a finite difference may take steps of 1e-9 and less. E = expm1(d) throughout.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from gradcheck.network.kernels import quotient
from gradcheck.network.layouts import Array

Change = Callable[[Array], Array]
"""d -> f(z + d) - f(z), with everything that depends on z alone computed in advance."""

Difference = Callable[[Array], Change]
"""z -> the `Change` at z; z is broadcast against d."""

NODES, NODE_WEIGHTS = np.polynomial.legendre.leggauss(5)
SHORT = 0.1
"""If |d| (1 + |z|) is below this, five nodes integrate the normal density over d exactly."""

LARGEST = 700.0
"""The exponential of a larger number would overflow."""

TINY = np.finfo(np.float64).tiny

SERIES = 1.5e-8
"""Largest |d| at which two terms of d / expm1(d) and d / tanh(d) are exact up to rounding."""

MANY = 2**10
"""With fewer numbers, testing their size takes as long as the full computation."""


def sigmoid(z: Array) -> Array:
    """1 / (1 + exp(-z)), from exp of -|z| only."""
    small = np.exp(-np.abs(z))
    return np.where(z >= 0, 1 / (1 + small), small / (1 + small))


def sigmoid_slope(z: Array) -> Array:
    """s(z) s(-z), from exp of -|z| only."""
    small = np.exp(-np.abs(z))
    return np.asarray(small / (1 + small) ** 2)


def tanh_slope(z: Array) -> Array:
    """1 / cosh(z)^2 = 4 q / (1 + q)^2 with q = exp(-2 |z|)."""
    small = np.exp(-2 * np.abs(z))
    return np.asarray(4 * small / (1 + small) ** 2)


def linear_difference(z: Array) -> Change:
    """The change d itself."""
    return np.copy


def sigmoid_difference(z: Array) -> Change:
    """The form E / (1 / (s(z) s(-z)) + E / s(-z))."""
    inverse_slope = 1 / np.maximum(sigmoid_slope(z), TINY)
    factor = 1 + np.exp(np.minimum(z, LARGEST))
    return _quotient(np.expm1, factor, inverse_slope, factor - inverse_slope / 2)


def tanh_difference(z: Array) -> Change:
    """The addition theorem, t / (1 / (1 - a^2) + t a / (1 - a^2)) with t = tanh(d)."""
    inverse_slope = 1 / np.maximum(tanh_slope(z), TINY)
    factor = inverse_slope * np.tanh(z)
    return _quotient(np.tanh, factor, inverse_slope, factor)


def _quotient(function: Change, factor: Array, constant: Array, linear: Array) -> Change:
    """The form g / (constant + g factor) with g = function(d); for tiny d by `_by_series`."""

    def change(d: Array) -> Array:
        fused = quotient(function.__name__, d, factor, constant)
        if fused is None:
            fused = _by_series(d, constant, linear)
        if fused is not None:
            return fused
        growth = function(d)
        below = growth * factor
        below += constant
        growth /= below
        return growth

    return change


def _by_series(d: Array, constant: Array, linear: Array) -> Array | None:
    """The form d / (constant + linear d); None if d is too large for it or has few entries."""
    if d.size < MANY or not np.vdot(d, d) <= SERIES**2:
        return None
    below = d * linear
    below += constant
    return np.divide(d, below, out=below)


def relu_difference(z: Array) -> Change:
    """The form max(d + min(z, 0), -max(z, 0)): exact on both sides of the kink."""
    below, above = np.minimum(z, 0), -np.maximum(z, 0)

    def change(d: Array) -> Array:
        moved = d + below
        np.maximum(moved, above, out=moved)
        return moved

    return change


def leaky_difference(leak: float) -> Difference:
    """The difference of a leaky relu, which is leak z + (1 - leak) relu(z)."""

    def difference(z: Array) -> Change:
        relu = relu_difference(z)

        def change(d: Array) -> Array:
            above = relu(d)
            return np.asarray(above + leak * (d - above))

        return change

    return difference


def elu_difference(z: Array) -> Change:
    """The part above 0 changes like a relu, the part below by exp(min(z, 0)) expm1(rest of d)."""
    relu, slope = relu_difference(z), np.exp(np.minimum(z, 0))

    def change(d: Array) -> Array:
        above = relu(d)
        return np.asarray(above + slope * np.expm1(d - above))

    return change


def softplus_difference(z: Array) -> Change:
    """The form log1p(s(z) E)."""
    slope = sigmoid(z)

    def change(d: Array) -> Array:
        growth = np.expm1(d)
        growth *= slope
        return np.log1p(growth, out=growth)

    return change


def gelu_difference(z: Array) -> Change:
    """The product rule, exact: d Phi(z + d) + z (Phi(z + d) - Phi(z))."""
    from scipy.special import ndtr

    before = ndtr(z)

    def change(d: Array) -> Array:
        after = ndtr(z + d)
        return np.asarray(d * after + z * _normal_between(z, d, after - before))

    return change


def silu_difference(z: Array) -> Change:
    """The product rule, exact: d s(z + d) + z (s(z + d) - s(z))."""
    gate = sigmoid_difference(z)
    return lambda d: np.asarray(d * sigmoid(z + d) + z * gate(d))


def softsign_difference(z: Array) -> Change:
    """The form (d + (z + d) |z| - z |z + d|) / (...); on one side of 0 its last terms cancel."""

    def change(d: Array) -> Array:
        moved = z + d
        other_side = np.sign(moved) * np.sign(z) < 0
        across = np.where(other_side, moved * np.abs(z) - z * np.abs(moved), 0.0)
        return np.asarray((d + across) / ((1 + np.abs(z)) * (1 + np.abs(moved))))

    return change


def sine_difference(z: Array) -> Change:
    """The form 2 cos(z + d/2) sin(d/2)."""
    return lambda d: np.asarray(2 * np.cos(z + d / 2) * np.sin(d / 2))


def square_difference(z: Array) -> Change:
    """The form d (2 z + d)."""
    return lambda d: np.asarray(d * (2 * z + d))


def scaled_tanh_difference(z: Array) -> Change:
    """The difference of 1.7159 tanh(2 z / 3) (LeCun 1989)."""
    tanh = tanh_difference(2 * z / 3)
    return lambda d: np.asarray(1.7159 * tanh(2 * d / 3))


def relu6_difference(z: Array) -> Change:
    """The difference of a relu6, which is relu(z) - relu(z - 6)."""
    lower, upper = relu_difference(z), relu_difference(z - 6)
    return lambda d: np.asarray(lower(d) - upper(d))


def _normal_between(z: Array, d: Array, subtracted: Array) -> Array:
    """Phi(z + d) - Phi(z): an integral over a short step, a subtraction over a long one."""
    close = np.clip(z, -40, 40)
    density = np.exp(-0.5 * close**2) / math.sqrt(2 * math.pi)
    short = np.abs(d) * (1 + np.abs(z)) < SHORT
    step = np.where(short, d, 0.0)
    total = np.zeros(step.shape)
    for node, weight in zip(NODES, NODE_WEIGHTS, strict=True):
        t = step * ((1 + node) / 2)
        total += weight / 2 * np.exp(-t * (close + t / 2))
    return np.where(short, step * density * total, subtracted)


def softmax_difference(output: Array, unit_axis: int) -> Change:
    """The form p (E - S) / (1 + S) with S = sum of p E, for d minus the largest output's d.

    A softmax does not change if a constant is added to all d. With this constant, S keeps its
    digits if one output is nearly 1.
    """

    def change(d: Array) -> Array:
        outputs, moved = np.broadcast_arrays(output, d)
        largest = outputs.argmax(axis=unit_axis, keepdims=True)
        growth = np.expm1(moved - np.take_along_axis(moved, largest, axis=unit_axis))
        mean = (outputs * growth).sum(axis=unit_axis, keepdims=True)
        return np.asarray(outputs * (growth - mean) / (1 + mean))

    return change


def log_difference(probability: Array, smallest: float) -> Change:
    """log(p + d) - log(p) = log1p(d / p), where both logs are clipped at the smallest p."""

    def change(d: Array) -> Array:
        with np.errstate(all="ignore"):
            inside = (probability > smallest) & (probability + d > smallest)
            after, before = (
                np.log(np.maximum(value, smallest)) for value in (probability + d, probability)
            )
            return np.where(inside, np.log1p(d / probability), after - before)

    return change


def binary_difference(z: Array, targets: Array, unit_axis: int) -> Change:
    """The change of a binary cross-entropy with the logit z, as of a softmax of two classes.

    With q = s(z): log1p(q expm1((1 - y) d) + (1 - q) expm1(-y d)). If every y is 0 or 1, one of the
    two terms is 0, and the other is log1p(s(u z) expm1(u d)) with u = 1 - 2 y.
    """
    certain = bool(np.all((targets == 0) | (targets == 1)))
    sign = 1 - 2 * targets
    slope, other_slope = sigmoid(sign * z if certain else z), sigmoid(-z)
    inverse = 1 / np.maximum(slope, TINY)
    constant, linear = sign * inverse, (1 - inverse) / 2

    def change(d: Array) -> Array:
        tiny = _by_series(d, constant, linear) if certain else None
        if tiny is not None:
            return summed(tiny, unit_axis)
        growth = d * (sign if certain else 1 - targets)
        np.expm1(growth, out=growth)
        growth *= slope
        if not certain:
            growth += other_slope * np.expm1(-targets * d)
        np.log1p(growth, out=growth)
        return summed(growth, unit_axis)

    return change


def categorical_difference(output: Array, targets: Array, unit_axis: int) -> Change:
    """The change of a categorical cross-entropy with the logits, summed over the units.

    With Y = sum of y and t = sum of y d / Y, the mean change of the targets' logits:
    Y log1p(sum of p expm1(d - t)). For one-hot targets the target's own term is exactly 0.
    """
    total = targets.sum(axis=unit_axis, keepdims=True)
    share = targets / np.where(total == 0, 1.0, total)

    def change(d: Array) -> Array:
        growth = d - (share * d).sum(axis=unit_axis, keepdims=True)
        np.expm1(growth, out=growth)
        growth *= output
        inside = growth.sum(axis=unit_axis)
        return np.asarray(total.squeeze(unit_axis) * np.log1p(inside, out=inside))

    return change


def summed(terms: Array, axis: int) -> Array:
    """The sum along an axis; an axis of length 1 is only removed, without a pass over the data."""
    return np.asarray(terms.squeeze(axis) if terms.shape[axis] == 1 else terms.sum(axis=axis))
