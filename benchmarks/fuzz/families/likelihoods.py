"""Negative log-likelihoods."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.fuzz.exact import from_formula
from benchmarks.fuzz.problem import DOORS, Array, Problem, family

KIND = "likelihoods"
EVERY = (*DOORS, "step")


@family(KIND, EVERY)
def poisson(rng: np.random.Generator) -> Problem:
    """Counts with a logarithmic link."""
    n = int(rng.integers(2, 6))
    A, x = rng.normal(size=(12, n)) / 2, rng.normal(size=n)
    y = rng.poisson(np.exp(A @ x)).astype(float)
    return from_formula(lambda x, m: np.sum(m.exp(A @ x) - y * (A @ x)), x + rng.normal(size=n) / 4)


@family(KIND, EVERY)
def student_t(rng: np.random.Generator) -> Problem:
    """Heavy tails: place, logarithm of the scale, and outliers far away."""
    y = rng.standard_t(3, size=15)
    y[0] = 10.0 ** rng.uniform(1, 4)

    def loss(x: Array, m: Any) -> Any:
        z = (y - x[0]) * m.exp(-x[1])
        return np.sum(2 * m.log1p(z * z / 3)) + 15 * x[1]

    return from_formula(loss, rng.normal(size=2))


@family(KIND, EVERY)
def mixture(rng: np.random.Generator) -> Problem:
    """Two Gaussians in one dimension: weight, places and scales."""
    y = np.concatenate([rng.normal(-2, 1, 8), rng.normal(1.5, 0.5, 8)])

    def loss(x: Array, m: Any) -> Any:
        first = m.exp(-((y - x[1]) ** 2) * m.exp(-2 * x[2]) / 2 - x[2])
        second = m.exp(-((y - x[3]) ** 2) * m.exp(-2 * x[4]) / 2 - x[4])
        share = 1 / (1 + m.exp(-x[0]))
        return -np.mean(m.log(share * first + (1 - share) * second))

    return from_formula(loss, np.array([0.0, -2, 0, 1.5, -0.7]) + 0.3 * rng.normal(size=5))


@family(KIND, EVERY)
def weibull(rng: np.random.Generator) -> Problem:
    """Times to failure: scale of any unit, and shape."""
    unit = 10.0 ** rng.uniform(-3, 6)
    y = unit * rng.weibull(1.5, 15)

    def loss(x: Array, m: Any) -> Any:
        z = np.log(y) - m.log(x[0])
        return np.sum(m.exp(x[1] * z) - x[1] * z) - 15 * m.log(x[1])

    return from_formula(loss, np.array([unit * rng.uniform(0.7, 1.4), rng.uniform(1, 2)]))


@family(KIND, EVERY)
def cauchy_far_away(rng: np.random.Generator) -> Problem:
    """log(1 + (x - y)^2) far from all data, where it is nearly flat."""
    n, far = int(rng.integers(1, 6)), 10.0 ** rng.uniform(0, 6)
    return from_formula(lambda x, m: np.sum(m.log1p(x * x)), far * rng.normal(size=n))
