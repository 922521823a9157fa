"""A value on the way to what raised that has the numbers of a derivative, in another shape."""

from __future__ import annotations

import ast
from collections.abc import Sequence, Set
from itertools import product
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.arrays import proportion, without_units
from gradcheck.trace.adjoints.quantities import ADJOINT, Quantity
from gradcheck.trace.causes.compared import Followed, same
from gradcheck.trace.causes.kinds import named
from gradcheck.trace.record.nodes import RAISED, Node
from gradcheck.trace.record.sources import parsed

ADDING = (f"{RAISED} add", f"{RAISED} subtract")
"""Operations of which one operand may be the gradient of the other, as in an update."""

FEW = 2
"""Of so few numbers, any other is about a multiple."""


def in_another_shape(search: Followed, failed: Node) -> tuple[int, str, str] | None:
    """Return a value on the way to what failed that only lacks its shape; what to add, its name.

    It has the numbers of a derivative of the loss, also as their transpose where another operand
    has their shape, or as terms that add up to them; or but for axes of length 1 the shape of what
    the failed operation adds to in place, such as a parameter: the sum for a bias that keeps axes.
    It is looked for in what failed and in what that is made of, as far as the size is the same and
    no derivative is reached.
    """
    nodes, found = search.points[0].nodes, None
    into = nodes[failed.operands[0]].value.shape if adds_in_place(failed) else ()
    for index in failed.operands:
        others = {nodes[other].value.shape for other in failed.operands if other != index}
        flat = None if nodes[index].is_leaf else _reshaped(search, index)
        if flat is not None and flat.values[0].shape in others:  # or another derivative has them
            found = index, f".reshape{flat.values[0].shape}", named([flat], search.words)
        wide = others if failed.name in ADDING else set()
        found = _summed(search, index, wide) or found
        while index >= 0 and not (nodes[index].is_leaf or _is_derivative(search, index)):
            shape = nodes[index].value.shape
            right = _reshaped(search, index)
            turned = _reshaped(search, index, is_turned=True) if shape[::-1] in others else None
            if right is not None:
                found = index, f".reshape{right.values[0].shape}", named([right], search.words)
            elif turned is not None:
                found = index, ".T", named([turned], search.words)
            elif summed := _summed(search, index, wide):
                found = summed
            elif shape != into and without_units(shape, into):
                found = index, f".reshape{into}", ""
            alike = [one for one in nodes[index].operands if nodes[one].value.size == prod(shape)]
            index = alike[0] if len(alike) == 1 else -1
    return found


def _summed(
    search: Followed, index: int, others: Set[tuple[int, ...]]
) -> tuple[int, str, str] | None:
    """Return a value whose sum over an axis is the derivative that another operand asks for."""
    values = [point.nodes[index].value for point in search.points]
    is_float = search.points[0].nodes[index].is_float
    axes = [axis for axis, length in enumerate(values[0].shape) if is_float and length > 1]
    for axis, keeps in product(axes, (False, True)):
        sums = [value.sum(axis=axis, keepdims=keeps) for value in values]
        for one in search.known.of_kind(ADJOINT) if sums[0].shape in others else ():
            if is_multiple(sums, one.values):
                kept = ", keepdims=True" * keeps
                return index, f".sum(axis={axis}{kept})", named([one], search.words)
    return None


def adds_in_place(node: Node) -> bool:
    """Whether an operation is one of `+=` and its kin."""
    return any(isinstance(one, ast.AugAssign) for one in parsed(node.source).body)


def _is_derivative(search: Followed, index: int) -> bool:
    """Whether a value is a derivative of the loss, in the shape of that."""
    values = [point.nodes[index].value for point in search.points]
    explained = search.known.explaining(values) if np.any(values[0]) else ()
    return any(one.kind == ADJOINT and one.values[0].shape == values[0].shape for one in explained)


def _reshaped(search: Followed, index: int, is_turned: bool = False) -> Quantity | None:
    """Return the derivative whose numbers a value, or its transpose, has in another shape."""
    values = [point.nodes[index].value for point in search.points]
    if is_turned:
        values = [value.T for value in values]
    for one in search.known.of_kind(ADJOINT) if values[0].size > 1 else ():
        wanted = one.values
        is_other = (wanted[0].shape != values[0].shape) != is_turned
        if wanted[0].size == values[0].size and is_other:
            flat = [value.reshape(right.shape) for value, right in zip(values, wanted, strict=True)]
            if same(flat, wanted) or is_multiple(flat, wanted):
                return one
    return None


def is_multiple(values: Sequence[NDArray[Any]], wanted: Sequence[NDArray[Any]]) -> bool:
    """Whether values are a derivative up to a factor, such as a batch that is divided by later."""
    fits = sum(value.size for value in values) > FEW and values[0].shape == wanted[0].shape
    factor = proportion(values, wanted) if fits else None
    return factor is not None and factor > 0
