"""The operations that may be meant in the place of one of the loss.

Other formulas for the same: a small constant that keeps from dividing by nothing, a variance by n
or by n - 1, the two forms of the GELU. And other operations: another constant, a sum for a mean.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from gradcheck.trace.adjoints.differences import Replaced
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
from gradcheck.trace.record.nodes import Node, Reference

SMALL = 0.011
"""Constants up to this keep from dividing by nothing."""

NEAR = 12
"""How many values before the end of a GELU are tried as what it takes."""


def _other_epsilon(node: Node, nodes: Tape, constants: Sequence[float]) -> Variants:
    for _, old in constants_of(node, nodes):
        if 0 < old <= SMALL:
            for new in (0.0, *(one for one in constants if 0 < one <= SMALL and one != old)):
                yield with_constant(old, new)


def _added_epsilon(node: Node, nodes: Tape, constants: Sequence[float]) -> Variants:
    """A small constant added to the last operand, before the operation."""
    for epsilon in constants:
        if 0 < epsilon <= SMALL and isinstance(node.arguments[-1], Reference):
            yield f"{epsilon:g} added to what it takes", partial(_shifted, by=epsilon)


def _shifted(node: Node, nodes: Tape, by: float) -> Node:
    last = node.arguments[-1].index
    return altered(node, lambda values: Replaced(values, {last: values[last] + by}))


def _epsilon_moved_out(node: Node, nodes: Tape, constants: Sequence[float]) -> Variants:
    """sqrt(v) + epsilon for sqrt(v + epsilon)."""
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
    """sqrt(v + epsilon) for sqrt(v) + epsilon."""
    rooted = node.operands and nodes[node.operands[0]].operation in ("sqrt", "std")
    for _, epsilon in constants_of(node, nodes) if rooted else ():
        if 0 < epsilon <= SMALL:
            yield f"{epsilon:g} added under the root", _added_under(epsilon)


def _added_under(epsilon: float) -> Change:
    return function_of(
        _only_operand,
        lambda x: np.sqrt(x * x + epsilon),
        lambda x: x / np.sqrt(x * x + epsilon),
    )


def _only_operand(node: Node, nodes: Tape) -> int:
    return node.operands[0]


def _other_freedom(node: Node, nodes: Tape, constants: Sequence[float]) -> Variants:
    """A variance by n - 1 for one by n, and the reverse."""
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
        if position == 1 and old >= 2 and old == round(old):
            yield with_constant(old, old - 1)
            yield with_constant(old, old + 1)


def _other_gelu(node: Node, nodes: Tape, constants: Sequence[float]) -> Variants:
    """The other form; and this one with the slope of the other, where values are kept."""
    for own, other in (GELUS, GELUS[::-1]):
        operand = partial(_argument, form=own.value)
        if operand(node, nodes) is not None:
            for value, words in ((other.value, ""), (own.value, "the slope of ")):
                yield words + other.words, function_of(operand, value, other.slope)


def _argument(node: Node, nodes: Tape, form: Callable[[Array], Array]) -> int | None:
    """The value before an operation of which that is a function.

    The two forms are nearly the same, and the one with a tanh needs no scipy.
    """
    pending, seen = list(node.operands), 0
    while pending and seen < NEAR:
        index = pending.pop(0)
        seen += 1
        value = nodes[index].value
        is_alike = value.shape == node.value.shape and value.dtype.kind == "f"
        if is_alike and all(
            np.allclose(one(value), node.value, 0, off)
            for one, off in ((_by_tanh, 1e-3), (form, 1e-6))
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
"""By the names of operations, what makes the others of an operation, its tape, and the constants
that the gradient has."""


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
"""By operation, those that somebody may have meant."""

WITH_CONSTANTS = (
    *("add", "subtract", "multiply", "divide", "power", "maximum", "minimum", "clip"),
    *("less", "less_equal", "greater", "greater_equal", "where"),
)

ROWS: dict[tuple[str, ...], Callable[[Node, Tape, Sequence[float]], Variants]] = {
    WITH_CONSTANTS: _other_constant,
    tuple(OTHERS): _other_operation,
    ("absolute", "power", "square", "multiply", "divide", "log", "where"): _twice_or_half,
}
"""As `FORMULAS`, of what is no formula for the same thing."""


def variants_of(node: Node, nodes: Tape, constants: Sequence[float], of_formula: bool) -> Variants:
    """What may be meant in the place of an operation: another formula for the same, or another."""
    for names, variants in (FORMULAS if of_formula else ROWS).items():
        if node.operation in names:
            yield from variants(node, nodes, constants)
