"""What reaches the operands of an operation: by differences of it, where no rule tells."""

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
"""What reaches each operand: its index, and an array of its shape."""

STEP = 2e-4
"""The step of the differences of a single operation, relative to the operand's entries."""


def differenced(node: Node, values: Values, g: NDArray[Any]) -> Contributions:
    """The contributions by central differences of the single operation."""
    found: Contributions = []
    for index in node.operands:
        value = np.asarray(values[index])
        if value.dtype.kind != "f" or not value.size:
            continue
        value = value.astype(np.float64)
        steps = STEP * np.maximum(1.0, np.abs(value))
        if isinstance(node.function, np.ufunc) and value.shape == np.shape(g):
            slope = _difference(node, values, index, value, steps) / (2 * steps)
            found.append((index, g * slope))
            continue
        part = np.zeros(value.size)
        for entry in range(value.size):
            step = np.zeros(value.size)
            step[entry] = steps.reshape(-1)[entry]
            moved_by = step.reshape(value.shape)
            change = _difference(node, values, index, value, moved_by)
            part[entry] = np.sum(g * change) / (2 * step[entry])
        found.append((index, part.reshape(value.shape)))
    return found


def _difference(
    node: Node, values: Values, index: int, value: NDArray[Any], step: NDArray[Any]
) -> NDArray[Any]:
    """What an operation changes by over two steps, to the fourth order."""
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
    """The sum over the axes along which an operand of that shape was broadcast.

    So many first axes of `g` come before these.
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
    """Values of which some are others."""

    __slots__ = ("others", "values")

    def __init__(self, values: Values, others: Mapping[int, Any]) -> None:
        self.values, self.others = values, others

    def __getitem__(self, index: int) -> Any:
        return self.others[index] if index in self.others else self.values[index]
