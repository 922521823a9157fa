"""A Jacobian as the gradient of one number: of one row, or of all with weights.

The derivative of u . F is J^T u (Griewank and Walther 2008, Evaluating Derivatives, chapter 3), so
that what follows and mends gradients does so for Jacobians, and, F being a gradient, Hessians.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.user.blocks import Parameters, cut
from gradcheck.user.bounds import Bounds
from gradcheck.user.problem import Problem
from gradcheck.user.tensors import to_array

LARGEST = 2_000_000
"""Rows times columns: a sparse matrix that is followed is laid out in full."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Row:
    """One value of the function, and its row of the Jacobian."""

    number: int

    def of_values(self, values: Any) -> Any:
        """The value of the row."""
        return values[self.number]

    def of_matrix(self, matrix: Any) -> Any:
        """The row, (n,), of a matrix, (m, n)."""
        return matrix[self.number]

    def of_product(self, multiply: Callable[[Any], Any], rows: int) -> Any:
        """The row, of the product of the transposed matrix with a vector, (m,)."""
        unit = np.zeros(rows)
        unit[self.number] = 1.0
        return multiply(unit)


@dataclass(frozen=True, eq=False)
class Weighted:
    """All values with weights of their own, none a multiple of another.

    Attributes:
        row_scales: of the values, at the point; of further ones, were there more, the last.
    """

    row_scales: Array

    @classmethod
    def drawn(cls, weights: Array) -> Weighted:
        """With the sizes of weights that were drawn."""
        return cls(np.abs(weights))

    def of_values(self, values: Any) -> Any:
        """The weighted sum."""
        return self._weights(len(values)) @ values

    def of_matrix(self, matrix: Any) -> Any:
        """The weighted sum of the rows, (n,)."""
        return self._weights(len(matrix)) @ matrix

    def of_product(self, multiply: Callable[[Any], Any], rows: int) -> Any:
        """The product with the weights."""
        return multiply(self._weights(rows))

    def _weights(self, count: int) -> Any:
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
        stencils: by entry, offsets in steps and weights.
    """

    steps: Array
    stencils: Sequence[tuple[tuple[int, float], ...]]

    def slopes(self, loss: Callable[[Array], float], here: Array) -> Array:
        """The derivatives at a point."""
        slopes = np.zeros(len(here))
        for entry, (step, stencil) in enumerate(zip(self.steps, self.stencils, strict=True)):
            for offset, weight in stencil:
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
) -> Problem:
    """The problem of one number of a function's values, and its gradient.

    Args:
        parameters: the point.
        function: of the user's structure, which returns an array of m values.
        claimed: of the user's structure, which returns the Jacobian in any of its forms.
        how: which number.
        bounds: the box that the parameters stay in, if there is one.
        loss_of: the loss whose gradient by one vector the function makes of differences, if it
            does.
    """

    def values(packed: Any) -> Any:
        return np.reshape(np.asarray(to_array(function(packed))), -1)

    def loss(packed: Any) -> Any:
        return how.of_values(values(packed))

    def gradient(packed: Any) -> Any:
        returned = claimed(packed)
        if hasattr(returned, "rmatvec") and not hasattr(returned, "tocsc"):
            parts = [how.of_product(_inner(returned, "rmatvec"), returned.shape[0])]
        elif hasattr(returned, "tocsc"):
            parts = [how.of_matrix(returned.toarray())]
        else:
            arrays = [np.asarray(to_array(one)) for one in _parts(returned, parameters.names)]
            widths = [math.prod(shape) for shape in parameters.shapes]
            if len(arrays) < len(widths):
                widths = [sum(widths)]
            parts = [
                how.of_matrix(np.reshape(array, (-1, width)))
                for array, width in zip(arrays, widths, strict=True)
            ]
        if len(parts) < len(parameters.names):
            parts = cut(parts[0], parameters.shapes)
        named = zip(parts, parameters.shapes, strict=True)
        shaped = [np.reshape(part, shape) for part, shape in named]
        return shaped[0] if len(shaped) == 1 else tuple(shaped)

    count = sum(value.size for value in parameters.values)
    slope = None if loss_of is None else (loss_of, np.asarray(how.of_values(np.eye(count))))
    return Problem(parameters, loss, gradient, layered=True, bounds=bounds, slope=slope)


def _parts(returned: Any, names: Sequence[str]) -> Sequence[Any]:
    """The matrix, or those of the blocks."""
    if isinstance(returned, Mapping):
        return [returned[name] for name in names]
    if len(names) > 1 and isinstance(returned, list | tuple) and len(returned) == len(names):
        return returned
    return [returned]
