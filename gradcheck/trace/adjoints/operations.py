"""The derivatives of single operations.

Every rule takes the adjoint of the result and returns one contribution for each operand (Griewank
and Walther 2008, Evaluating Derivatives, chapter 3). One rule serves all operations that move data
without changing it (`moved`); an operation without a rule is differentiated by central differences
(`differenced`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.trace.adjoints.differences import Contributions, Values, differenced, summed_to
from gradcheck.trace.adjoints.linear_algebra import LINEAR_ALGEBRA
from gradcheck.trace.adjoints.products import PRODUCTS
from gradcheck.trace.adjoints.reductions import REDUCTIONS
from gradcheck.trace.record.graph import resolve
from gradcheck.trace.record.names import CONSTANT, MOVES, split_names
from gradcheck.trace.record.nodes import OUTPUT, Altered, Node, Reference

Movements = dict[int, tuple[NDArray[np.intp] | None, list[tuple[int, int]]]]
"""By node that moves data, the origin of its entries: see `positions_through`."""

Elementwise = Callable[..., Any]

ONE_OPERAND: dict[str, Elementwise] = {
    "negative": lambda g, out, a: -g,
    "positive": lambda g, out, a: g,
    OUTPUT: lambda g, out, a: g,
    "conjugate": lambda g, out, a: g,
    "absolute": lambda g, out, a: g * np.sign(a),
    "abs": lambda g, out, a: g * np.sign(a),
    "fabs": lambda g, out, a: g * np.sign(a),
    "square": lambda g, out, a: 2 * g * a,
    "reciprocal": lambda g, out, a: -g * out * out,
    "sqrt": lambda g, out, a: g * 0.5 / out,
    "exp": lambda g, out, a: g * out,
    "expm1": lambda g, out, a: g * (out + 1),
    "log": lambda g, out, a: g / a,
    "log1p": lambda g, out, a: g / (1 + a),
    "log2": lambda g, out, a: g / (a * np.log(2)),
    "log10": lambda g, out, a: g / (a * np.log(10)),
    "sin": lambda g, out, a: g * np.cos(a),
    "cos": lambda g, out, a: -g * np.sin(a),
    "tan": lambda g, out, a: g * (1 + out * out),
    "sinh": lambda g, out, a: g * np.cosh(a),
    "cosh": lambda g, out, a: g * np.sinh(a),
    "tanh": lambda g, out, a: g * (1 - out * out),
    "arctan": lambda g, out, a: g / (1 + a * a),
    "sign": lambda g, out, a: 0 * g,
}

TWO_OPERANDS: dict[str, tuple[Elementwise, Elementwise]] = {
    "add": (lambda g, out, a, b: g, lambda g, out, a, b: g),
    "subtract": (lambda g, out, a, b: g, lambda g, out, a, b: -g),
    "multiply": (lambda g, out, a, b: g * b, lambda g, out, a, b: g * a),
    "divide": (lambda g, out, a, b: g / b, lambda g, out, a, b: -g * a / b**2),
    "power": (
        lambda g, out, a, b: g * b * np.power(a, b - 1.0),
        lambda g, out, a, b: g * out * np.log(a),
    ),
    "maximum": (
        lambda g, out, a, b: g * ((a > b) | ((a == b) & (b != 0))),  # a relu has no slope at 0
        lambda g, out, a, b: g * (b > a),
    ),
    "minimum": (lambda g, out, a, b: g * (a <= b), lambda g, out, a, b: g * (b < a)),
    "logaddexp": (
        lambda g, out, a, b: g * np.exp(a - out),
        lambda g, out, a, b: g * np.exp(b - out),
    ),
    "arctan2": (
        lambda g, out, a, b: g * b / (a * a + b * b),
        lambda g, out, a, b: -g * a / (a * a + b * b),
    ),
    "hypot": (lambda g, out, a, b: g * a / out, lambda g, out, a, b: g * b / out),
}

ELEMENTWISE: dict[str, tuple[Elementwise, ...]] = {
    **{name: (rule,) for name, rule in ONE_OPERAND.items()},
    **TWO_OPERANDS,
}
"""By standard name, a rule for each operand: its contribution, before it is summed to its shape.

