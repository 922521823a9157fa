"""Exact gradients of losses written once, for numpy and for extended precision.

A loss is a function f(x, m): x is an array, and m holds the elementary functions. Its derivative by
x_i is Im f(x + i h e_i) / h (Squire and Trapp 1998): nothing is subtracted, so that h can be small
enough for the truncation error to vanish. With mpmath the derivative is exact however much the
loss cancels; with numpy's complex numbers it has the rounding error that code by hand has.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from types import SimpleNamespace
from typing import Any

import mpmath
import numpy as np

from benchmarks.fuzz.problem import Array, Problem

DIGITS = 50
PRECISE_STEP = mpmath.mpf(10) ** -45
COMPLEX_STEP = 1e-150

Formula = Callable[[Array, Any], Any]
Gradient = Callable[[Array], Array]


def _maximum(a: Any, b: Any) -> Any:
    return np.where(_real(a) >= _real(b), a, b)


def _real(values: Any) -> Array:
    return np.array([v.real for v in np.ravel(values)], dtype=object).reshape(np.shape(values))


def _absolute(values: Any) -> Any:
    return np.where(np.real(values) < 0, -values, values)


ELEMENTARY = ("exp", "log", "sin", "cos", "tan", "tanh", "cosh", "sinh", "sqrt", "log1p", "expm1")

REAL = SimpleNamespace(
    **{name: getattr(np, name) for name in ELEMENTARY},
    arctan=np.arctan,
    abs=np.abs,
    maximum=np.maximum,
)
COMPLEX = SimpleNamespace(
    **{name: getattr(np, name) for name in ELEMENTARY},
    arctan=np.arctan,
    abs=_absolute,
    maximum=lambda a, b: np.where(np.real(a) >= np.real(b), a, b),
)
PRECISE = SimpleNamespace(
    **{name: np.frompyfunc(getattr(mpmath, name), 1, 1) for name in ELEMENTARY},
    arctan=np.frompyfunc(mpmath.atan, 1, 1),
    abs=np.frompyfunc(lambda z: -z if z.real < 0 else z, 1, 1),
    maximum=_maximum,
)


def precise(formula: Formula) -> Gradient:
    """The gradient with 50 digits, rounded once; for few parameters."""

    def gradient(x: Array) -> Array:
        with mpmath.workdps(DIGITS):
            start = np.array([mpmath.mpc(float(value)) for value in x], dtype=object)
            slopes = [_part(formula, start, i) for i in range(len(x))]
        return np.array(slopes)

    return _remembered(gradient)


def _part(formula: Formula, start: Array, index: int) -> float:
    moved = start.copy()
    moved[index] = moved[index] + mpmath.mpc(0, PRECISE_STEP)
    found = formula(moved, PRECISE)
    return float(mpmath.mpc(found).imag / PRECISE_STEP)


def tangent(formula: Formula) -> Gradient:
    """The gradient in float64; for more parameters, and code that mpmath has no words for."""

    def gradient(x: Array) -> Array:
        slopes = np.empty(len(x))
        for i in range(len(x)):
            moved = x.astype(np.complex128)
            moved[i] += 1j * COMPLEX_STEP
            slopes[i] = np.imag(formula(moved, COMPLEX)) / COMPLEX_STEP
        return slopes

    return _remembered(gradient)


def _remembered(gradient: Gradient) -> Gradient:
    """The same function, which keeps what it returned last."""

    @lru_cache(maxsize=8)
    def kept(data: bytes, dtype: str) -> Array:
        return gradient(np.frombuffer(data, dtype=dtype))

    return lambda x: kept(np.ascontiguousarray(x).tobytes(), x.dtype.str).copy()


def from_formula(
    formula: Formula, point: Array, exact: Callable[[Formula], Gradient] = precise, **known: Any
) -> Problem:
    """The problem of a formula; `known` are the other fields of `Problem`."""
    return Problem(lambda x: formula(x, REAL), np.asarray(point), exact(formula), **known)
