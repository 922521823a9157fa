"""What a user's network may be made of: activations, as tables to try."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gradcheck.network.activations import ACTIVATIONS, Activation, Softmax
from gradcheck.network.differences import (
    Change,
    leaky_difference,
    relu_difference,
    sigmoid,
    sigmoid_difference,
    tanh_difference,
)

Array = NDArray[np.float64]
AnyActivation = Activation | Softmax

SAMPLES, UNITS = 0, 1
"""The axes of all values in the diagnosis: one sample per row."""


@dataclass(frozen=True)
class WrongSoftmax(Softmax):
    """A softmax that is normalised over the samples, or over everything."""

    name: str = "softmax over the samples"

    def activate(self, pre_activation: Array, unit_axis: int) -> Array:
        """exp(z) over its sum along the samples."""
        return super().activate(pre_activation, 1 - unit_axis)

    def pull_back(
        self, pre_activation: Array, output: Array, upstream: Array, unit_axis: int
    ) -> Array:
        """The Jacobian's product, along the samples."""
        return super().pull_back(pre_activation, output, upstream, 1 - unit_axis)


def leaky(slope: float) -> Activation:
    """The leaky relu with another slope than the core's."""
    return Activation(
        f"leaky_relu({slope:g})",
        lambda z: np.where(z > 0, z, slope * z),
        lambda z: np.where(z > 0, 1.0, slope),
        leaky_difference(slope),
        lambda a: np.where(a > 0, 1.0, slope),
        kinks=(0.0,),
    )


def _silu_slope(z: Array) -> Array:
    gate = sigmoid(z)
    return np.asarray(gate + z * gate * (1 - gate))


def _silu_difference(z: Array) -> Change:
    gate = sigmoid_difference(z)
    return lambda d: np.asarray(d * sigmoid(z + d) + z * gate(d))


def _softsign_difference(z: Array) -> Change:
    """The form (d + (z + d) |z| - z |z + d|) / (...); on one side of 0 its last terms cancel."""

    def change(d: Array) -> Array:
        moved = z + d
        other_side = np.sign(moved) * np.sign(z) < 0
        across = np.where(other_side, moved * np.abs(z) - z * np.abs(moved), 0.0)
        return np.asarray((d + across) / ((1 + np.abs(z)) * (1 + np.abs(moved))))

    return change


def _scaled_tanh_difference(z: Array) -> Change:
    tanh = tanh_difference(2 * z / 3)
    return lambda d: np.asarray(1.7159 * tanh(2 * d / 3))


def _relu6_difference(z: Array) -> Change:
    lower, upper = relu_difference(z), relu_difference(z - 6)
    return lambda d: np.asarray(lower(d) - upper(d))


_MORE: tuple[AnyActivation, ...] = (
    leaky(0.1),
    leaky(0.2),
    leaky(0.3),
    leaky(0.05),
    leaky(0.02),
    leaky(0.001),
    Activation(
        "silu",
        lambda z: np.asarray(z * sigmoid(z)),
        _silu_slope,
        _silu_difference,
    ),
    Activation(
        "softsign",
        lambda z: np.asarray(z / (1 + np.abs(z))),
        lambda z: np.asarray(1 / (1 + np.abs(z)) ** 2),
        _softsign_difference,
    ),
    Activation(
        "sine",
        np.sin,
        np.cos,
        lambda z: lambda d: np.asarray(2 * np.cos(z + d / 2) * np.sin(d / 2)),
    ),
    Activation(
        "square",
        np.square,
        lambda z: np.asarray(2 * z),
        lambda z: lambda d: np.asarray(d * (2 * z + d)),
    ),
    Activation(
        "tanh-shaped (1.7159 tanh(2z/3))",
        lambda z: np.asarray(1.7159 * np.tanh(2 * z / 3)),
        lambda z: np.asarray(1.7159 * 2 / 3 / np.cosh(2 * z / 3) ** 2),
        _scaled_tanh_difference,
    ),
    Activation(
        "relu6",
        lambda z: np.clip(z, 0, 6),
        lambda z: ((z > 0) & (z < 6)).astype(float),
        _relu6_difference,
        kinks=(0.0, 6.0),
    ),
)

HIDDEN: tuple[AnyActivation, ...] = (
    *(ACTIVATIONS[name] for name in ("sigmoid", "tanh", "relu", "leaky_relu", "linear")),
    *(ACTIVATIONS[name] for name in ("elu", "softplus", "gelu", "softmax")),
    *_MORE,
)
"""Activations of hidden layers, the most usual first."""

OUTPUT: tuple[AnyActivation, ...] = (
    *(ACTIVATIONS[name] for name in ("sigmoid", "softmax", "linear", "tanh", "relu")),
    *(ACTIVATIONS[name] for name in ("leaky_relu", "softplus", "elu", "gelu")),
    WrongSoftmax(),
    *_MORE,
)
"""Activations of output layers, the most usual first."""
