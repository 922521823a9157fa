"""Derivatives along a direction of what a tape gives, carried out again with its parameters moved.

No rule of an operation is needed for it, and central differences of the sixth order agree with the
derivative to nine digits or more. Of the adjoints of a loss they are its second derivatives: by
every value, and along the direction (Pearlmutter 1994, Fast exact multiplication by the Hessian).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from gradcheck.trace.adjoints.reverse import Adjoints, adjoints
from gradcheck.trace.record.nodes import Node, carried

Array = NDArray[np.float64]
Key = TypeVar("Key", bound=Hashable)

STEP = 3e-3
"""By how much an entry is moved, by its size."""

STENCIL = ((1, 3 / 4), (2, -3 / 20), (3, 1 / 60))
"""Fornberg 1988: the first derivative to the sixth order."""


def along(
    start: Array, direction: Array, made: Callable[[Array], Mapping[Key, Array]]
) -> dict[Key, Array]:
    """The derivatives of arrays that are made of one, by a step along a direction of that."""
    moving = direction != 0
    sizes = np.where(start == 0, 1.0, np.abs(start))[moving]
    step = STEP * float(np.min(sizes / np.abs(direction[moving])))
    total: dict[Key, Array] = {}
    for offset, weight in STENCIL:
        for sign in (1, -1):
            for key, value in made(start + sign * offset * step * direction).items():
                share = np.asarray(value) * (sign * weight / step)
                total[key] = total[key] + share if key in total else share
    return total


def second_adjoints(nodes: Sequence[Node], last: int, leaf: int, direction: Array) -> Adjoints:
    """The derivatives along a direction of a leaf of the adjoints of the last value of a tape."""
    known = [node.value for node in nodes]
    seed = {last: np.ones(known[last].shape)}

    def of_nodes(moved: Array) -> Mapping[int, Array]:
        return adjoints(nodes, _moved(moved), seed).of_nodes

    def of_edges(moved: Array) -> Mapping[tuple[int, int], Array]:
        return adjoints(nodes, _moved(moved), seed).of_edges

    def _moved(moved: Array) -> list[NDArray[np.float64]]:
        others = carried(nodes, known, {leaf: moved}, last)
        return [others.get(index, value) for index, value in enumerate(known)]

    return Adjoints(
        along(known[leaf], direction, of_nodes), along(known[leaf], direction, of_edges)
    )