`g` is the adjoint of the result `out`; `a` and `b` are the operands.
"""


def _clipped(
    node: Node, out: NDArray[Any], values: Values, g: NDArray[Any]
) -> Contributions | None:
    """The rule of `clip` between numbers; differences would step over a bound nearby."""
    operand, *bounds = *node.arguments, *node.keywords.values()
    if not isinstance(operand, Reference) or any(isinstance(item, Reference) for item in bounds):
        return None
    value = values[operand.index]
    return [(operand.index, summed_to(g * (value == out), value.shape))]


RULES = {**PRODUCTS, **REDUCTIONS, **LINEAR_ALGEBRA, "clip": _clipped}
"""The other rules by standard name; a rule returns None if it does not apply."""

ALONE = split_names(
    "getitem view scatter setitem copy reshape ravel flatten transpose T mT squeeze item float "
    "astype output real take"
)
"""Functions that move the entries of their operands, and put no constant beside them."""

SETTINGS = frozenset(("constant_values", "dtype", "axis", "order", "mode", "keepdims"))
"""Keywords whose values are no data."""


def contributions(
    node: Node,
    out: NDArray[Any],
    values: Values,
    g: NDArray[Any],
    movements: Movements | None = None,
    several: bool = False,
) -> Contributions:
    """Return the contributions of the adjoint of a node to the adjoints of its operands.

    Args:
        node: the operation.
        out: its value.
        values: the values of its operands, by index.
        g: the adjoint, in the shape of `out`.
        movements: a cache of the origins of moved entries, by node; new ones are added.
        several: if True, `g` and all results hold several adjoints along a first axis.
    """
    if isinstance(node.function, Altered):
        return _each(partial(node.function.back, values), g, several)
    name = node.operation
    if name in CONSTANT:
        return []
    if name in ELEMENTWISE and not node.keywords.keys() - {"dtype", "casting"}:
        return _elementwise(ELEMENTWISE[name], node, out, values, g, several)
    if name in MOVES:
        return moved(node, values, g, movements, several)

    def by_rule(single: NDArray[Any]) -> Contributions:
        parts = RULES[name](node, out, values, single) if name in RULES else None
        return differenced(node, values, single) if parts is None else parts

    return _each(by_rule, g, several)


def _elementwise(
    rules: Sequence[Elementwise],
    node: Node,
    out: NDArray[Any],
    values: Values,
    g: NDArray[Any],
    several: bool,
) -> Contributions:
    operands = [
        values[argument.index] if isinstance(argument, Reference) else np.asarray(argument)
        for argument in node.arguments
    ]
    if any(operand.dtype.kind not in "fiub" for operand in operands):
        return []
    real = [
        operand if operand.dtype == np.float64 else operand.astype(np.float64)
        for operand in operands
    ]
    out = np.asarray(out, dtype=np.float64)
    return [
        (argument.index, summed_to(_passed_on(rule, g, out, real), operand.shape, int(several)))
        for argument, rule, operand in zip(node.arguments, rules, operands, strict=True)
        if isinstance(argument, Reference) and operand.dtype.kind == "f"
    ]


def _passed_on(
    rule: Elementwise, g: NDArray[Any], out: NDArray[Any], operands: Sequence[NDArray[Any]]
) -> NDArray[Any]:
    """Return what a rule passes on: nothing of an adjoint of 0, however steep the operation is.

    A sigmoid is flat at -inf, though the exponential in it is not.
    """
    part = np.asarray(rule(g, out, *operands))
    return part if np.isfinite(np.sum(part)) else np.where(g == 0, 0.0, part)


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
        return _each(partial(differenced, node, values), g, several)
    count, first = (len(g), g.shape[:1]) if several else (1, ())
    total = 1 + sum(values[index].size for index, _ in starts)
    weights = np.broadcast_to(g, (*first, *positions.shape)).reshape(-1)
    flat = positions.reshape(-1)
    if several:
        flat = (flat + total * np.arange(count)[:, None]).reshape(-1)
    reached = np.bincount(flat, weights, minlength=total * count).reshape(*first, total)
    return [
        (
            index,
            reached[..., start : start + values[index].size].reshape(
                (*first, *values[index].shape)
            ),
        )
        for index, start in starts
    ]


def _each(
    rule: Callable[[NDArray[Any]], Contributions], g: NDArray[Any], several: bool
) -> Contributions:
    """Apply a rule for one adjoint to `g`, or to each of several along its first axis."""
    if not several:
        return rule(g)
    return [
        (parts[0][0], parts[0][1][None] if len(g) == 1 else np.array([part for _, part in parts]))
        for parts in zip(*map(rule, g), strict=True)
    ]


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
    result = np.asarray(function(*arguments, **keywords), dtype=np.float64)
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
            if value.dtype.kind != "f":
                return value
            numbers = np.arange(count, count + value.size, dtype=np.float64).reshape(value.shape)
            starts.append((argument.index, count))
            count += value.size
            return numbers
        if type(argument) in (list, tuple):
            return type(argument)(map(coded, argument))
        return 0.0 if isinstance(argument, float | np.floating) else argument

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
