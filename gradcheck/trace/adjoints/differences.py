"""Contributions to the operands of an operation without a rule, by central differences."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.arrays import wide
from gradcheck.trace.record.distributions import DENSITIES
from gradcheck.trace.record.graph import evaluate
from gradcheck.trace.record.nodes import Node

Values = Any
"""The values of nodes, by index."""

Contributions = list[tuple[int, NDArray[Any]]]
"""For each operand, its index and the contribution to its adjoint, in its shape."""

STEP = 2e-4
"""The step of the differences of a single operation, relative to the operand's entries."""


def differenced(node: Node, values: Values, g: NDArray[Any]) -> Contributions:
    """Return the contributions to all float operands by central differences of the operation.

    The adjoint of a complex operand has one part for each direction in which it can move.
    """
    parts: Contributions = []
    for index in node.operands:
        value = np.asarray(values[index])
        if value.dtype.kind not in "fc" or not value.size:
            continue
        directions = (1,) if value.dtype.kind == "f" else (1, 1j)
        by_direction = [one * _along(node, values, index, g, one) for one in directions]
        parts.append((index, np.asarray(sum(by_direction))))
    return parts


def _along(
    node: Node, values: Values, index: int, g: NDArray[Any], direction: complex
) -> NDArray[np.float64]:
    """Return the derivatives by the entries of an operand in a direction, 1 or 1j."""
    value = wide(values[index])
    steps = STEP * np.maximum(1.0, np.abs(value))
    is_by_entry = isinstance(node.function, np.ufunc) or node.operation in DENSITIES
    if is_by_entry and value.shape == np.shape(g):
        change = _difference(node, values, index, value, steps * direction)
        return np.asarray(np.real(np.conj(g) * change) / (2 * steps))
    part = np.zeros(value.size)
    for entry in range(value.size):
        step = np.zeros(value.size)
        step[entry] = steps.reshape(-1)[entry]
        moved_by = step.reshape(value.shape) * direction
        change = _difference(node, values, index, value, moved_by)
        part[entry] = np.sum(np.real(np.conj(g) * change)) / (2 * step[entry])
    return part.reshape(value.shape)


def _difference(
    node: Node, values: Values, index: int, value: NDArray[Any], step: NDArray[Any]
) -> NDArray[Any]:
    """Return the change of an operation from -step to +step, to the fourth order."""
    with np.errstate(all="ignore"):
        near, far = (
            wide(evaluate(node, Replaced(values, {index: value + times * step})))
            - evaluate(node, Replaced(values, {index: value - times * step}))
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


def each(
    rule: Callable[[NDArray[Any]], Contributions], g: NDArray[Any], several: bool
) -> Contributions:
    """Apply a rule for one adjoint to `g`, or to each of several along its first axis."""
    if not several:
        return rule(g)
    return [
        (parts[0][0], parts[0][1][None] if len(g) == 1 else np.array([part for _, part in parts]))
        for parts in zip(*map(rule, g), strict=True)
    ]


class Replaced:
    """A view of values in which some are replaced."""

    __slots__ = ("replacements", "values")

    def __init__(self, values: Values, replacements: Mapping[int, Any]) -> None:
        self.values, self.replacements = values, replacements

    def __getitem__(self, index: int) -> Any:
        return self.replacements[index] if index in self.replacements else self.values[index]
