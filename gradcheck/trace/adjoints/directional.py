"""Derivatives along a direction of what a tape gives, carried out again with its parameters moved.

No rule of an operation is needed for it, and central differences of the sixth order agree with the
derivative to nine digits or more. Of the adjoints of a loss they are its second derivatives: by
every value, and along the direction (Pearlmutter 1994, Fast exact multiplication by the Hessian).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from gradcheck.trace.adjoints.reverse import Adjoints, adjoints
from gradcheck.trace.record.graph import carried
from gradcheck.trace.record.nodes import Node

Array = NDArray[np.float64]
Key = TypeVar("Key", bound=Hashable)

STEP = 3e-3
"""By how much an entry is moved, by its size."""

STENCIL = ((1, 3 / 4), (2, -3 / 20), (3, 1 / 60))
"""Fornberg 1988: the first derivative to the sixth order."""

SAME = 1e-6
"""Along two directions, entries are bent by the same if they differ by so much of the largest."""


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


def second_adjoints(nodes: Sequence[Node], last: int, index: int, direction: Array) -> Adjoints:
    """The derivatives of the adjoints of the last value of a tape, along a direction of a value."""
    known = [node.value for node in nodes]
    seed = {last: np.ones(known[last].shape)}

    def made(moved: Array) -> dict[Any, Array]:
        others = carried(nodes, known, {index: moved}, last)
        values = [others.get(number, value) for number, value in enumerate(known)]
        first = adjoints(nodes, values, seed)
        return {**dict(first.of_nodes), **dict(first.of_edges)}

    found = along(known[index], direction, made)
    edges = {key: value for key, value in found.items() if isinstance(key, tuple)}
    return Adjoints({key: found[key] for key in found if isinstance(key, int)}, edges)


def bend_of(nodes: Sequence[Node], last: int, index: int) -> Array | None:
    """The second derivatives of the last value by each entry of one, where no mixed ones are."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(2):
        direction = rng.uniform(0.5, 1.5, nodes[index].value.shape)
        second = second_adjoints(nodes, last, index, direction).of_nodes.get(index)
        if second is None:
            return None
        found.append(second / direction)
    scale = float(np.max(np.abs(found[0]), initial=0.0))
    return found[0] if np.allclose(found[0], found[1], rtol=0, atol=SAME * scale) else None
