"""Ordinary smooth functions of a few parameters."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.fuzz.exact import from_formula, tangent
from benchmarks.fuzz.problem import DOORS, Array, Problem, family

KIND = "ordinary"
EVERY = (*DOORS, "step")


def some(rng: np.random.Generator, most: int = 8) -> int:
    """How many parameters."""
    return int(rng.integers(2, most + 1))


@family(KIND, EVERY)
def quadratic_form(rng: np.random.Generator) -> Problem:
    """The form x'Ax / 2 - b'x, of a condition up to 1e8."""
    n = some(rng)
    Q = np.linalg.qr(rng.normal(size=(n, n)))[0]
    A = Q @ np.diag(10.0 ** rng.uniform(-rng.uniform(0, 8), 0, n)) @ Q.T
    b = rng.normal(size=n)
    return Problem(
        lambda x: x @ (A @ x) / 2 - b @ x, rng.normal(size=n), lambda x: (A + A.T) @ x / 2 - b
    )


@family(KIND, EVERY)
def rosenbrock(rng: np.random.Generator) -> Problem:
    """The banana valley, anywhere and in the valley."""
    n = some(rng)

    def loss(x: Array, m: Any) -> Any:
        return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)

    x = rng.normal(size=n)
    if rng.random() < 0.3:
        x = 1 + 1e-3 * x
    return from_formula(loss, x)


@family(KIND, EVERY)
def log_sum_exp(rng: np.random.Generator) -> Problem:
    """The logarithm of a sum of exponentials."""
    n = some(rng)
    A = rng.normal(size=(n + 2, n))
    return from_formula(lambda x, m: m.log(np.sum(m.exp(A @ x))), rng.normal(size=n))


@family(KIND, EVERY)
def squared_tanh(rng: np.random.Generator) -> Problem:
    """The sum of squared tanh of linear maps."""
    n = some(rng)
    A = rng.normal(size=(n, n))
    return from_formula(lambda x, m: np.sum(m.tanh(A @ x) ** 2), rng.normal(size=n))


@family(KIND, EVERY)
def least_squares(rng: np.random.Generator) -> Problem:
    """Linear least squares with a residual of any size."""
    n = some(rng)
    A, x = rng.normal(size=(3 * n, n)), rng.normal(size=n)
    b = A @ x + 10.0 ** rng.uniform(-6, 0) * rng.normal(size=3 * n)
    return from_formula(lambda x, m: np.sum((A @ x - b) ** 2), x + 0.1 * rng.normal(size=n))


@family(KIND, EVERY)
def high_degree(rng: np.random.Generator) -> Problem:
    """Polynomials of degree 5 to 30 and a product of all parameters."""
    n, degree = some(rng), int(rng.integers(5, 31))
    c = rng.normal(size=n)
    return from_formula(
        lambda x, m: np.sum(c * x**degree) + np.prod(x), rng.uniform(-1.3, 1.3, size=n)
    )


@family(KIND, EVERY)
def power_laws(rng: np.random.Generator) -> Problem:
    """Sums of a x^b, with both of them parameters."""
    n = some(rng, 5)
    t = rng.uniform(0.5, 5, size=(10, n))

    def loss(x: Array, m: Any) -> Any:
        return np.sum((x[:n] * m.exp(x[n:] * np.log(t)) - 1) ** 2) / 10

    return from_formula(loss, rng.normal(size=2 * n))


@family(KIND, EVERY)
def sums_of_sines(rng: np.random.Generator) -> Problem:
    """Sines of linear maps of moderate frequency."""
    n = some(rng)
    A = 3 * rng.normal(size=(n, n))
    return from_formula(lambda x, m: np.sum(m.sin(A @ x)), rng.normal(size=n))


@family(KIND, EVERY)
def logistic_regression(rng: np.random.Generator) -> Problem:
    """The mean log-loss of a linear score."""
    n = some(rng)
    A, y = rng.normal(size=(12, n)), rng.integers(0, 2, 12)

    def loss(x: Array, m: Any) -> Any:
        z = A @ x
        return np.mean(m.log1p(m.exp(z)) - y * z)

    return from_formula(loss, rng.normal(size=n), tangent)


@family(KIND)
def a_scalar(rng: np.random.Generator) -> Problem:
    """One parameter without an axis."""
    a = rng.normal()
    return from_formula(
        lambda x, m: np.sum(m.exp(a * x) + x**3), rng.normal(size=1), shapes={"x": ()}
    )


@family(KIND)
def empty_and_single_blocks(rng: np.random.Generator) -> Problem:
    """Blocks without entries and with one."""
    c = rng.normal(size=5)
    shapes = {"none": (0,), "one": (1,), "matrix": (2, 2), "hollow": (3, 0)}
    return from_formula(lambda x, m: np.sum(m.sin(c * x) * x), rng.normal(size=5), shapes=shapes)


@family(KIND, ("vector", "screening"))
def two_thousand(rng: np.random.Generator) -> Problem:
    """A large flat vector: cheap terms and one that couples them all."""
    n = 2000
    c, u = rng.normal(size=n), rng.normal(size=n) / np.sqrt(n)
    return Problem(
        lambda x: np.sum(c * np.sin(x)) + np.tanh(u @ x),
        rng.normal(size=n),
        lambda x: c * np.cos(x) + u / np.cosh(u @ x) ** 2,
    )
