"""A Jacobian as the gradient of one number: of one row, or of all with weights.

The derivative of u . F is J^T u (Griewank and Walther 2008, Evaluating Derivatives, chapter 3), so
that what follows and mends gradients does so for Jacobians, and, F being a gradient, Hessians.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradcheck.numeric.stencils import Stencil
from gradcheck.user.blocks import Array, Parameters, by_block, cut
from gradcheck.user.bounds import Bounds
from gradcheck.user.problem import Problem
from gradcheck.user.tensors import to_array

LARGEST = 2_000_000
"""Rows times columns: a sparse matrix that is followed is laid out in full."""


@dataclass(frozen=True)
class Row:
    """One value of the function, and its row of the Jacobian."""

    number: int

    def of(self, rows: Any) -> Any:
        """The value of the row; or the row, (n,), of a matrix, (m, n)."""
        return rows[self.number]

    def weights(self, count: int) -> Any:
        """What the rows are multiplied by and added."""
        return np.eye(1, count, self.number)[0]


@dataclass(frozen=True, eq=False)
class Weighted:
    """All values with weights of their own, none a multiple of another.

    They have the scales of the values at the point; further ones, were there more, the last.
    """

    row_scales: Array

    @classmethod
    def drawn(cls, weights: Array) -> Weighted:
        """With the sizes of weights that were drawn."""
        return cls(np.abs(weights))

    def of(self, rows: Any) -> Any:
        """The weighted sum of values, or of the rows of a matrix."""
        return self.weights(len(rows)) @ rows

    def weights(self, count: int) -> Any:
        """What the rows are multiplied by and added."""
        scales = self.row_scales
        numbers = np.arange(count)
        turns = np.modf(0.5 * (np.sqrt(5) - 1) * (numbers + 1))[0]  # the golden ratio: none twice
        signs = 1 - 2 * (numbers % 2)
        return (0.5 + turns) * signs * scales[np.minimum(numbers, len(scales) - 1)]


@dataclass(frozen=True, eq=False)
class Moves:
    """How a loss is moved to have its derivatives by each entry of a vector.

    Attributes:
        steps: by entry.
        stencils: by entry.
    """

    steps: Array
    stencils: Sequence[Stencil]

    def slopes(self, loss: Callable[[Array], float], here: Array) -> Array:
        """The derivatives at a point."""
        slopes = np.zeros(len(here))
        for entry, (step, stencil) in enumerate(zip(self.steps, self.stencils, strict=True)):
            for offset, weight in zip(stencil.offsets, stencil.coefficients, strict=True):
                moved = here.copy()
                moved[entry] += offset * step
                slopes[entry] += weight * loss(moved)
        return slopes / self.steps


def moved_ahead(operator: Any, along: Array) -> Any:
    """The product of an operator with a vector, as a matrix of one column."""
    return np.reshape(_inner(operator, "matvec")(along), (-1, 1))


def _inner(operator: Any, name: str) -> Any:
    """What scipy's `LinearOperator` calls, whose result it makes a plain array of."""
    return getattr(operator, f"_{name}", None) or getattr(operator, name)


Contraction = Row | Weighted


def contracted(
    parameters: Parameters,
    function: Callable[[Any], Any],
    claimed: Callable[[Any], Any],
    how: Contraction,
    bounds: Bounds | None = None,
    loss_of: Callable[[Any], Any] | None = None,
    layered: bool = True,
) -> Problem:
    """The problem of one number of a function's values, and its gradient.

    Both functions take the user's structure: one returns an array of m values, the other the
    Jacobian in any of its forms. Where the function makes it of differences, `loss_of` is the loss
    whose gradient by one vector it is. `layered` is as of a `Problem`.
    """

    def values(packed: Any) -> Any:
        return np.reshape(np.asarray(to_array(function(packed))), -1)

    def loss(packed: Any) -> Any:
        return how.of(values(packed))

    def gradient(packed: Any) -> Any:
        returned = claimed(packed)
        if hasattr(returned, "rmatvec") and not hasattr(returned, "tocsc"):
            parts = [_inner(returned, "rmatvec")(how.weights(returned.shape[0]))]
        elif hasattr(returned, "tocsc"):
            parts = [how.of(returned.toarray())]
        else:
            arrays = [np.asarray(to_array(one)) for one in by_block(returned, parameters.names)]
            widths = [math.prod(shape) for shape in parameters.shapes]
            if len(arrays) < len(widths):
                widths = [sum(widths)]
            pairs = zip(arrays, widths, strict=True)
            parts = [how.of(np.reshape(array, (-1, width))) for array, width in pairs]
        if len(parts) < len(parameters.names):
            parts = cut(parts[0], parameters.shapes)
        named = zip(parts, parameters.shapes, strict=True)
        shaped = [np.reshape(part, shape) for part, shape in named]
        return shaped[0] if len(shaped) == 1 else tuple(shaped)

    count = sum(value.size for value in parameters.values)
    slope = None if loss_of is None else (loss_of, np.asarray(how.weights(count)))
    return Problem(parameters, loss, gradient, layered=layered, bounds=bounds, slope=slope)
