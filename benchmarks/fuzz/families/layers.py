"""Layers by their backward pass: the product of a random upstream gradient with the Jacobian."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.fuzz.exact import COMPLEX, COMPLEX_STEP, REAL
from benchmarks.fuzz.families.networks import cut, softmax, start
from benchmarks.fuzz.problem import Array, Layer, Problem, Shapes, family

KIND = "layers"
BOTH = ("layer", "vector")


def layer(
    rng: np.random.Generator, formula: Callable[[Array, Any], Array], point: Array, shapes: Shapes
) -> Problem:
    """The problem of a layer, given as (flat inputs, functions) -> output."""
    upstream = rng.normal(size=np.shape(formula(point, REAL)))

    def backward(x: Array, upstream: Array) -> Array:
        slopes = np.empty(x.size)
        for i in range(x.size):
            moved = x.astype(np.complex128)
            moved[i] += 1j * COMPLEX_STEP
            slopes[i] = np.sum(upstream * np.imag(formula(moved, COMPLEX)) / COMPLEX_STEP)
        return slopes

    def forward(x: Array) -> Array:
        return formula(x, REAL)

    return Problem(
        lambda x: np.sum(upstream * forward(x)),
        point,
        lambda x: backward(x, upstream),
        shapes=shapes,
        layer=Layer(forward, backward, upstream),
    )


@family(KIND, BOTH)
def affine_layer(rng: np.random.Generator) -> Problem:
    """An affine map of a batch."""
    shapes = {"x": (3, 2), "W": (2, 4), "b": (4,)}

    def formula(x: Array, m: Any) -> Array:
        rows, W, b = cut(x, shapes)
        return rows @ W + b

    return layer(rng, formula, start(rng, shapes), shapes)


@family(KIND, BOTH)
def softmax_layer(rng: np.random.Generator) -> Problem:
    """Rows of scores to probabilities, up to nearly certain ones."""
    shapes = {"x": (3, 4)}
    size = 10.0 ** rng.uniform(-1, 1.3)
    return layer(rng, lambda x, m: softmax(cut(x, shapes)[0], m), start(rng, shapes, size), shapes)


@family(KIND, BOTH)
def layer_normalisation(rng: np.random.Generator) -> Problem:
    """Rows to mean 0 and variance 1, of any size."""
    shapes = {"x": (3, 4), "gamma": (4,), "beta": (4,)}
    x = start(rng, shapes)
    x[:12] *= 10.0 ** rng.uniform(-4, 2)

    def formula(x: Array, m: Any) -> Array:
        rows, gamma, beta = cut(x, shapes)
        centred = rows - np.mean(rows, axis=1, keepdims=True)
        spread = m.sqrt(np.mean(centred * centred, axis=1, keepdims=True) + 1e-5)
        return gamma * centred / spread + beta

    return layer(rng, formula, x, shapes)


@family(KIND, BOTH)
def rectifier_layer(rng: np.random.Generator) -> Problem:
    """Rectified units, one of them near its kink."""
    shapes = {"x": (8,)}
    x = start(rng, shapes)
    x[3] = rng.choice([-1, 1]) * 10.0 ** rng.uniform(-6, -1)
    return layer(rng, lambda x, m: m.maximum(x, 0 * x), x, shapes)
