"""Reduces a Jacobian to the gradient of one number: of one value, or a weighted sum of all.

The gradient of u . F is J^T u (Griewank and Walther 2008, Evaluating Derivatives, chapter 3). The
tools that trace and mend gradients thus serve Jacobians and, if F is a gradient, Hessians.
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
"""The most rows times columns that are traced, since a sparse matrix is made dense for that."""


@dataclass(frozen=True)
class Row:
    """One value of the function, and its row of the Jacobian."""

    number: int

    def of(self, rows: Any) -> Any:
        """The value with this number; or this row, (n,), of a matrix (m, n)."""
        return rows[self.number]

    def weights(self, count: int) -> Any:
        """The weights u of `count` values: 1 for this one, else 0."""
        return np.eye(1, count, self.number)[0]


@dataclass(frozen=True, eq=False)
class Weighted:
    """All values with different weights, scaled by `row_scales`.

    If there are more values than scales, the last scale serves the rest.
    """

    row_scales: Array

    @classmethod
    def drawn(cls, weights: Array) -> Weighted:
        """The contraction with scales of the size of random weights."""
        return cls(np.abs(weights))

    def of(self, rows: Any) -> Any:
        """The weighted sum of values, or of the rows of a matrix."""
        return self.weights(len(rows)) @ rows

    def weights(self, count: int) -> Any:
        """The weights u of `count` values."""
        scales = self.row_scales
        numbers = np.arange(count)
        turns = np.modf(0.5 * (np.sqrt(5) - 1) * (numbers + 1))[0]  # golden ratio: all differ
        signs = 1 - 2 * (numbers % 2)
        return (0.5 + turns) * signs * scales[np.minimum(numbers, len(scales) - 1)]


@dataclass(frozen=True, eq=False)
class Moves:
    """Differences of a loss along each entry of a vector: a step and a stencil per entry."""

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
    """The method that scipy's `LinearOperator` wraps; the wrapper would hide it from the trace."""
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
    """The problem whose loss is a contraction of a function's values, with its gradient.

    Both functions take the user's structure: `function` returns m values, `claimed` the Jacobian in
    any form. If `function` is made of differences of a loss of a vector, `loss_of` is this loss.
    `layered` is as in `Problem`.
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
            widths = [math.prod(shape) for shape in parameters.shapes]
            is_list = parameters.vector is not None and isinstance(returned, list)
            is_rows = is_list and np.shape(returned[0]) == (sum(widths),)
            given = [returned] if is_rows else by_block(returned, parameters.names)
            arrays = [np.asarray(to_array(part)) for part in given]
            if len(arrays) < len(widths):
                widths = [sum(widths)]
            pairs = zip(arrays, widths, strict=True)
            parts = [how.of(np.reshape(array, (-1, width))) for array, width in pairs]
        if len(parts) < len(parameters.names):
            parts = cut(parts[0], parameters.shapes)
        named = zip(parts, parameters.shapes, strict=True)
        shaped = [np.reshape(part, shape) for part, shape in named]
        is_bare = len(shaped) == 1 and parameters.vector is None
        return shaped[0] if is_bare else tuple(shaped)

    count = sum(value.size for value in parameters.values)
    slope = None if loss_of is None else (loss_of, np.asarray(how.weights(count)))
    return Problem(parameters, loss, gradient, layered=layered, bounds=bounds, slope=slope)
