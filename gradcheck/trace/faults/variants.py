"""The operations that the user may have meant instead of one of the loss.

Some are other formulas for the same thing: another small constant against division by zero, a
variance by n or n - 1, the two forms of the GELU. Others are another constant, or a sum for a mean.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from gradcheck.trace.adjoints.differences import Replaced
from gradcheck.trace.adjoints.operations import contributions
from gradcheck.trace.faults.changes import (
    Array,
    Change,
    Tape,
    Variants,
    altered,
    constants_of,
    function_of,
    times,
    with_constant,
)
from gradcheck.trace.record.graph import evaluate
from gradcheck.trace.record.nodes import Altered, Node, Reference

SMALL = 0.011
"""Constants up to this size are guards against division by zero."""

NEAR = 12
"""The number of values before the output of a GELU that are tried as its input."""


def _other_epsilon(node: Node, nodes: Tape, constants: Sequence[float]) -> Variants:
    for _, old in constants_of(node, nodes):
        if 0 < old <= SMALL:
            for new in (0.0, *(c for c in constants if 0 < c <= SMALL and c != old)):
                yield with_constant(old, new)


def _added_epsilon(node: Node, nodes: Tape, constants: Sequence[float]) -> Variants:
    """Yield the operation with a small constant added to its last operand."""
    for epsilon in constants:
        if 0 < epsilon <= SMALL and isinstance(node.arguments[-1], Reference):
            yield f"{epsilon:g} added to what it takes", partial(_shifted, by=epsilon)


def _shifted(node: Node, nodes: Tape, by: float) -> Node:
    last = node.arguments[-1].index
    return altered(node, lambda values: Replaced(values, {last: values[last] + by}))


def _epsilon_moved_out(node: Node, nodes: Tape, constants: Sequence[float]) -> Variants:
    """Yield sqrt(v) + epsilon instead of sqrt(v + epsilon)."""
    epsilon = _epsilon_in(node, nodes)
    if epsilon is not None:
        yield (
            f"{epsilon:g} added after the root",
            function_of(
                _only_operand,
                lambda x: np.sqrt(x - epsilon) + epsilon,
                lambda x: 0.5 / np.sqrt(x - epsilon),
            ),
        )


def _epsilon_in(node: Node, nodes: Tape) -> float | None:
    taken = nodes[node.operands[0]] if node.operands else node
    if taken.operation != "add":
        return None
    return next((value for _, value in constants_of(taken, nodes) if 0 < value <= SMALL), None)


def _epsilon_moved_in(node: Node, nodes: Tape, constants: Sequence[float]) -> Variants:
    """Yield sqrt(v + epsilon) instead of sqrt(v) + epsilon."""
    rooted = node.operands and nodes[node.operands[0]].operation in ("sqrt", "std")
    for _, epsilon in constants_of(node, nodes) if rooted else ():
        if 0 < epsilon <= SMALL:
            yield f"{epsilon:g} added under the root", _added_under(epsilon)


def _added_under(epsilon: float) -> Change:
    return function_of(
        _only_operand, lambda x: np.sqrt(x * x + epsilon), lambda x: x / np.sqrt(x * x + epsilon)
    )


def _only_operand(node: Node, nodes: Tape) -> int:
    return node.operands[0]


def _other_freedom(node: Node, nodes: Tape, constants: Sequence[float]) -> Variants:
    """Yield a variance by n - 1 instead of n, or the reverse."""
    for ddof in (0, 1):
        if node.keywords.get("ddof", 0) != ddof:
            yield f"ddof={ddof}", partial(_with_freedom, ddof=ddof)


def _with_freedom(node: Node, nodes: Tape, ddof: int) -> Node:
    return replace(node, keywords={**node.keywords, "ddof": ddof})


def _mean_by_one_less(node: Node, nodes: Tape, constants: Sequence[float]) -> Variants:
    count = nodes[node.operands[0]].value.size // max(node.value.size, 1)
    if count > 1:
        yield f"{count - 1} as the number that it is divided by", times(count / (count - 1))


def _divisor_by_one(node: Node, nodes: Tape, constants: Sequence[float]) -> Variants:
    for position, old in constants_of(node, nodes):
        if position == 1 and 2 <= old < np.inf and old == round(old):
            yield with_constant(old, old - 1)
            yield with_constant(old, old + 1)


def _other_gelu(node: Node, nodes: Tape, constants: Sequence[float]) -> Variants:
    """Yield the other form, and the present form with the slope of the other."""
    for present, other in (GELUS, GELUS[::-1]):
        operand = partial(_argument, form=present.value)
        if operand(node, nodes) is not None:
            for value, words in ((other.value, ""), (present.value, "the slope of ")):
                yield words + other.words, function_of(operand, value, other.slope)


def _argument(node: Node, nodes: Tape, form: Callable[[Array], Array]) -> int | None:
    """Return the earlier value of which an operation is the given form of the GELU, or None.

    The form with a tanh is nearly the same, and is tried first because it needs no scipy.
    """
    pending, seen = list(node.operands), 0
    while pending and seen < NEAR:
        index = pending.pop(0)
        seen += 1
        value = nodes[index].value
        is_alike = value.shape == node.value.shape and value.dtype.kind == "f"
        if is_alike and all(
            np.allclose(gelu(value), node.value, 0, tolerance)
            for gelu, tolerance in ((_by_tanh, 1e-3), (form, 1e-6))
        ):
            return index
        pending += nodes[index].operands
    return None


def _with_erf(x: Array) -> Array:
    from scipy.special import ndtr

    return np.asarray(x * ndtr(x))


def _slope_with_erf(x: Array) -> Array:
    from scipy.special import ndtr

    return np.asarray(ndtr(x) + x * np.exp(-0.5 * x * x) / math.sqrt(2 * math.pi))


def _tanh_in_it(x: Array) -> Array:
    return np.asarray(np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def _by_tanh(x: Array) -> Array:
    return np.asarray(0.5 * x * (1 + _tanh_in_it(x)))


def _slope_with_tanh(x: Array) -> Array:
    inner = math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * x * x)
    t = _tanh_in_it(x)
    return np.asarray(0.5 * (1 + t) + 0.5 * x * (1 - t * t) * inner)


@dataclass(frozen=True)
class _Gelu:
    value: Callable[[Array], Array]
    slope: Callable[[Array], Array]
    words: str


GELUS = (
    _Gelu(_with_erf, _slope_with_erf, "the GELU's exact form, x Phi(x),"),
    _Gelu(_by_tanh, _slope_with_tanh, "the GELU's form with a tanh"),
)

FORMULAS: dict[tuple[str, ...], Callable[[Node, Tape, Sequence[float]], Variants]] = {
    ("add", "maximum", "clip"): _other_epsilon,
    ("log", "sqrt", "divide"): _added_epsilon,
    ("sqrt",): _epsilon_moved_out,
    ("add",): _epsilon_moved_in,
    ("var", "std"): _other_freedom,
    ("mean",): _mean_by_one_less,
    ("divide",): _divisor_by_one,
    ("multiply", "divide"): _other_gelu,
}
"""By names of operations, what yields other formulas for a node, its tape and some constants."""


def _other_constant(node: Node, nodes: Tape, constants: Sequence[float]) -> Variants:
    for _, old in constants_of(node, nodes):
        near = (1.0, 2 * old, old / 2, -old) if node.operation in ("multiply", "divide") else ()
        for new in dict.fromkeys((*near, *constants)):
            if new != old and not (new == 0 and node.operation == "divide"):
                yield with_constant(old, new)


def _other_operation(node: Node, nodes: Tape, constants: Sequence[float]) -> Variants:
    for other in OTHERS[node.operation]:
        yield f"{other} in the place of {node.operation}", partial(_named, name=other)


def _named(node: Node, nodes: Tape, name: str) -> Node:
    return replace(node, name=name, function=getattr(np, name))


def _twice_or_half(node: Node, nodes: Tape, constants: Sequence[float]) -> Variants:
    for factor, words in ((0.5, "half of"), (2.0, "twice")):
        yield f"{words} {{}} in its place", times(factor)


def _without_log(node: Node, nodes: Tape, constants: Sequence[float]) -> Variants:
    """Yield the logarithm of a sum, as of the exponentials in a softmax."""
    if np.all(node.value > 0):
        yield "the logarithm of {} in its place", _logarithm


def _logarithm(node: Node, nodes: Tape) -> Node:
    def back(values: Any, g: Array) -> list[tuple[int, Array]]:
        total = evaluate(node, values)
        return contributions(node, total, values, g / total)

    return replace(node, function=Altered(lambda values: np.log(evaluate(node, values)), back))


OTHERS = {
    "sum": ("mean",),
    "mean": ("sum",),
    "absolute": ("square",),
    "square": ("absolute",),
    "maximum": ("minimum",),
    "minimum": ("maximum",),
    "add": ("subtract",),
    "subtract": ("add",),
    "sin": ("cos",),
    "cos": ("sin",),
    "log": ("log2", "log10", "log1p"),
    "log2": ("log",),
    "log10": ("log",),
    "log1p": ("log",),
    "exp": ("expm1",),
    "sqrt": ("positive", "square"),
    "less": ("greater",),
    "greater": ("less",),
}
"""By operation, other ones that the user may have meant."""

WITH_CONSTANTS = (
    *("add", "subtract", "multiply", "divide", "power", "maximum", "minimum", "clip"),
    *("less", "less_equal", "greater", "greater_equal", "where"),
)

ROWS: dict[tuple[str, ...], Callable[[Node, Tape, Sequence[float]], Variants]] = {
    WITH_CONSTANTS: _other_constant,
    tuple(OTHERS): _other_operation,
    ("absolute", "power", "square", "multiply", "divide", "log", "where"): _twice_or_half,
    ("sum", "add.reduce"): _without_log,
}
"""As `FORMULAS`, for operations that do something else."""


def variants_of(node: Node, nodes: Tape, constants: Sequence[float], of_formula: bool) -> Variants:
    """Yield the variants of an operation: formulas for the same thing, or other operations."""
    for names, variants in (FORMULAS if of_formula else ROWS).items():
        if node.operation in names:
            yield from variants(node, nodes, constants)
