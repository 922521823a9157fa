"""Activations: a new one is one row of `ACTIVATIONS`.

z is the pre-activation, a = f(z) the output. The forms used here keep full relative accuracy in
the tails and do not overflow at |z| of 1000 and beyond. What is too small for a double becomes 0,
which is right, and so stays silent whatever the caller's `np.errstate` says.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]
Elementwise = Callable[[Array], Array]

LEAK = 0.01


@dataclass(frozen=True)
class Activation:
    """An elementwise activation.

    Attributes:
        name: as in the table.
        value: a = f(z).
        slope: f'(z); at a kink, the slope on the left.
        slope_from_output: f' written in terms of a, or None where there is no such form. Less
            accurate than `slope` where a saturates.
        kinks: the z at which the slope jumps.
    """

    name: str
    value: Elementwise
    slope: Elementwise
    slope_from_output: Elementwise | None = None
    kinks: tuple[float, ...] = ()

    def activate(self, pre_activation: Array, unit_axis: int) -> Array:
        """The output A, in the shape of the pre-activation Z."""
        return self.value(pre_activation)

    def pull_back(
        self, pre_activation: Array, output: Array, upstream: Array, unit_axis: int
    ) -> Array:
        """dL/dZ from the upstream dL/dA, all of one shape: dL/dA * f'(Z)."""
        return np.asarray(upstream * self.slope(pre_activation))


@dataclass(frozen=True)
class Softmax:
    """The softmax: every output depends on all pre-activations of its sample.

    Attributes:
        name: as in the table.
        kinks: there are none.
    """

    name: str = "softmax"
    kinks: tuple[float, ...] = ()

    def activate(self, pre_activation: Array, unit_axis: int) -> Array:
        """exp(z) over its sum along the unit axis, shifted so that nothing overflows."""
        exponential = _exp(pre_activation - pre_activation.max(axis=unit_axis, keepdims=True))
        return np.asarray(exponential / exponential.sum(axis=unit_axis, keepdims=True))

    def pull_back(
        self, pre_activation: Array, output: Array, upstream: Array, unit_axis: int
    ) -> Array:
        """dL/dZ_i = a_i (dL/dA_i - sum_j a_j dL/dA_j), the Jacobian's product."""
        # A constant added to dL/dA changes nothing, as the outputs sum to 1. Counted from the
        # largest output's own dL/dA, the sum keeps its digits where that output is nearly 1.
        largest = output.argmax(axis=unit_axis, keepdims=True)
        relative = upstream - np.take_along_axis(upstream, largest, axis=unit_axis)
        mean = (output * relative).sum(axis=unit_axis, keepdims=True)
        return np.asarray(output * (relative - mean))


def sigmoid(pre_activation: Array) -> Array:
    """1 / (1 + exp(-z)), from exp(-|z|), which cannot overflow."""
    small = _exp(-np.abs(pre_activation))
    return np.where(pre_activation >= 0, 1 / (1 + small), small / (1 + small))


def softplus(pre_activation: Array) -> Array:
    """log(1 + exp(z))."""
    with np.errstate(under="ignore"):
        return np.logaddexp(0, pre_activation)


def _exp(exponent: Array) -> Array:
    with np.errstate(under="ignore"):
        return np.exp(exponent)


def _sigmoid_slope(pre_activation: Array) -> Array:
    """s(z) s(-z); a (1 - a) would lose its digits where a is nearly 1."""
    small = _exp(-np.abs(pre_activation))
    return np.asarray(small / (1 + small) ** 2)


def _tanh_slope(pre_activation: Array) -> Array:
    """1 / cosh(z)^2 = 4 q / (1 + q)^2 with q = exp(-2 |z|), which cannot overflow."""
    small = _exp(-2 * np.abs(pre_activation))
    return np.asarray(4 * small / (1 + small) ** 2)


def _relu(pre_activation: Array) -> Array:
    return np.maximum(pre_activation, 0)


def _relu_slope(pre_activation: Array) -> Array:
    return (pre_activation > 0).astype(pre_activation.dtype)


def _leaky_relu(pre_activation: Array) -> Array:
    return np.where(pre_activation > 0, pre_activation, LEAK * pre_activation)


def _leaky_relu_slope(pre_activation: Array) -> Array:
    return np.where(pre_activation > 0, 1.0, LEAK).astype(pre_activation.dtype)


def _elu(pre_activation: Array) -> Array:
    """Z above 0 and exp(z) - 1 below (Clevert, Unterthiner and Hochreiter 2016, alpha = 1)."""
    return np.where(pre_activation > 0, pre_activation, np.expm1(np.minimum(pre_activation, 0)))


def _elu_slope(pre_activation: Array) -> Array:
    return _exp(np.minimum(pre_activation, 0))


def _gelu(pre_activation: Array) -> Array:
    """Z Phi(z), Phi the normal distribution function (Hendrycks and Gimpel 2016, section 2)."""
    from scipy.special import ndtr

    with np.errstate(under="ignore"):
        return np.asarray(pre_activation * ndtr(pre_activation))


def _gelu_slope(pre_activation: Array) -> Array:
    """Phi(z) + z phi(z), phi the normal density."""
    from scipy.special import ndtr

    near = np.clip(pre_activation, -40, 40)  # beyond, the density is 0 in a double
    with np.errstate(under="ignore"):
        density = np.exp(-0.5 * near * near) / math.sqrt(2 * math.pi)
        return np.asarray(ndtr(pre_activation) + near * density)


_ROWS: tuple[Activation | Softmax, ...] = (
    Activation("linear", np.asarray, np.ones_like, np.ones_like),
    Activation("sigmoid", sigmoid, _sigmoid_slope, lambda a: np.asarray(a * (1 - a))),
    Activation("tanh", np.tanh, _tanh_slope, lambda a: np.asarray(1 - a * a)),
    Activation("relu", _relu, _relu_slope, _relu_slope, kinks=(0.0,)),
    Activation("leaky_relu", _leaky_relu, _leaky_relu_slope, _leaky_relu_slope, kinks=(0.0,)),
    Activation("elu", _elu, _elu_slope, lambda a: np.minimum(a, 0) + 1),
    Activation("softplus", softplus, sigmoid, lambda a: np.asarray(-np.expm1(-a))),
    Activation("gelu", _gelu, _gelu_slope),
    Softmax(),
)

ACTIVATIONS: Mapping[str, Activation | Softmax] = MappingProxyType({row.name: row for row in _ROWS})
"""All activations by name."""
