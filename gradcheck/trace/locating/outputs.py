"""The outputs of a gradient that are judged: blocks, or parts that one statement wrote."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.arrays import is_within, wide, without_units
from gradcheck.trace.adjoints.movements import positions_through
from gradcheck.trace.adjoints.points import Point
from gradcheck.trace.adjoints.tangents import columns_of
from gradcheck.trace.record.graph import grouped
from gradcheck.trace.record.names import MOVES
from gradcheck.trace.record.nodes import OUTPUT, Node

PARTS = 40
"""A block is not split into more parts than this."""

LITTLE, NOTHING = 1e-6, 1e-9
"""Relative to the largest entry of all: a block's least scale, and a right gradient that is 0.

Such is that of a bias before a normalisation: it holds the rounding of the others.
"""

DEPTH = 200
"""The number of movements of data that are followed back."""


@dataclass(frozen=True)
class Output:
    """A part of a block's gradient.

    Attributes:
        name: the name of the part.
        block: the name of the block.
        node: the index of the block's gradient on the tape.
        entries: the flat positions of the part in the gradient, or None for all.
        true: the right entries, by point.
        scale: the largest entry of the block's right gradient, by point.
        is_nothing: whether the right gradient is 0.
        tolerance: the largest error of right entries, relative to `scale`.
    """

    name: str
    block: str
    node: int
    entries: NDArray[np.intp] | None
    true: tuple[NDArray[Any], ...]
    scale: tuple[float, ...]
    tolerance: float
    is_nothing: bool = False

    def part(self, value: NDArray[Any]) -> NDArray[Any]:
        """Return the entries of this part from the gradient of the block.

        A row or column in place of a flat vector, or the other way round, has them, too.
        """
        value = wide(value)
        if self.entries is None:
            shape = self.true[0].shape
            return value.reshape(shape) if without_units(value.shape, shape) else value
        flat = value.reshape(-1)
        return flat[self.entries] if flat.size > self.entries.max() else flat

    def has_shape(self, value: NDArray[Any]) -> bool:
        """True unless the gradient of the block is a row, say, where a flat vector belongs."""
        shape = self.true[0].shape
        return self.entries is not None or not shape or np.shape(value) == shape

    def is_right(self, point: int, value: NDArray[Any]) -> bool:
        """True if the entries of the gradient of the block are right in this part."""
        return self.agrees(point, self.part(value))

    def agrees(self, point: int, part: NDArray[Any]) -> bool:
        """True if the entries of the part are right."""
        true = self.true[point]
        if part.shape != true.shape:
            return False
        return is_within(part, true, self.tolerance * self.scale[point])


def outputs_of(points: Sequence[Point], tolerance: float) -> tuple[Output, ...]:
    """Return the outputs of the gradients at all points."""
    first = points[0]
    outputs = []
    largest = [_largest(point.true.values()) for point in points]
    for block, node in first.outputs.items():
        if block not in first.true:
            continue
        true = [point.true[block] for point in points]
        scale = _scales(true, largest)
        nothing = all(
            _largest([one]) <= NOTHING * most for one, most in zip(true, largest, strict=True)
        )
        parts = _parts(first.nodes, node, true[0].shape)
        for number, entries in enumerate(parts):
            name = block if entries is None else f"{block}#{number}"
            part = true if entries is None else [value.reshape(-1)[entries] for value in true]
            output = Output(name, block, node, entries, tuple(part), scale, tolerance, nothing)
            outputs.append(output)
    for block, matrix, column, known in columns_of(points):
        rows, width = first.nodes[matrix].value.shape
        entries = np.arange(rows) * width + column
        scale = _scales(known, largest)
        outputs.append(Output(f"{block}#", block, matrix, entries, known, scale, tolerance))
    return tuple(outputs)


def _largest(arrays: Iterable[NDArray[Any]]) -> float:
    return max((float(np.max(np.abs(one), initial=0.0)) for one in arrays), default=0.0)


def _scales(values: Sequence[NDArray[Any]], largest: Sequence[float]) -> tuple[float, ...]:
    pairs = zip(values, largest, strict=True)
    return tuple(max(_largest([value]), LITTLE * most, NOTHING) for value, most in pairs)


def _parts(
    nodes: Sequence[Node], node: int, shape: tuple[int, ...]
) -> list[NDArray[np.intp] | None]:
    """Split a gradient by the statements that wrote its entries; [None] if it is one part."""
    if nodes[node].value.shape != shape:
        return [None]
    sources = provenance(nodes, node)
    groups = grouped((nodes[source].chain, source) for source in np.unique(sources).tolist())
    if not 1 < len(groups) <= PARTS:
        return [None]
    parts = [np.flatnonzero(np.isin(sources, written)) for written in groups.values()]
    return [*sorted(parts, key=lambda entries: int(entries[0]))]


def provenance(nodes: Sequence[Node], node: int) -> NDArray[np.intp]:
    """Return for each entry of a node the index of the node that computed it.

    Movements of data are undone. The gradient implied by an update, a difference divided by the
    rate that gradcheck computes, counts as moved from the updated parameters.
    """
    entries = np.arange(nodes[node].value.size)
    origins = np.full(entries.size, node)
    pending = [(node, entries, entries, 0)]
    while pending:
        index, wanted, targets, depth = pending.pop()
        origins[targets] = index
        made = nodes[index]
        if depth > DEPTH or made.function is None or not made.is_float:
            continue
        if made.name == OUTPUT:
            pending.append((made.operands[0], wanted, targets, depth + 1))
            continue
        if not made.chain and made.operation in ("subtract", "divide"):
            if nodes[max(made.operands)].value.shape == made.value.shape:
                pending.append((max(made.operands), wanted, targets, depth + 1))
            continue
        if made.operation not in MOVES:
            continue
        values = {operand: nodes[operand].value for operand in made.operands}
        positions, starts = positions_through(made, values)
        if positions is None or positions.size != made.value.size:
            continue
        numbers = positions.reshape(-1)[wanted]
        for operand, start in starts:
            inside = (numbers >= start) & (numbers < start + nodes[operand].value.size)
            if inside.any():
                pending.append((operand, numbers[inside] - start, targets[inside], depth + 1))
    return origins
