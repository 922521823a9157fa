"""Gradients that are clipped before they are returned, with or without a fault above the clip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.arrays import is_within
from gradcheck.trace.adjoints.points import Point
from gradcheck.trace.record.graph import before_moves, evaluate
from gradcheck.trace.record.names import CUTS
from gradcheck.trace.record.nodes import Node, Reference


def cut_at(nodes: Sequence[Node], output: int) -> Node | None:
    """Return the operation that cuts a gradient off just before it is returned, if one does."""
    node = nodes[before_moves(nodes, output)]
    return node if node.operation in CUTS else None


def before_clips(points: Sequence[Point], wrong: Sequence[str], tolerance: float) -> list[Point]:
    """Return the points with gradients taken before their clip where a fault lies above it.

    A fault lies above if the clip of the right gradient is not what is returned. Where right
    entries are beyond the bound, no replacement above makes the clipped gradient right; where none
    are, the clip, which is not linear, only hides what a replacement does.
    """
    above = {name: _above(points[0], name, tolerance) for name in wrong}
    moved = {name: operand for name, operand in above.items() if operand is not None}
    if not moved:
        return list(points)
    return [replace(point, outputs={**point.outputs, **moved}) for point in points]


def _above(point: Point, name: str, tolerance: float) -> int | None:
    """Return the gradient of a block before its clip, if a fault lies above that."""
    cut = cut_at(point.nodes, point.outputs[name]) if name in point.outputs else None
    if cut is None or _is_at_zero(cut):
        return None
    true = point.true[name]
    allowed = tolerance * float(np.max(np.abs(true), initial=0.0))
    for operand in cut.operands:
        if point.nodes[operand].value.shape != true.shape:
            continue
        clipped = _clipped(point, cut, operand, true)
        is_telling = len(cut.operands) == 1 or not is_within(clipped, true, allowed)
        if is_telling and not is_within(clipped, cut.value, allowed):
            return operand
    return None


def _is_at_zero(cut: Node) -> bool:
    """True if one sign is cut off, as an activation does; that is no bound of a gradient."""
    numbers = (one for one in cut.arguments if not isinstance(one, Reference))
    return any(np.ndim(one) == 0 and one == 0 for one in numbers)


def _clipped(point: Point, cut: Node, operand: int, true: NDArray[Any]) -> NDArray[Any]:
    """Return what an operation makes of the right gradient."""
    values = [node.value for node in point.nodes]
    values[operand] = true
    return evaluate(cut, values)
