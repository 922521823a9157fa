"""Finite-difference stencils: each is a row of data, which is checked when it is made.

A stencil estimates f'(x) as sum_j coefficients[j] * f(x + offsets[j] * h) / h. By Taylor's theorem
it has order p when sum_j c_j o_j^k is 1 for k = 1 and 0 for every other k <= p
(Fornberg 1988, Generation of finite difference formulas on arbitrarily spaced grids).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Stencil:
    """Offsets and coefficients of a first derivative.

    Attributes:
        offsets: the points of evaluation, in steps.
        coefficients: one weight per offset.
        order: the power of the step with which the truncation error falls.

    Raises:
        ValueError: the coefficients do not have this order.
    """

    offsets: tuple[int, ...]
    coefficients: tuple[float, ...]
    order: int

    def __post_init__(self) -> None:
        for power in range(self.order + 1):
            moment = sum(
                coefficient * offset**power
                for coefficient, offset in zip(self.coefficients, self.offsets, strict=True)
            )
            if not math.isclose(moment, float(power == 1), abs_tol=1e-12):
                raise ValueError(f"moment {power} of {self} is {moment}")

    def apply(self, values: Mapping[int, Array | float], step: Array) -> Array:
        """The derivative from the function's values by offset, elementwise, in any shape."""
        total: Any = 0.0
        for coefficient, offset in zip(self.coefficients, self.offsets, strict=True):
            total = total + coefficient * values[offset]
        return np.asarray(total / step)


CENTRAL = Stencil((-1, 1), (-0.5, 0.5), order=2)
FORWARD = Stencil((0, 1), (-1.0, 1.0), order=1)
BACKWARD = Stencil((-1, 0), (-1.0, 1.0), order=1)
