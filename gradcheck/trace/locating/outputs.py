"""The parts of the gradients that are judged: blocks, or what one statement wrote into them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.arrays import is_within
from gradcheck.trace.adjoints.operations import positions_through
from gradcheck.trace.adjoints.points import Point
from gradcheck.trace.adjoints.tangents import columns_of
from gradcheck.trace.record.graph import grouped
from gradcheck.trace.record.names import MOVES
from gradcheck.trace.record.nodes import OUTPUT, Node

PARTS = 40
"""Into how many parts a block is split at most."""

DEPTH = 200
"""How many movements of data are followed back."""


@dataclass(frozen=True)
class Output:
    """A part of a block's gradient.

    Attributes:
        name: of the part.
        block: the name of the block.
        node: the index of the block's gradient.
        entries: the flat positions of the part in it, or None for all.
        true: what they should be, by point.
        scale: the largest entry of the block's true gradient, by point.
        tolerance: the largest error, relative to that, of what is right.
    """

    name: str
    block: str
    node: int
    entries: NDArray[np.intp] | None
    true: tuple[NDArray[Any], ...]
    scale: tuple[float, ...]
    tolerance: float

    def part(self, value: NDArray[Any]) -> NDArray[Any]:
        """The part's entries in the gradient of the block."""
        value = np.asarray(value, dtype=np.float64)
        if self.entries is None:
            return value
        flat = value.reshape(-1)
        return flat[self.entries] if flat.size > self.entries.max() else flat

    def is_right(self, point: int, value: NDArray[Any]) -> bool:
        """Whether the gradient of the block is right in this part."""
        return self.agrees(point, self.part(value))

    def agrees(self, point: int, part: NDArray[Any]) -> bool:
        """Whether the entries of the part are right."""
        true = self.true[point]
        if part.shape != true.shape:
            return False
        return is_within(part, true, self.tolerance * self.scale[point])


def outputs_of(points: Sequence[Point], tolerance: float) -> tuple[Output, ...]:
    """The outputs, from the gradients at all points."""
    first = points[0]
    found = []
    for block, node in first.outputs.items():
        if block not in first.true:
            continue
        true = [point.true[block] for point in points]
        scale = tuple(max(float(np.max(np.abs(one), initial=0.0)), 1e-9) for one in true)
        parts = _parts(first.nodes, node, true[0].shape)
        for number, entries in enumerate(parts):
            name = block if entries is None else f"{block}#{number}"
            picked = true if entries is None else [one.reshape(-1)[entries] for one in true]
            found.append(Output(name, block, node, entries, tuple(picked), scale, tolerance))
    for block, matrix, column, known in columns_of(points):
        rows, width = first.nodes[matrix].value.shape
        scale = tuple(max(float(np.max(np.abs(one), initial=0.0)), 1e-9) for one in known)
        entries = np.arange(rows) * width + column
        found.append(Output(f"{block}#", block, matrix, entries, known, scale, tolerance))
    return tuple(found)


def _parts(
    nodes: Sequence[Node], node: int, shape: tuple[int, ...]
) -> list[NDArray[np.intp] | None]:
    """The entries that one statement wrote together, for each such statement."""
    if nodes[node].value.shape != shape:
        return [None]
    sources = provenance(nodes, node)
    groups = grouped((nodes[source].chain, source) for source in np.unique(sources).tolist())
    if not 1 < len(groups) <= PARTS:
        return [None]
    parts = [np.flatnonzero(np.isin(sources, found)) for found in groups.values()]
    return [*sorted(parts, key=lambda entries: int(entries[0]))]


def provenance(nodes: Sequence[Node], node: int) -> NDArray[np.intp]:
    """For every entry of a node the index of the node that it was moved from unchanged.

    The gradient that an update implies is the updated parameters, entry by entry.
    """
    entries = np.arange(nodes[node].value.size)
    found = np.full(entries.size, node)
    pending = [(node, entries, entries, 0)]
    while pending:
        index, wanted, targets, depth = pending.pop()
        found[targets] = index
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
    return found
