"""The derivatives of matrix products and of other functions that are linear in each operand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.arrays import wide
from gradcheck.trace.adjoints.differences import Contributions, summed_to
from gradcheck.trace.record.graph import resolve
from gradcheck.trace.record.nodes import Node, Reference


def _two(rule: Callable[..., tuple[Any, Any] | None]) -> Callable[..., Contributions | None]:
    """Make a rule for two operands from a function of the adjoint and both operands."""

    def applied(
        node: Node, out: NDArray[Any], values: Any, g: NDArray[Any]
    ) -> Contributions | None:
        if len(node.arguments) != 2 or node.keywords:
            return None
        operands = [np.asarray(resolve(item, values)) for item in node.arguments]
        if any(operand.dtype.kind not in "fciub" for operand in operands):
            return []
        a, b = map(wide, operands)
        parts = rule(np.asarray(g), a, b)
        if parts is None:
            return None
        return [
            (item.index, np.asarray(part).reshape(operand.shape))
            for item, part, operand in zip(node.arguments, parts, operands, strict=True)
            if isinstance(item, Reference) and operand.dtype.kind in "fc"
        ]

    return applied


def _matmul(g: Any, a: Any, b: Any) -> tuple[Any, Any] | None:
    if a.ndim == 0 or b.ndim == 0:
        return np.sum(g * b) if a.ndim == 0 else g * b, np.sum(g * a) if b.ndim == 0 else g * a
    left = a.reshape(1, -1) if a.ndim == 1 else a
    right = b.reshape(-1, 1) if b.ndim == 1 else b
    if left.ndim > 2 or right.ndim > 2:
        return _stacked(g, a, b, left, right)
    g = g.reshape(left.shape[0], right.shape[1])
    return g @ right.T, left.T @ g


def _stacked(g: Any, a: Any, b: Any, left: Any, right: Any) -> tuple[Any, Any]:
    """Return both parts for stacks of matrices, which may be broadcast."""
    stack = np.broadcast_shapes(left.shape[:-2], right.shape[:-2])
    g = g.reshape(*stack, left.shape[-2], right.shape[-1])
    da = g @ np.swapaxes(right, -1, -2)
    db = np.swapaxes(left, -1, -2) @ g
    return summed_to(da, left.shape), summed_to(db, right.shape)


def _outer(g: Any, a: Any, b: Any) -> tuple[Any, Any]:
    return g @ b.reshape(-1), g.T @ a.reshape(-1)


def _inner(g: Any, a: Any, b: Any) -> tuple[Any, Any] | None:
    if a.ndim == b.ndim == 1:
        return g * b, g * a
    return (g @ b, g.T @ a) if a.ndim == b.ndim == 2 else None


def _einsum(node: Node, out: NDArray[Any], values: Any, g: NDArray[Any]) -> Contributions | None:
    """The rule of `einsum`: an operand's part is the einsum of `g` with the other operands.

    Applies to explicit subscripts (`->`) without an ellipsis or a letter repeated in one operand.
    """
    subscripts = node.arguments[0]
    if not isinstance(subscripts, str) or "->" not in subscripts or "." in subscripts:
        return None
    inputs, _, output = subscripts.replace(" ", "").partition("->")
    letters = inputs.split(",")
    if any(len(set(indices)) != len(indices) for indices in letters):
        return None
    operands = [wide(resolve(item, values)) for item in node.arguments[1:]]
    parts: Contributions = []
    for position, item in enumerate(node.arguments[1:]):
        if not isinstance(item, Reference) or values[item.index].dtype.kind not in "fc":
            continue
        others = [*letters[:position], *letters[position + 1 :]]
        rest = [*operands[:position], *operands[position + 1 :]]
        own = letters[position]
        present = set(output) | set("".join(others))  # along other letters the part is constant
        kept = "".join(letter for letter in own if letter in present)
        part = np.einsum(f"{','.join([output, *others])}->{kept}", g, *rest)
        lengths = dict(zip(own, operands[position].shape, strict=True))
        shape = [lengths[letter] if letter in present else 1 for letter in own]
        parts.append(
            (item.index, np.array(np.broadcast_to(part.reshape(shape), tuple(lengths.values()))))
        )
    return parts


PRODUCTS: dict[str, Callable[..., Contributions | None]] = {
    "matmul": _two(_matmul),
    "dot": _two(lambda g, a, b: _matmul(g, a, b) if max(a.ndim, b.ndim) <= 2 else None),
    "outer": _two(_outer),
    "multiply.outer": _two(lambda g, a, b: _outer(g, a, b) if a.ndim == b.ndim == 1 else None),
    "inner": _two(_inner),
    "vdot": _two(lambda g, a, b: (g * b.reshape(a.shape), g * a.reshape(b.shape))),
    "einsum": _einsum,
}
