"""Losses that turn many times within the steps that are usual."""

from __future__ import annotations

import numpy as np

from benchmarks.fuzz.exact import from_formula
from benchmarks.fuzz.problem import Problem, family

KIND = "oscillating"


@family(KIND)
def fast_sine(rng: np.random.Generator) -> Problem:
    """sin(k x), k up to 1e6."""
    n = int(rng.integers(1, 6))
    k = 10.0 ** rng.uniform(0, 6, n)
    return from_formula(lambda x, m: np.sum(m.sin(k * x)), rng.normal(size=n))


@family(KIND)
def chirp(rng: np.random.Generator) -> Problem:
    """x^2 sin(1/x): smooth beside 0, faster the nearer."""
    x = 10.0 ** rng.uniform(-7, 0, int(rng.integers(1, 4)))
    return from_formula(lambda x, m: np.sum(x**2 * m.sin(1 / x)), x)


@family(KIND)
def ripple(rng: np.random.Generator) -> Problem:
    """A bowl with a ripple of small height and large slope."""
    n, k = int(rng.integers(1, 6)), 10.0 ** rng.uniform(2, 7)
    height = 10.0 ** rng.uniform(-3, 0) / k
    return from_formula(lambda x, m: np.sum(x**2 + height * m.sin(k * x)), rng.normal(size=n))


@family(KIND)
def beat(rng: np.random.Generator) -> Problem:
    """A fast wave in a slow one, and a phase that grows as the square."""
    k = 10.0 ** rng.uniform(1, 4)
    n = int(rng.integers(1, 5))
    return from_formula(
        lambda x, m: np.sum(m.cos(x) * m.sin(k * x) + m.sin(k * x * x) / k), rng.normal(size=n)
    )
