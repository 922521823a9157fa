"""Compiled kernels for the slowest difference forms, with the extra `fast`: one pass over d.

They hold for d so small that a short series has all digits; elsewhere numpy does the work.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np

from gradcheck.network.layouts import Array

SERIES = 2e-6
"""Largest |d| at which the truncation error of the series is below a rounding error."""

WORTH_IT = 2**10
"""With fewer numbers, numpy is as quick."""


def wake() -> None:
    """Imports numba if it is installed; it takes a moment, so only longer work is worth it."""
    try:
        import numba  # noqa: F401  # from now on it is found in sys.modules
    except ImportError:
        return


def quotient(kind: str, d: Array, factor: Array, constant: Array) -> Array | None:
    """The form g / (constant + g factor), g = expm1(d) or tanh(d); None leaves it to numpy."""
    if "numba" not in sys.modules or d.size < WORTH_IT or not d.flags.c_contiguous:
        return None
    if factor.shape != constant.shape:
        return None
    out = np.empty_like(d)
    compiled = getattr(_compiled(), kind)
    if factor.size == 1 or (factor.shape[-1] == 1 and factor.size * d.shape[-1] == d.size):
        width = d.size // factor.size
        shape, inner = (factor.size, width), (factor.size, 1)
    elif factor.shape[-1] == d.shape[-1] and d.shape[d.ndim - factor.ndim :] == factor.shape:
        shape, inner = (d.size // factor.size, factor.size), (1, factor.size)
    else:
        return None
    is_short = compiled(
        d.reshape(shape),
        np.ascontiguousarray(factor).reshape(inner),
        np.ascontiguousarray(constant).reshape(inner),
        out.reshape(shape),
    )
    return out if is_short else None


@cache
def _compiled() -> Any:
    import numba

    def compiled(series: Callable[[float], float]) -> Any:
        function = numba.njit(inline="always")(series)

        def kernel(d: Array, factor: Array, constant: Array, out: Array) -> bool:
            beyond = 0
            for row in range(d.shape[0]):
                if factor.shape[0] > 1 or factor.shape[1] == 1:
                    row_factor, row_constant = factor[row, 0], constant[row, 0]
                    for column in range(d.shape[1]):
                        x = d[row, column]
                        g = function(x)
                        out[row, column] = g / (row_constant + g * row_factor)
                        beyond |= abs(x) > SERIES
                else:
                    for column in range(d.shape[1]):
                        x = d[row, column]
                        g = function(x)
                        out[row, column] = g / (constant[0, column] + g * factor[0, column])
                        beyond |= abs(x) > SERIES
            return beyond == 0

        return numba.njit(error_model="numpy", nogil=True)(kernel)

    return SimpleNamespace(
        expm1=compiled(lambda x: x * (1 + x * (0.5 + x * (1 / 6)))),
        tanh=compiled(lambda x: x * (1 - x * x * (1 / 3))),
    )
