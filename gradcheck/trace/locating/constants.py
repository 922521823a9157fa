"""Which constants somebody can have meant."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.arrays import as_flat
from gradcheck.trace.adjoints.points import Point
from gradcheck.trace.record.nodes import Node


def in_a_row(values: Sequence[NDArray[Any]]) -> NDArray[np.float64]:
    """The numbers of arrays one after the other."""
    flat = [as_flat(value) for value in values]
    return flat[0] if len(flat) == 1 else np.concatenate(flat)


def in_rows(values: Sequence[NDArray[Any]]) -> NDArray[np.float64]:
    """The numbers of arrays of one size, those of each in a row of its own."""
    return as_flat(values[0])[None] if len(values) == 1 else np.array([*map(as_flat, values)])


MOST = 80
"""Of more numbers some two make almost anything."""

POWERS = (-2, -1, 1, 2)

CLOSE = 1e-8


def sizes_of(nodes: Sequence[Node]) -> set[int]:
    """The lengths of arrays, their products, and how often loops ran."""
    found: set[int] = set()
    passes: dict[object, int] = {}
    for node in nodes:
        found |= {length for length in (*node.value.shape, node.value.size) if length > 1}
        if not node.is_leaf:
            passes[node.chain, node.name] = passes.get((node.chain, node.name), 0) + 1
    return found | {count for count in passes.values() if count > 2}


def meant_by(points: Sequence[Point]) -> NDArray[np.float64]:
    """The logarithms, in order, of the constants that have a meaning in two functions.

    A power of a size or of a number of the text, or a product of two of these.
    """
    first = points[0]
    numbers = {2.0} | {float(size) for size in sizes_of(first.loss_nodes)}
    for node in (*first.loss_nodes, *first.nodes):
        numbers.update(
            abs(float(argument))
            for argument in node.arguments
            if isinstance(argument, int | float | np.number) and np.isfinite(argument)
        )
    logs = np.log(sorted(numbers - {0.0, 1.0})[:MOST])
    powers = np.append(np.outer(logs, POWERS), 0.0)
    return np.sort(np.add.outer(powers, powers), axis=None)


def is_meant(factor: float, meant: NDArray[np.float64]) -> bool:
    """Whether a constant has a meaning."""
    if not factor:
        return True
    log = np.log(abs(factor))
    near = np.searchsorted(meant, (log - CLOSE, log + CLOSE))
    return bool(near[0] < near[1])


def complexity(factor: float) -> int:
    """How unlikely it is that somebody meant a factor."""
    if abs(abs(factor) - 1) < 1e-9:
        return 0 if factor > 0 else 1
    whole = abs(factor - round(factor)) < 1e-9
    is_round = whole or abs(1 / factor - round(1 / factor)) < 1e-9
    return (2 if is_round else 4) + (factor < 0)


def is_odd(factor: float) -> bool:
    """Whether it is no size: by a size it may be divided later."""
    return factor < 0 or complexity(factor) > 2
