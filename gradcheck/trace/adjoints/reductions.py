"""The derivatives of reductions (sum, mean, max, variance, ...) over any axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.arrays import wide
from gradcheck.trace.adjoints.differences import Contributions
from gradcheck.trace.record.graph import resolve
from gradcheck.trace.record.nodes import Node, Reference

Array = NDArray[Any]
Axes = tuple[int, ...]
Share = Callable[[Array, Array, Axes, Node], Array]


def _axes(node: Node, values: Any, ndim: int, default: Any) -> Axes:
    axis = node.keywords.get("axis", node.arguments[1] if len(node.arguments) > 1 else default)
    axis = resolve(axis, values)
    if axis is None:
        return tuple(range(ndim))
    axes = axis if isinstance(axis, tuple | list) else (axis,)
    return tuple(int(axis) % ndim for axis in axes) if ndim else ()


def reduction(share: Share, default_axis: Any = None) -> Callable[..., Contributions | None]:
    """Make a rule from the derivatives of a reduction by the entries of its operand.

    `share` computes these from the operand, the result with the reduced axes kept at length 1, the
    reduced axes, and the node. `default_axis` is the function's own default.
    """

    def rule(node: Node, out: Array, values: Any, g: Array) -> Contributions | None:
        first = node.arguments[0] if node.arguments else None
        if not isinstance(first, Reference) or "where" in node.keywords:
            return None
        operand = values[first.index]
        if operand.dtype.kind not in "fc":
            return []
        operand = wide(operand)
        axes = _axes(node, values, operand.ndim, default_axis)
        shape = [1 if axis in axes else length for axis, length in enumerate(operand.shape)]
        slopes = share(operand, wide(out).reshape(shape), axes, node)
        part = np.broadcast_to(np.asarray(g).reshape(shape) * slopes, operand.shape)
        return [(first.index, np.array(part))]

    return rule


def _count(operand: Array, axes: Axes) -> int:
    return int(np.prod([operand.shape[axis] for axis in axes], dtype=int))


def _of_extreme(operand: Array, out: Array, axes: Axes, node: Node) -> Array:
    at = (operand == out).astype(np.float64)
    return np.asarray(at / np.maximum(at.sum(axis=axes, keepdims=True), 1))


def _of_variance(operand: Array, out: Array, axes: Axes, node: Node) -> Array:
    ddof = node.keywords.get("ddof", node.keywords.get("correction", 0))
    centred = operand - operand.mean(axis=axes, keepdims=True)
    return np.asarray(2 * centred / (_count(operand, axes) - ddof))


def _of_deviation(operand: Array, out: Array, axes: Axes, node: Node) -> Array:
    return np.asarray(_of_variance(operand, out, axes, node) / (2 * out))


def _of_product(operand: Array, out: Array, axes: Axes, node: Node) -> Array:
    return np.asarray(out / operand)


_SUM = reduction(lambda operand, out, axes, node: np.ones(()))
_EXTREME = reduction(_of_extreme)

REDUCTIONS: dict[str, Callable[..., Contributions | None]] = {
    "sum": _SUM,
    "add.reduce": reduction(lambda operand, out, axes, node: np.ones(()), 0),
    "mean": reduction(lambda operand, out, axes, node: np.array(1 / _count(operand, axes))),
    "max": _EXTREME,
    "min": _EXTREME,
    "amax": _EXTREME,
    "amin": _EXTREME,
    "maximum.reduce": reduction(_of_extreme, 0),
    "minimum.reduce": reduction(_of_extreme, 0),
    "var": reduction(_of_variance),
    "std": reduction(_of_deviation),
    "prod": reduction(_of_product),
}
