"""Activations: a new one is one row of `ACTIVATIONS`.

z is the pre-activation, a = f(z) the output. The forms used here keep full relative accuracy in
the tails and do not overflow at |z| of 1000 and beyond.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from gradcheck.network.differences import (
    Change,
    Difference,
    elu_difference,
    gelu_difference,
    leaky_difference,
    linear_difference,
    relu_difference,
    sigmoid,
    sigmoid_difference,
    sigmoid_slope,
    softmax_difference,
    softplus_difference,
    tanh_difference,
    tanh_slope,
)

Array = NDArray[np.float64]
Elementwise = Callable[[Array], Array]

LEAK = 0.01


@dataclass(frozen=True)
class Activation:
    """An elementwise activation.

    Attributes:
        name: as in the table.
        value: a = f(z).
        slope: f'(z); at a kink, the slope on the left.
        difference: z -> (d -> f(z + d) - f(z)), to full relative accuracy.
        slope_from_output: f' written in terms of a, or None where there is no such form.
        kinks: the z at which the slope jumps.
    """

    name: str
    value: Elementwise
    slope: Elementwise
    difference: Difference
    slope_from_output: Elementwise | None = None
    kinks: tuple[float, ...] = ()

    def activate(self, pre_activation: Array, unit_axis: int) -> Array:
        """The output, in the shape of the pre-activation."""
        return self.value(pre_activation)

    def change(self, pre_activation: Array, output: Array, unit_axis: int) -> Change:
        """What more in the pre-activations changes of the outputs."""
        return self.difference(pre_activation)

    def pull_back(
        self, pre_activation: Array, output: Array, upstream: Array, unit_axis: int
    ) -> Array:
        """dL/dZ from dL/dA, all of one shape: dL/dA * f'(Z)."""
        return np.asarray(upstream * self.slope(pre_activation))


@dataclass(frozen=True)
class Softmax:
    """The softmax: every output depends on all pre-activations of its sample."""

    name: str = "softmax"
    kinks: tuple[float, ...] = ()

    def activate(self, pre_activation: Array, unit_axis: int) -> Array:
        """exp(z) over its sum along the unit axis, shifted so that nothing overflows."""
        shifted = pre_activation - pre_activation.max(axis=unit_axis, keepdims=True)
        exponential = np.exp(shifted)
        return np.asarray(exponential / exponential.sum(axis=unit_axis, keepdims=True))

    def change(self, pre_activation: Array, output: Array, unit_axis: int) -> Change:
        """What more in the pre-activations changes of the outputs."""
        return softmax_difference(output, unit_axis)

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


def _elu(pre_activation: Array) -> Array:
    below = np.expm1(np.minimum(pre_activation, 0))
    return np.where(pre_activation > 0, pre_activation, below)


def _elu_slope(pre_activation: Array) -> Array:
    return np.exp(np.minimum(pre_activation, 0))


def _gelu(pre_activation: Array) -> Array:
    """The product z Phi(z) (Hendrycks and Gimpel 2016, eq. 1), Phi itself and no fit to it."""
    from scipy.special import ndtr

    return np.asarray(pre_activation * ndtr(pre_activation))


def _gelu_slope(pre_activation: Array) -> Array:
    """Phi(z) + z phi(z)."""
    from scipy.special import ndtr

    density = np.exp(-0.5 * np.square(np.clip(pre_activation, -40, 40))) / math.sqrt(2 * math.pi)
    return np.asarray(ndtr(pre_activation) + pre_activation * density)


def _relu_slope(pre_activation: Array) -> Array:
    return (pre_activation > 0).astype(pre_activation.dtype)


def _leaky_relu(pre_activation: Array) -> Array:
    return np.where(pre_activation > 0, pre_activation, LEAK * pre_activation)


def _leaky_relu_slope(pre_activation: Array) -> Array:
    return np.where(pre_activation > 0, 1.0, LEAK).astype(pre_activation.dtype)


_ROWS: tuple[Activation | Softmax, ...] = (
    Activation("linear", np.asarray, np.ones_like, linear_difference, np.ones_like),
    Activation(
        "sigmoid", sigmoid, sigmoid_slope, sigmoid_difference, lambda a: np.asarray(a * (1 - a))
    ),
    Activation("tanh", np.tanh, tanh_slope, tanh_difference, lambda a: np.asarray(1 - a * a)),
    Activation(
        "relu",
        lambda z: np.maximum(z, 0),
        _relu_slope,
        relu_difference,
        _relu_slope,
        kinks=(0.0,),
    ),
    Activation(
        "leaky_relu",
        _leaky_relu,
        _leaky_relu_slope,
        leaky_difference(LEAK),
        _leaky_relu_slope,
        kinks=(0.0,),
    ),
    Activation("elu", _elu, _elu_slope, elu_difference, lambda a: np.where(a > 0, 1.0, a + 1)),
    Activation(
        "softplus",
        lambda z: np.logaddexp(0, z),
        sigmoid,
        softplus_difference,
        lambda a: np.asarray(-np.expm1(-a)),
    ),
    Activation("gelu", _gelu, _gelu_slope, gelu_difference),
    Softmax(),
)

ACTIVATIONS: Mapping[str, Activation | Softmax] = MappingProxyType({row.name: row for row in _ROWS})
"""All activations by name."""
