"""Losses with noise: solvers that stop at a tolerance, and noise of a known size."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np

from benchmarks.fuzz.exact import REAL, from_formula, precise, tangent
from benchmarks.fuzz.problem import Array, Problem, family

KIND = "noise"
MOST = 200


def unit_noise(x: Array) -> float:
    """Deterministic and without structure, between -1 and 1."""
    return zlib.crc32(np.ascontiguousarray(x).tobytes()) / 2**31 - 1


@family(KIND)
def pseudo_noise(rng: np.random.Generator) -> Problem:
    """A smooth loss with noise of 1e-14 to 1e-3."""
    n, size = int(rng.integers(1, 7)), 10.0 ** rng.uniform(-14, -3)
    A = rng.normal(size=(n, n))

    def smooth(x: Array, m: Any) -> Any:
        return np.sum(m.sin(A @ x)) + np.sum(x**2)

    return Problem(
        lambda x: float(smooth(x, REAL)) + size * unit_noise(x),
        rng.normal(size=n),
        precise(smooth),
        noise=size,
        decidable=size < 1e-8,
    )


@family(KIND)
def noise_in_one_entry(rng: np.random.Generator) -> Problem:
    """Noise that comes only where one of the entries moves."""
    n, size = int(rng.integers(2, 7)), 10.0 ** rng.uniform(-12, -4)

    def smooth(x: Array, m: Any) -> Any:
        return np.sum(m.exp(x / 2)) + np.prod(m.cos(x))

    return Problem(
        lambda x: float(smooth(x, REAL)) + size * unit_noise(x[:1]),
        rng.normal(size=n),
        precise(smooth),
        noise=size,
        decidable=size < 1e-8,
    )


@family(KIND)
def newton_to_tolerance(rng: np.random.Generator) -> Problem:
    """The root of y^3 + a y = b by Newton's method until a tolerance; the code's own derivative."""
    tolerance = 10.0 ** rng.uniform(-12, -2)

    def loss(x: Array, m: Any) -> Any:
        y = 1 + 0 * x[0]
        for _ in range(MOST):
            change = (y**3 + x[0] * y - x[1]) / (3 * y * y + x[0])
            y = y - change
            if abs(change.real) < tolerance:
                break
        return y * y + m.sin(y)

    return from_formula(loss, rng.uniform(0.5, 3, 2), tangent)


@family(KIND)
def fixed_point_to_tolerance(rng: np.random.Generator) -> Problem:
    """Solves y = tanh(A y + x) by iteration until a tolerance; the code's own derivative."""
    n, tolerance = int(rng.integers(1, 4)), 10.0 ** rng.uniform(-12, -2)
    A = 0.6 * np.linalg.qr(rng.normal(size=(n, n)))[0]

    def loss(x: Array, m: Any) -> Any:
        y = 0 * x
        for _ in range(MOST):
            following = m.tanh(A @ y + x)
            done = np.max(np.abs((following - y).real)) < tolerance
            y = following
            if done:
                break
        return np.sum(y * y)

    return from_formula(loss, rng.normal(size=n), tangent)


@family(KIND)
def series_to_tolerance(rng: np.random.Generator) -> Problem:
    """A power series cut off where its terms fall below a tolerance; the code's own derivative."""
    tolerance = 10.0 ** rng.uniform(-14, -4)

    def loss(x: Array, m: Any) -> Any:
        term = total = 1 + 0 * x
        for k in range(1, MOST):
            term = term * x / k
            total = total + term
            if np.max(np.abs(term.real)) < tolerance:
                break
        return np.sum(total)

    return from_formula(loss, rng.normal(size=int(rng.integers(1, 5))), tangent)
