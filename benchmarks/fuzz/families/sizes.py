"""Parameters, derivatives and terms of sizes far apart."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.fuzz.exact import from_formula
from benchmarks.fuzz.problem import Array, Problem, family

WITHIN = "sizes within a block"
BETWEEN = "sizes between blocks"
VECTOR = ("vector", "all", "screening")


@family(WITHIN, VECTOR)
def waves_of_sizes(rng: np.random.Generator) -> Problem:
    """sin(x / s), each x of the size of its own s, from 1e-12 to 1e6."""
    n = int(rng.integers(2, 8))
    s = 10.0 ** rng.uniform(-12, 6, n)
    return from_formula(lambda x, m: np.sum(m.sin(x / s)), s * rng.uniform(0.3, 1.2, n))


@family(WITHIN, VECTOR)
def bowls_of_sizes(rng: np.random.Generator) -> Problem:
    """Coupled quadratic terms of x / s."""
    n = int(rng.integers(2, 8))
    s, A = 10.0 ** rng.uniform(-8, 4, n), rng.normal(size=(n, n))
    return from_formula(lambda x, m: np.sum((A @ (x / s)) ** 2), s * rng.normal(size=n))


@family(WITHIN, VECTOR)
def decay_fit(rng: np.random.Generator) -> Problem:
    """A fit of a exp(-b t) + c over a long time: b of one millionth beside a of a million."""
    span = 10.0 ** rng.uniform(0, 6)
    t = np.linspace(0, 2 * span, 20)
    true = np.array([10.0 ** rng.uniform(0, 6), 1.2 / span, 1.0])
    y = true[0] * np.exp(-true[1] * t) + true[2]

    def loss(x: Array, m: Any) -> Any:
        return np.mean((x[0] * m.exp(-x[1] * t) + x[2] - y) ** 2)

    return from_formula(loss, true * rng.uniform(0.8, 1.25, 3))


@family(WITHIN, VECTOR)
def diode_fit(rng: np.random.Generator) -> Problem:
    """I = I0 (exp(V / (n Vt)) - 1), I0 of 1e-12."""
    volts, thermal = np.linspace(0.3, 0.7, 15), 0.02585
    current = 10.0 ** rng.uniform(-13, -9)
    amps = 2 * current * np.expm1(volts / (1.2 * thermal))

    def loss(x: Array, m: Any) -> Any:
        return np.sum((x[0] * m.expm1(volts / (x[1] * thermal)) - amps) ** 2)

    return from_formula(loss, np.array([current, rng.uniform(1.0, 1.3)]))


@family(WITHIN, VECTOR)
def rational_fit(rng: np.random.Generator) -> Problem:
    """A cubic over a cubic: seven coefficients from 1 down to 1e-7."""
    t = np.linspace(15, 850, 20)
    at = np.array([1.08, -0.123, 4.09e-3, -1.43e-6, -5.76e-3, 2.41e-4, -1.23e-7])
    powers = np.vander(t, 4, increasing=True)
    y = 0.97 * (powers @ at[:4]) / (1 + powers[:, 1:] @ at[4:])

    def loss(x: Array, m: Any) -> Any:
        return np.sum(((powers @ x[:4]) / (1 + powers[:, 1:] @ x[4:]) - y) ** 2)

    return from_formula(loss, at * (1 + 0.02 * rng.normal(size=7)))


@family(WITHIN)
def terms_of_sizes(rng: np.random.Generator) -> Problem:
    """Terms from 1e-12 to 1e12 in one sum, of parameters of size 1."""
    n = int(rng.integers(2, 7))
    c = 10.0 ** rng.uniform(-rng.uniform(0, 12), rng.uniform(0, 12), n)
    return from_formula(lambda x, m: np.sum(c * m.sin(x)), rng.normal(size=n))


@family(BETWEEN, ("blocks",))
def blocks_of_sizes(rng: np.random.Generator) -> Problem:
    """Blocks whose parameters differ by up to 1e12, coupled by a product."""
    s = np.repeat(10.0 ** rng.uniform(-9, 3, 3), 3)

    def loss(x: Array, m: Any) -> Any:
        z = x / s
        return np.sum(m.sin(z)) + z[0] * z[4] * z[8]

    return from_formula(loss, s * rng.normal(size=9), shapes={"a": (3,), "b": (3,), "c": (3,)})


@family(BETWEEN, ("blocks",))
def derivatives_of_sizes(rng: np.random.Generator) -> Problem:
    """Blocks of parameters of size 1 whose derivatives differ by up to 1e12."""
    c = np.repeat(10.0 ** rng.uniform(-9, 3, 3), 3)
    return from_formula(
        lambda x, m: np.sum(c * m.tanh(x)) + np.sum(c) * 1e-3,
        rng.normal(size=9),
        shapes={"a": (3,), "b": (3,), "c": (3,)},
    )
