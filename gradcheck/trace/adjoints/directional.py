"""Directional derivatives of a tape, by central differences of runs with moved parameters.

Differences of the sixth order need no rule for any operation, and agree with the derivative to nine
digits or more. Applied to the adjoints of a loss they give its second derivatives along the
direction (Pearlmutter 1994, Fast exact multiplication by the Hessian).
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
"""The step, relative to the size of an entry."""

STENCIL = ((1, 3 / 4), (2, -3 / 20), (3, 1 / 60))
"""Offsets and weights of the first derivative to the sixth order (Fornberg 1988)."""

SAME = 1e-6
"""The relative tolerance for second derivatives to be the same along two directions."""


def along(
    start: Array, direction: Array, made: Callable[[Array], Mapping[Key, Array]]
) -> dict[Key, Array]:
    """Return the directional derivatives, by key, of the arrays that `made` computes at `start`."""
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
    """Return the derivatives of the adjoints of `last` along a direction of the value `index`."""
    present = [node.value for node in nodes]
    seed = {last: np.ones(present[last].shape)}

    def made(moved: Array) -> dict[Any, Array]:
        changed = carried(nodes, present, {index: moved}, last)
        values = [changed.get(number, value) for number, value in enumerate(present)]
        first = adjoints(nodes, values, seed)
        return {**dict(first.of_nodes), **dict(first.of_edges)}

    second = along(present[index], direction, made)
    edges = {key: value for key, value in second.items() if isinstance(key, tuple)}
    return Adjoints({key: second[key] for key in second if isinstance(key, int)}, edges)


def bend_of(nodes: Sequence[Node], last: int, index: int) -> Array | None:
    """Return the diagonal of the Hessian of `last` by a value; None if there are other entries."""
    rng = np.random.default_rng(0)
    quotients = []
    for _ in range(2):
        direction = rng.uniform(0.5, 1.5, nodes[index].value.shape)
        second = second_adjoints(nodes, last, index, direction).of_nodes.get(index)
        if second is None:
            return None
        quotients.append(second / direction)
    one, other = quotients
    scale = float(np.max(np.abs(one), initial=0.0))
    return one if np.allclose(one, other, rtol=0, atol=SAME * scale) else None
