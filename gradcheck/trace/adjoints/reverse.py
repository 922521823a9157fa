"""Reverse mode: the adjoints of all values of a tape."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.arrays import wide
from gradcheck.trace.adjoints.movements import Movements
from gradcheck.trace.adjoints.operations import contributions
from gradcheck.trace.record.graph import grouped
from gradcheck.trace.record.nodes import Node

Edge = tuple[int, int]
"""A use of a value: the index of the operation, and that of its operand."""


@dataclass(frozen=True)
class Adjoints:
    """The derivatives of a number by the values of a tape.

    Attributes:
        of_nodes: by index of the value, in its shape; only of values that the number depends on.
        of_edges: by use of a value, the contribution of this use to its adjoint.
    """

    of_nodes: Mapping[int, NDArray[Any]]
    of_edges: Mapping[Edge, NDArray[Any]]

    @cached_property
    def users(self) -> dict[int, list[int]]:
        """By index of a value, the operations that contribute to its adjoint."""
        return grouped((operand, user) for user, operand in self.of_edges)


@np.errstate(all="ignore")
def adjoints(
    nodes: Sequence[Node],
    values: Sequence[NDArray[Any]],
    seeds: Mapping[int, NDArray[Any]],
    fixed: Container[int | Edge] = (),
    movements: Movements | None = None,
    within: Container[int] | None = None,
    several: bool = False,
) -> Adjoints:
    """Propagate adjoints from some values back to all values that they depend on.

    Args:
        nodes: the tape.
        values: by index.
        seeds: the adjoints to start from, by index.
        fixed: values and uses that are held constant: nothing is propagated through them.
        movements: a cache of the origins of moved entries, by node; new ones are added.
        within: the operations to propagate through; all if None.
        several: if True, seeds and results hold the adjoints of several numbers along a first axis.
    """
    reached: dict[int, NDArray[Any]] = {index: wide(seed) for index, seed in seeds.items()}
    uses: dict[Edge, NDArray[Any]] = {}
    for index in range(max(seeds), -1, -1):
        g = reached.get(index)
        node = nodes[index]
        if g is None or node.function is None or not node.operands or not node.is_float:
            continue
        if index in fixed or (within is not None and index not in within):
            continue
        if movements is not None and not g.any():
            continue
        for operand, part in contributions(node, values[index], values, g, movements, several):
            edge = (index, operand)
            uses[edge] = uses[edge] + part if edge in uses else part
            if edge not in fixed:
                reached[operand] = reached[operand] + part if operand in reached else part
    return Adjoints(reached, uses)
