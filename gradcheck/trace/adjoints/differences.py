"""Contributions to the operands of an operation without a rule, by central differences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.trace.record.graph import evaluate
from gradcheck.trace.record.nodes import Node

Values = Any
"""The values of nodes, by index."""

Contributions = list[tuple[int, NDArray[Any]]]
"""For each operand, its index and the contribution to its adjoint, in its shape."""

STEP = 2e-4
"""The step of the differences of a single operation, relative to the operand's entries."""


def differenced(node: Node, values: Values, g: NDArray[Any]) -> Contributions:
    """Return the contributions to all float operands by central differences of the operation."""
    parts: Contributions = []
    for index in node.operands:
        value = np.asarray(values[index])
        if value.dtype.kind != "f" or not value.size:
            continue
        value = value.astype(np.float64)
        steps = STEP * np.maximum(1.0, np.abs(value))
        if isinstance(node.function, np.ufunc) and value.shape == np.shape(g):
            slope = _difference(node, values, index, value, steps) / (2 * steps)
            parts.append((index, g * slope))
            continue
        part = np.zeros(value.size)
        for entry in range(value.size):
            step = np.zeros(value.size)
            step[entry] = steps.reshape(-1)[entry]
            moved_by = step.reshape(value.shape)
            change = _difference(node, values, index, value, moved_by)
            part[entry] = np.sum(g * change) / (2 * step[entry])
        parts.append((index, part.reshape(value.shape)))
    return parts


def _difference(
    node: Node, values: Values, index: int, value: NDArray[Any], step: NDArray[Any]
) -> NDArray[Any]:
    """Return the change of an operation from -step to +step, to the fourth order."""
    with np.errstate(all="ignore"):
        near, far = (
            np.subtract(
                evaluate(node, Replaced(values, {index: value + times * step})),
                evaluate(node, Replaced(values, {index: value - times * step})),
                dtype=np.float64,
            )
            for times in (1, 2)
        )
    return np.asarray((8 * near - far) / 6)


def summed_to(g: NDArray[Any], shape: tuple[int, ...], first: int = 0) -> NDArray[Any]:
    """Sum `g` over the axes along which an operand of a shape was broadcast.

    The `first` leading axes of `g` are kept; they count several adjoints.
    """
    g = np.asarray(g)
    shape = (*g.shape[:first], *shape)
    if g.shape == shape:
        return g
    while g.ndim > len(shape):
        g = g.sum(axis=first)
    for axis, length in enumerate(shape):
        if length == 1 and g.shape[axis] != 1:
            g = g.sum(axis=axis, keepdims=True)
    return np.broadcast_to(g, shape) if g.shape != shape else g


class Replaced:
    """A view of values in which some are replaced."""

    __slots__ = ("replacements", "values")

    def __init__(self, values: Values, replacements: Mapping[int, Any]) -> None:
        self.values, self.replacements = values, replacements

    def __getitem__(self, index: int) -> Any:
        return self.replacements[index] if index in self.replacements else self.values[index]
