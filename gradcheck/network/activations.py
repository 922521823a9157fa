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
        slope_from_output: f' written in terms of a, or None where there is no such form.
        kinks: the z at which the slope jumps.
    """

    name: str
    value: Elementwise
    slope: Elementwise
    slope_from_output: Elementwise | None = None
    kinks: tuple[float, ...] = ()

    def activate(self, pre_activation: Array, unit_axis: int) -> Array:
        """The output, in the shape of the pre-activation."""
        return self.value(pre_activation)

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
    """1 / (1 + exp(-z)), from exp of -|z| only."""
    small = np.exp(-np.abs(pre_activation))
    return np.where(pre_activation >= 0, 1 / (1 + small), small / (1 + small))


def _sigmoid_slope(pre_activation: Array) -> Array:
    small = np.exp(-np.abs(pre_activation))
    return np.asarray(small / (1 + small) ** 2)


def _tanh_slope(pre_activation: Array) -> Array:
    """1 / cosh(z)^2 = 4 q / (1 + q)^2 with q = exp(-2 |z|)."""
    small = np.exp(-2 * np.abs(pre_activation))
    return np.asarray(4 * small / (1 + small) ** 2)


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
    Activation("linear", np.asarray, np.ones_like, np.ones_like),
    Activation("sigmoid", sigmoid, _sigmoid_slope, lambda a: np.asarray(a * (1 - a))),
    Activation("tanh", np.tanh, _tanh_slope, lambda a: np.asarray(1 - a * a)),
    Activation("relu", lambda z: np.maximum(z, 0), _relu_slope, _relu_slope, kinks=(0.0,)),
    Activation("leaky_relu", _leaky_relu, _leaky_relu_slope, _leaky_relu_slope, kinks=(0.0,)),
    Activation("elu", _elu, _elu_slope, lambda a: np.where(a > 0, 1.0, a + 1)),
    Activation(
        "softplus", lambda z: np.logaddexp(0, z), sigmoid, lambda a: np.asarray(-np.expm1(-a))
    ),
    Activation("gelu", _gelu, _gelu_slope),
    Softmax(),
)

ACTIVATIONS: Mapping[str, Activation | Softmax] = MappingProxyType({row.name: row for row in _ROWS})
"""All activations by name."""
