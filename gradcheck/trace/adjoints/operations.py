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

from gradcheck.arrays import wide
from gradcheck.trace.adjoints.complexes import (
    ANALYTIC,
    FOURIER,
    OF_PARTS,
    holds_complex,
    in_their_kind,
    of_parts,
)
from gradcheck.trace.adjoints.differences import Contributions, Values, differenced, each, summed_to
from gradcheck.trace.adjoints.linear_algebra import LINEAR_ALGEBRA
from gradcheck.trace.adjoints.movements import Movements, moved
from gradcheck.trace.adjoints.products import PRODUCTS
from gradcheck.trace.adjoints.reductions import REDUCTIONS
from gradcheck.trace.record.names import CONSTANT, MOVES
from gradcheck.trace.record.nodes import OUTPUT, Altered, Node, Reference

Elementwise = Callable[..., Any]

ONE_OPERAND: dict[str, Elementwise] = {
    "negative": lambda g, out, a: -g,
    "positive": lambda g, out, a: g,
    OUTPUT: lambda g, out, a: g,
    "conjugate": lambda g, out, a: g,
    "conj": lambda g, out, a: g,
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


RULES = {**FOURIER, **PRODUCTS, **REDUCTIONS, **LINEAR_ALGEBRA, "clip": _clipped}
"""The other rules by standard name; a rule returns None if it does not apply."""


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
        return each(partial(node.function.back, values), g, several)
    name = node.operation
    if name in CONSTANT:
        return []
    if name in MOVES:
        return in_their_kind(moved(node, values, g, movements, several), values)
    if holds_complex(node, out, values):
        return in_their_kind(_of_complex(node, out, values, g, several), values)
    if _is_elementwise(node):
        return _elementwise(ELEMENTWISE[name], node, out, values, g, several)

    def by_rule(single: NDArray[Any]) -> Contributions:
        parts = RULES[name](node, out, values, single) if name in RULES else None
        return differenced(node, values, single) if parts is None else parts

    return each(by_rule, g, several)


def _of_complex(
    node: Node, out: NDArray[Any], values: Values, g: NDArray[Any], several: bool
) -> Contributions:
    """Return the contributions of an operation that `holds_complex`."""
    name = node.operation
    if name in OF_PARTS:
        return of_parts(node, values, g)
    if name in ANALYTIC and _is_elementwise(node):
        parts = _elementwise(ELEMENTWISE[name], node, out, values, np.conj(g), several)
        return [(index, np.conj(part)) for index, part in parts]

    def by_rule(single: NDArray[Any]) -> Contributions:
        rule = RULES.get(name) if name in ANALYTIC else None
        parts = None if rule is None else rule(node, out, values, np.conj(single))
        if parts is None:
            return differenced(node, values, single)
        return [(index, np.conj(part)) for index, part in parts]

    return each(by_rule, g, several)


def _is_elementwise(node: Node) -> bool:
    return node.operation in ELEMENTWISE and not node.keywords.keys() - {"dtype", "casting"}


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
    if any(operand.dtype.kind not in "fciub" for operand in operands):
        return []
    numbers, out = [wide(operand) for operand in operands], wide(out)
    return [
        (argument.index, summed_to(_passed_on(rule, g, out, numbers), operand.shape, int(several)))
        for argument, rule, operand in zip(node.arguments, rules, operands, strict=True)
        if isinstance(argument, Reference) and operand.dtype.kind in "fc"
    ]


def _passed_on(
    rule: Elementwise, g: NDArray[Any], out: NDArray[Any], operands: Sequence[NDArray[Any]]
) -> NDArray[Any]:
    """Return what a rule passes on: nothing of an adjoint of 0, however steep the operation is.

    A sigmoid is flat at -inf, though the exponential in it is not.
    """
    part = np.asarray(rule(g, out, *operands))
    return part if np.isfinite(np.sum(part)) else np.where(g == 0, 0.0, part)
