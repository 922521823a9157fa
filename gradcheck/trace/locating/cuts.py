"""Gradients that are clipped before they are returned, with or without a fault above the clip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.arrays import is_within
from gradcheck.trace.adjoints.points import Point
from gradcheck.trace.record.graph import before_moves, evaluate
from gradcheck.trace.record.names import CUTS
from gradcheck.trace.record.nodes import OUTPUT, Node, Reference


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
    cuts = {name: _cut_above(points[0], name, tolerance) for name in wrong}
    above = {name: cut for name, cut in cuts.items() if cut is not None}
    return [_without_cuts(point, above) for point in points] if above else list(points)


def _without_cuts(point: Point, above: Mapping[str, tuple[int, int]]) -> Point:
    """Return the point with cuts that hand on what they are given, and are the outputs."""
    nodes = list(point.nodes)
    for cut, operand in above.values():
        handed_on = replace(nodes[cut], name=OUTPUT, function=np.asarray, keywords={})
        given, value = (Reference(operand),), nodes[operand].value
        nodes[cut] = replace(handed_on, arguments=given, operands=(operand,), value=value)
    moved = {name: cut for name, (cut, _) in above.items()}
    return replace(point, nodes=nodes, outputs={**point.outputs, **moved})


def _cut_above(point: Point, name: str, tolerance: float) -> tuple[int, int] | None:
    """Return the clip of a block's gradient and what it clips, if a fault lies above that."""
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
            return cut.index, operand
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
