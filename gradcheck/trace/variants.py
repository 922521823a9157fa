"""The operations that may be meant in the place of one of the loss."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from gradcheck.trace.changes import Tape, Variants, constants_of, times, with_constant
from gradcheck.trace.formulas import FORMULAS
from gradcheck.trace.nodes import Node
from gradcheck.trace.operations import base_name


def variants_of(node: Node, nodes: Tape, constants: Sequence[float], of_formula: bool) -> Variants:
    """What may be meant in the place of an operation.

    Args:
        node: the operation.
        nodes: its tape.
        constants: those that the gradient has.
        of_formula: whether other formulas for the same are wanted, or other operations.
    """
    for names, variants in (FORMULAS if of_formula else ROWS).items():
        if base_name(node) in names:
            yield from variants(node, nodes, constants)


def _other_constant(node: Node, nodes: Tape, constants: Sequence[float]) -> Variants:
    for _, old in constants_of(node, nodes):
        near = (1.0, 2 * old, old / 2, -old) if base_name(node) in ("multiply", "divide") else ()
        for new in dict.fromkeys((*near, *constants)):
            if new != old and not (new == 0 and base_name(node) == "divide"):
                yield with_constant(old, new)


def _other_operation(node: Node, nodes: Tape, constants: Sequence[float]) -> Variants:
    for other in OTHERS[base_name(node)]:
        yield f"{other} in the place of {base_name(node)}", partial(_named, name=other)


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
