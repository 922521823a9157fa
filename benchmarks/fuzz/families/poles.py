"""Poles, roots near 0, and the edges of where a loss is defined."""

from __future__ import annotations

import numpy as np

from benchmarks.fuzz.exact import from_formula
from benchmarks.fuzz.problem import Problem, family

KIND = "poles, roots, edges"


def near(rng: np.random.Generator, least: float = -9.0) -> np.ndarray:
    """Distances from 1 down to 10^least, some of them, and others of size 1."""
    x = rng.uniform(0.3, 2, size=int(rng.integers(1, 6)))
    x[0] = 10.0 ** rng.uniform(least, 0)
    return rng.permutation(x)


@family(KIND)
def reciprocal(rng: np.random.Generator) -> Problem:
    """1/x near its pole."""
    return from_formula(lambda x, m: np.sum(1 / x), near(rng))


@family(KIND)
def rational(rng: np.random.Generator) -> Problem:
    """A rational function near a pole away from 0."""
    x = near(rng, -6)
    a = rng.normal(size=x.size)
    return from_formula(lambda x, m: np.sum((x**2 + 1) / (x - a)), a + x)


@family(KIND)
def root(rng: np.random.Generator) -> Problem:
    """The square root near 0."""
    return from_formula(lambda x, m: np.sum(m.sqrt(x)), near(rng, -12))


@family(KIND)
def logarithm(rng: np.random.Generator) -> Problem:
    """The sum of x log x and of log x near 0."""
    return from_formula(lambda x, m: np.sum(x * m.log(x) + 0.1 * m.log(x)), near(rng, -12))


@family(KIND)
def barrier(rng: np.random.Generator) -> Problem:
    """A quadratic with a logarithmic barrier near the edge of its domain."""
    x = near(rng, -10)
    return from_formula(lambda x, m: np.sum(x**2 - 1e-2 * m.log(1 - x)), 1 - x)


@family(KIND)
def sphere_edge(rng: np.random.Generator) -> Problem:
    """sqrt(1 - |x|^2) just inside of the sphere."""
    x = rng.normal(size=int(rng.integers(2, 6)))
    x *= (1 - 10.0 ** rng.uniform(-8, -1)) / np.linalg.norm(x)
    return from_formula(lambda x, m: m.sqrt(1 - np.sum(x * x)), x)
