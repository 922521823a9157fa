"""Losses of extreme size, underflow, and saturation."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.fuzz.exact import from_formula
from benchmarks.fuzz.problem import Array, Problem, family

KIND = "extreme sizes"


@family(KIND)
def tiny_loss(rng: np.random.Generator) -> Problem:
    """A loss down to 1e-200."""
    n, size = int(rng.integers(1, 7)), 10.0 ** rng.uniform(-200, -10)
    A = rng.normal(size=(n, n))
    return from_formula(lambda x, m: size * np.sum(m.sin(A @ x) + x**2), rng.normal(size=n))


@family(KIND)
def huge_loss(rng: np.random.Generator) -> Problem:
    """A loss up to 1e200."""
    n, size = int(rng.integers(1, 7)), 10.0 ** rng.uniform(10, 200)
    A = rng.normal(size=(n, n))
    return from_formula(lambda x, m: size * np.sum(m.sin(A @ x) + x**2), rng.normal(size=n))


@family(KIND)
def underflow(rng: np.random.Generator) -> Problem:
    """exp(-s x^2), from 1 down to far below the least number."""
    n = int(rng.integers(1, 6))
    s = 10.0 ** rng.uniform(-1, 3.5, n)
    return from_formula(lambda x, m: np.sum(m.exp(-s * x * x)), rng.normal(size=n))


@family(KIND)
def saturated(rng: np.random.Generator) -> Problem:
    """Sigmoids far out on both sides."""
    n = int(rng.integers(1, 6))
    x = rng.uniform(-45, 45, n)
    return from_formula(lambda x, m: np.sum(1 / (1 + m.exp(-x))), x)


@family(KIND)
def steep(rng: np.random.Generator) -> Problem:
    """tanh(k x) beside its step, k up to 1e6."""
    n = int(rng.integers(1, 6))
    k = 10.0 ** rng.uniform(0, 6, n)
    return from_formula(lambda x, m: np.sum(m.tanh(k * x)), rng.normal(size=n) / k)


@family(KIND)
def growth(rng: np.random.Generator) -> Problem:
    """The exponential of a linear form: sizes from 1e-30 to 1e30."""
    n = int(rng.integers(1, 6))
    a = rng.normal(size=n)
    a *= rng.uniform(-70, 70) / np.sum(a)

    def loss(x: Array, m: Any) -> Any:
        return m.exp(np.sum(a * x))

    return from_formula(loss, 1 + 0.01 * rng.normal(size=n))


@family(KIND)
def far_parameters(rng: np.random.Generator) -> Problem:
    """Parameters of 1e6 to 1e12 of which only the last digits matter."""
    n, far = int(rng.integers(1, 6)), 10.0 ** rng.uniform(2, 12)
    centre = np.round(far * rng.normal(size=n))
    return from_formula(
        lambda x, m: np.sum(m.sin(x - centre)),
        centre + rng.normal(size=n),
        decidable=bool(far < 1e6),
    )
