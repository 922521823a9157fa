"""True zeros, cancellation, constants, and losses of extreme sizes."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.fuzz.exact import from_formula
from benchmarks.fuzz.problem import Array, Problem, family

KIND = "true zeros, cancellation"


@family(KIND)
def idle_entries(rng: np.random.Generator) -> Problem:
    """Entries that do not matter beside some that do."""
    n = int(rng.integers(2, 8))
    c = rng.normal(size=n) * (rng.random(n) < 0.6)
    return from_formula(lambda x, m: np.sum(m.sin(c * x)) + 1.0, rng.normal(size=n))


@family(KIND)
def flat_power(rng: np.random.Generator) -> Problem:
    """x^6 at 0 and near to it."""
    n = int(rng.integers(1, 6))
    x = np.where(rng.random(n) < 0.5, 0.0, 10.0 ** rng.uniform(-4, 0, n))
    return from_formula(lambda x, m: np.sum(x**6), x)


@family(KIND)
def cancelled(rng: np.random.Generator) -> Problem:
    """f(p0) - f(p1) at p0 = p1: the loss is exactly 0."""
    name = str(rng.choice(["exp", "sin", "tanh", "cosh"]))

    def loss(x: Array, m: Any) -> Any:
        f = getattr(m, name)
        return np.sum(f(x[::2]) - f(x[1::2]))

    pairs = int(rng.integers(1, 4))
    return from_formula(loss, np.repeat(rng.normal(size=pairs), 2))


@family(KIND)
def products_with_zero(rng: np.random.Generator) -> Problem:
    """Products of three, some factors 0."""
    n = 3 * int(rng.integers(1, 4))
    x = rng.normal(size=n) * (rng.random(n) < 0.7)
    return from_formula(lambda x, m: np.sum(x[::3] * x[1::3] * x[2::3]), x)


@family(KIND)
def large_constant(rng: np.random.Generator) -> Problem:
    """A constant of 1e6 or 1e12 added to a loss of size 1."""
    n, constant = int(rng.integers(1, 6)), 10.0 ** rng.choice([3, 6, 9, 12])
    A = rng.normal(size=(n, n))
    return from_formula(
        lambda x, m: constant + np.sum(m.sin(A @ x)),
        rng.normal(size=n),
        decidable=bool(constant < 1e8),
    )


@family(KIND)
def stationary(rng: np.random.Generator) -> Problem:
    """The minimum of a bowl, or 1e-8 beside it."""
    n = int(rng.integers(1, 6))
    x = rng.normal(size=n)
    at = x + 10.0 ** rng.uniform(-9, -2) * rng.normal(size=n) * (rng.random(n) < 0.6)
    return from_formula(lambda z, m: np.sum((z - x) ** 2) + np.sum((z - x) ** 4), at)


@family(KIND)
def sixfold_root(rng: np.random.Generator) -> Problem:
    """(x - 1)^6 multiplied out: beside the root it is rounding alone."""
    coefficients = [1.0, -6.0, 15.0, -20.0, 15.0, -6.0, 1.0]
    distance = 10.0 ** rng.uniform(-3.5, 0)

    def loss(x: Array, m: Any) -> Any:
        value = 0 * x[0]
        for c in coefficients:
            value = value * x[0] + c
        return value

    return from_formula(loss, np.array([1 + distance]), decidable=distance > 0.05)
