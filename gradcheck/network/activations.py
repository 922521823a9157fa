"""The table of activations; a new one is one row, and every stage reads only the table.

z is the pre-activation, a = f(z) the output. The formulas keep full relative accuracy in the tails
and do not overflow at |z| of 1000 and beyond.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Literal

import numpy as np

from gradcheck.network.differences import (
    elu_difference,
    gelu_difference,
    leaky_difference,
    linear_difference,
    relu6_difference,
    relu_difference,
    scaled_tanh_difference,
    sigmoid,
    sigmoid_difference,
    sigmoid_slope,
    silu_difference,
    sine_difference,
    softplus_difference,
    softsign_difference,
    square_difference,
    tanh_difference,
    tanh_slope,
)
from gradcheck.network.layouts import Array
from gradcheck.network.rows import Activation, AnyActivation, Rank, Softmax, table

LEAK = 0.01
USUAL, RAREST = 5, 10
"""The last rank of the usual activations, and the last of all."""

RARE = Rank(RAREST, RAREST)

FEW = 2**15
_ERFC = np.frompyfunc(math.erfc, 1, 1)


def _normal_cdf(values: Array) -> Array:
    """Phi; for few plain values computed without scipy, which would take longer to load."""
    if type(values) is np.ndarray and values.size <= FEW:
        kind = np.result_type(values, np.float16)
        return np.asarray(_ERFC(values / -math.sqrt(2)) / 2, dtype=kind)
    from scipy.special import ndtr

    return np.asarray(ndtr(values))


def _gelu_slope(pre_activation: Array) -> Array:
    """Phi(z) + z phi(z)."""
    density = np.exp(-0.5 * np.square(np.clip(pre_activation, -40, 40))) / math.sqrt(2 * math.pi)
    return np.asarray(_normal_cdf(pre_activation) + pre_activation * density)


def _silu_slope(z: Array) -> Array:
    gate = sigmoid(z)
    return np.asarray(gate + z * gate * (1 - gate))


def _leaky_relu(name: str, leak: float, rank: Rank, public: bool = False) -> Activation:

    def slope(z: Array) -> Array:
        return np.where(z > 0, 1.0, leak).astype(z.dtype)

    def value(z: Array) -> Array:
        return np.where(z > 0, z, leak * z)

    return Activation(name, value, slope, leaky_difference(leak), (0.0,), rank, public)


_ROWS: tuple[AnyActivation, ...] = (
    Activation("linear", np.asarray, np.ones_like, linear_difference, (), Rank(5, 3), public=True),
    Activation(
        "sigmoid",
        sigmoid,
        sigmoid_slope,
        sigmoid_difference,
        (),
        Rank(1, 1),
        public=True,
        of_probabilities=True,
    ),
    Activation("tanh", np.tanh, tanh_slope, tanh_difference, (), Rank(2, 4), public=True),
    Activation(
        "relu",
        lambda z: np.maximum(z, 0),
        lambda z: (z > 0).astype(z.dtype),
        relu_difference,
        (0.0,),
        Rank(3, 5),
        public=True,
    ),
    _leaky_relu("leaky_relu", LEAK, Rank(4, 6), public=True),
    Activation(
        "elu",
        lambda z: np.where(z > 0, z, np.expm1(np.minimum(z, 0))),
        lambda z: np.exp(np.minimum(z, 0)),
        elu_difference,
        (),
        Rank(6, 8),
        public=True,
    ),
    Activation(
        "softplus",
        lambda z: np.logaddexp(0, z),
        sigmoid,
        softplus_difference,
        (),
        Rank(7, 7),
        public=True,
    ),
    Activation(  # z Phi(z) (Hendrycks and Gimpel 2016, eq. 1), with Phi, not an approximation
        "gelu",
        lambda z: np.asarray(z * _normal_cdf(z)),
        _gelu_slope,
        gelu_difference,
        (),
        Rank(8, 9),
        public=True,
    ),
    Softmax("softmax", Rank(9, 2), public=True),
    Softmax("softmax over the samples", Rank(None, RAREST), mixes="samples"),
    *(
        _leaky_relu(f"leaky_relu({leak:g})", leak, RARE)
        for leak in (0.1, 0.2, 0.3, 0.05, 0.02, 0.001)
    ),
    Activation(
        "silu", lambda z: np.asarray(z * sigmoid(z)), _silu_slope, silu_difference, (), RARE
    ),
    Activation(
        "softsign",
        lambda z: np.asarray(z / (1 + np.abs(z))),
        lambda z: np.asarray(1 / (1 + np.abs(z)) ** 2),
        softsign_difference,
        (),
        RARE,
    ),
    Activation("sine", np.sin, np.cos, sine_difference, (), RARE),
    Activation("square", np.square, lambda z: np.asarray(2 * z), square_difference, (), RARE),
    Activation(
        "tanh-shaped (1.7159 tanh(2z/3))",
        lambda z: np.asarray(1.7159 * np.tanh(2 * z / 3)),
        lambda z: np.asarray(1.7159 * 2 / 3 * tanh_slope(2 * z / 3)),
        scaled_tanh_difference,
        (),
        RARE,
    ),
    Activation(
        "relu6",
        lambda z: np.clip(z, 0, 6),
        lambda z: ((z > 0) & (z <= 6)).astype(z.dtype),
        relu6_difference,
        (0.0, 6.0),
        RARE,
    ),
)

ACTIVATIONS: Mapping[str, AnyActivation] = table(_ROWS)
"""All activations by name."""

PUBLIC_ACTIVATIONS: Mapping[str, AnyActivation] = MappingProxyType(
    {name: row for name, row in ACTIVATIONS.items() if row.public}
)
"""The activations that `MLP` accepts, by name."""


@cache
def by_rank(
    place: Literal["hidden", "output"], least: int = 1, most: int = RAREST
) -> tuple[AnyActivation, ...]:
    """The activations with ranks `least` to `most` in a place, ordered by rank, then as listed."""
    ranked = [(getattr(row.rank, place), row) for row in ACTIVATIONS.values()]
    chosen = [(rank, row) for rank, row in ranked if rank is not None and least <= rank <= most]
    return tuple(row for _, row in sorted(chosen, key=lambda pair: pair[0]))
