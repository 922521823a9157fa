"""Constants that the author of a gradient may have meant."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.arrays import wide
from gradcheck.trace.adjoints.points import Point
from gradcheck.trace.record.nodes import Node


def in_a_row(values: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Return the entries of all arrays as one vector."""
    flat = [np.ravel(wide(value)) for value in values]
    return flat[0] if len(flat) == 1 else np.concatenate(flat)


def in_rows(values: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Return a matrix with the entries of one array in each row; all have the same size."""
    flat = [np.ravel(wide(value)) for value in values]
    return flat[0][None] if len(flat) == 1 else np.array(flat)


MOST = 80
"""The maximum number of constants to combine: products of more would meet almost any number."""

POWERS = (-2, -1, 1, 2)

CLOSE = 1e-8


def sizes_of(nodes: Sequence[Node]) -> set[int]:
    """Return the lengths of arrays, their products, and the numbers of passes of loops."""
    sizes: set[int] = set()
    passes: dict[object, int] = {}
    for node in nodes:
        sizes |= {length for length in (*node.value.shape, node.value.size) if length > 1}
        if not node.is_leaf:
            passes[node.chain, node.name] = passes.get((node.chain, node.name), 0) + 1
    return sizes | {count for count in passes.values() if count > 2}


def meant_by(points: Sequence[Point]) -> NDArray[np.float64]:
    """Return the sorted logarithms of the constants that have a meaning in two functions.

    These are the powers of a size or of a number in the source, and the products of two powers.
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
    """True if a constant is 0 or has a meaning according to `meant_by`."""
    if not factor:
        return True
    log = np.log(abs(factor))
    near = np.searchsorted(meant, (log - CLOSE, log + CLOSE))
    return bool(near[0] < near[1])


def agreed(found: Sequence[tuple[float, int]]) -> list[float]:
    """Return the constants, found with counts of numbers that they make right, which may be meant.

    Some constant makes any single number right: of several, two have to agree, if not on 1.
    """
    counts: dict[float, int] = {}
    for factor, size in found:
        same = (one for one in counts if abs(factor - one) <= 1e-9 * abs(factor))
        known = next(same, factor)
        counts[known] = counts.get(known, 0) + size
    return [one for one, count in counts.items() if count > 1 or len(found) == 1 or one == 1]


def complexity(factor: float) -> int:
    """Return how unlikely it is that somebody meant a factor: from 0 for 1 to 5."""
    if abs(abs(factor) - 1) < 1e-9:
        return 0 if factor > 0 else 1
    whole = abs(factor - round(factor)) < 1e-9
    is_round = whole or abs(1 / factor - round(1 / factor)) < 1e-9
    return (2 if is_round else 4) + (factor < 0)


def is_odd(factor: float) -> bool:
    """True if a factor is no size; a size may be divided out by a later line."""
    return factor < 0 or complexity(factor) > 2
