"""The rule of all operations that move data, and where these take each entry from."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.trace.adjoints.differences import Contributions, Values, differenced, each
from gradcheck.trace.record.graph import resolve
from gradcheck.trace.record.names import split_names
from gradcheck.trace.record.nodes import Node, Reference

Movements = dict[int, tuple[NDArray[np.intp] | None, list[tuple[int, int]]]]
"""By node that moves data, the origin of its entries: see `positions_through`."""

ALONE = split_names(
    "getitem view scatter setitem copy reshape ravel flatten transpose T mT squeeze item float "
    "astype output real take"
)
"""Functions that move the entries of their operands, and put no constant beside them."""

SETTINGS = frozenset(("constant_values", "dtype", "axis", "order", "mode", "keepdims"))
"""Keywords whose values are no data."""


def moved(
    node: Node,
    values: Values,
    g: NDArray[Any],
    movements: Movements | None = None,
    several: bool = False,
) -> Contributions:
    """The rule of all operations that move data: run on positions, they show where entries go."""
    cache = {} if movements is None else movements
    if node.index not in cache:
        cache[node.index] = positions_through(node, values)
    positions, starts = cache[node.index]
    if positions is None:
        return each(partial(differenced, node, values), g, several)
    count, first = (len(g), g.shape[:1]) if several else (1, ())
    total = 1 + sum(values[index].size for index, _ in starts)
    weights = np.broadcast_to(g, (*first, *positions.shape)).reshape(-1)
    flat = positions.reshape(-1)
    if several:
        flat = (flat + total * np.arange(count)[:, None]).reshape(-1)
    reached = _counted(flat, weights, total * count).reshape(*first, total)
    return [
        (
            index,
            reached[..., start : start + values[index].size].reshape(
                (*first, *values[index].shape)
            ),
        )
        for index, start in starts
    ]


def _counted(flat: NDArray[np.intp], weights: NDArray[Any], length: int) -> NDArray[Any]:
    """Return the sum of the weights at each position."""
    if weights.dtype.kind != "c":
        return np.bincount(flat, weights, minlength=length)
    real, imaginary = (np.bincount(flat, p, minlength=length) for p in (weights.real, weights.imag))
    return np.asarray(real + 1j * imaginary)


def positions_through(
    node: Node, values: Values
) -> tuple[NDArray[np.intp] | None, list[tuple[int, int]]]:
    """Find the origin of each entry of a node that moves data.

    All entries of all operands are numbered from 1, and the function is run on these numbers; once
    more on larger ones if it may put constants beside them, which stay as they are.

    Returns:
        The number of the origin of each entry, in the shape of the node (0 if it comes from no
        operand), or None if the function raises; and for each operand its index and the number
        of its first entry.
    """
    if node.function is None:
        return None, []
    arguments, keywords, starts, count = _numbered(node, values, 1)
    if not starts:  # no float operand, as for a comparison converted to numbers
        return np.zeros(node.value.shape, dtype=np.intp), []
    try:
        result = _on_numbers(node.function, arguments, keywords)
        if node.operation not in ALONE or isinstance(node.arguments[-1], list | tuple):
            arguments, keywords, *_ = _numbered(node, values, count)
            moved = _on_numbers(node.function, arguments, keywords) - result
            result = np.where(moved > (count - 1) / 2, result, 0)
    except (TypeError, ValueError, IndexError):
        return None, []
    return np.rint(result).astype(np.intp), starts


def _on_numbers(function: Any, arguments: list[Any], keywords: dict[str, Any]) -> NDArray[Any]:
    result = np.asarray(np.real(function(*arguments, **keywords)), dtype=np.float64)
    return result if np.isfinite(result.sum()) else np.nan_to_num(result)


def _numbered(
    node: Node, values: Values, count: int
) -> tuple[list[Any], dict[str, Any], list[tuple[int, int]], int]:
    """Return a node's arguments, with the entries of its operands numbered, where, and to what."""
    starts: list[tuple[int, int]] = []
    condition = node.operation in ("where", "select", "extract")

    def coded(argument: Any) -> Any:
        nonlocal count
        if isinstance(argument, Reference):
            value = values[argument.index]
            if value.dtype.kind not in "fc":
                return value
            numbers = np.arange(count, count + value.size, dtype=np.float64).reshape(value.shape)
            starts.append((argument.index, count))
            count += value.size
            return numbers
        if type(argument) in (list, tuple):
            return type(argument)(map(coded, argument))
        return 0.0 if isinstance(argument, complex | float | np.inexact) else argument

    arguments = [
        resolve(argument, values) if condition and not position else coded(argument)
        for position, argument in enumerate(node.arguments)
    ]
    if node.operation == "setitem" and np.asarray(arguments[-1]).dtype.kind != "f":
        arguments[-1] = np.zeros(np.shape(arguments[-1]))  # integers are constants, not positions
    keywords = {
        key: resolve(item, values) if key in SETTINGS else coded(item)
        for key, item in node.keywords.items()
    }
    return arguments, keywords, starts, count
