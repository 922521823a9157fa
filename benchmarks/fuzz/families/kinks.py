"""Kinks at the point, near to it and far from it."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.fuzz.exact import REAL, from_formula, tangent
from benchmarks.fuzz.problem import Array, Problem, family

KIND = "kinks"
DECIDABLE = 1e-7
"""A kink that is nearer may be nearer than the loss can show."""


def beside(rng: np.random.Generator, n: int) -> Array:
    """Numbers of size 1, one of them as near to 0 as may be."""
    x = rng.normal(size=n)
    x[0] = rng.choice([-1, 1]) * 10.0 ** rng.uniform(-12, 0)
    return rng.permutation(x)


@family(KIND)
def absolute_values(rng: np.random.Generator) -> Problem:
    """|x| and a bowl, beside the kink."""
    x = beside(rng, int(rng.integers(1, 6)))
    return from_formula(
        lambda x, m: np.sum(m.abs(x) + x * x), x, decidable=bool(np.min(np.abs(x)) > DECIDABLE)
    )


@family(KIND)
def at_the_kink(rng: np.random.Generator) -> Problem:
    """Multiples of |x| at 0, where every slope in between is right, beside smooth entries."""
    n = int(rng.integers(1, 6))
    a = rng.uniform(0.1, 3, n)
    x = np.where(rng.random(n) < 0.5, 0.0, rng.normal(size=n))
    share = rng.uniform(-1, 1, n)

    def slope(x: Array, at_zero: Array | float) -> Array:
        return a * np.where(x == 0, at_zero, np.sign(x)) + np.cos(x)

    return Problem(
        lambda x: np.sum(a * np.abs(x) + np.sin(x)),
        x,
        lambda x: slope(x, share),
        slopes=lambda x: (slope(x, -1.0), slope(x, 1.0)),
    )


@family(KIND)
def rectified(rng: np.random.Generator) -> Problem:
    """A rectified layer with one unit near its kink."""
    n, h = 3, 5
    A, v = rng.normal(size=(h, n)), rng.normal(size=h)
    x = rng.normal(size=n)
    margin = beside(rng, h)
    b = margin - A @ x

    def loss(x: Array, m: Any) -> Any:
        return np.sum(v * m.maximum(A @ x + b, 0 * b)) + np.sum(x**2)

    exact = A @ x + b
    return from_formula(loss, x, tangent, decidable=bool(np.min(np.abs(exact)) > 10 * DECIDABLE))


@family(KIND)
def largest(rng: np.random.Generator) -> Problem:
    """The largest of several functions, two of them nearly equal."""
    n = int(rng.integers(2, 6))
    x = rng.normal(size=n)
    gap = 10.0 ** rng.uniform(-10, 0)
    x[1] = x[0] + gap

    def loss(x: Array, m: Any) -> Any:
        return m.maximum(m.maximum(x[0], x[1]), np.sum(x[2:])) + np.sum(m.sin(x))

    other = abs(np.sum(x[2:]) - max(x[:2]))
    return Problem(
        lambda x: float(loss(x, REAL)), x, tangent(loss), decidable=min(gap, other) > DECIDABLE
    )


@family(KIND)
def huber(rng: np.random.Generator) -> Problem:
    """Squares that go over into lines: a bend of second order, near the point."""
    n = int(rng.integers(1, 6))
    x = rng.choice([-1.0, 1.0], n) + beside(rng, n)

    def gradient(x: Array) -> Array:
        return np.clip(x, -1, 1)

    def loss(x: Array) -> float:
        size = np.abs(x)
        return float(np.sum(np.where(size <= 1, x * x / 2, size - 0.5)))

    return Problem(loss, x, gradient)


@family(KIND)
def clipped(rng: np.random.Generator) -> Problem:
    """Parameters clipped to an interval, some beyond it, one near its end."""
    n = int(rng.integers(2, 6))
    x = 1.0 + beside(rng, n)
    c = rng.normal(size=n)
    return Problem(
        lambda x: np.sum(c * np.exp(np.minimum(x, 1.0))) + np.sum(x**2) / 4,
        x,
        lambda x: np.where(x < 1, c * np.exp(x), 0.0) + x / 2,
        decidable=bool(np.min(np.abs(x - 1)) > DECIDABLE),
    )


@family(KIND)
def order_statistics(rng: np.random.Generator) -> Problem:
    """A weighted sum of sorted parameters, two of them close."""
    n = int(rng.integers(3, 8))
    w, x = rng.normal(size=n), rng.normal(size=n)
    gap = 10.0 ** rng.uniform(-10, 0)
    x[0] = x[1] + gap

    def gradient(x: Array) -> Array:
        g = np.empty(n)
        g[np.argsort(x)] = w
        return g + x

    least = np.min(np.diff(np.sort(x)))
    return Problem(
        lambda x: w @ np.sort(x) + x @ x / 2, x, gradient, decidable=bool(least > DECIDABLE)
    )
