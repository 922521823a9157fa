"""The gradient that enters an adaptive update: what is squared in the root that it divides by.

Adagrad (Duchi et al. 2011), RMSprop, Adadelta (Zeiler 2012) and Adam (Kingma and Ba 2015) divide by
the root of a mean of g^2, whatever they remember of earlier calls; Adamax by a maximum of |g|.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from gradcheck.trace.adjoints.operations import base_name
from gradcheck.trace.record.nodes import Node, Reference, operands_of

SIZES = ("absolute", "abs", "fabs")
DEEPEST = 60
"""So many operations of an update are looked through."""


def entering(nodes: Sequence[Node], output: int) -> int | None:
    """The node of the gradient that enters the update of one block; None where it is not adaptive.

    Args:
        nodes: the tape of the step.
        output: the node of what the step implies.
    """
    shape = nodes[output].value.shape
    found = [
        base
        for divisor in filter(None, map(_divisor, _made_of(nodes, output, lambda node: False)))
        for end in _made_of(nodes, divisor, _is_root)
        for base in _squared(nodes, end)
        if nodes[base].value.shape == shape and nodes[base].is_float
    ]
    return min(found, default=None)


def _squared(nodes: Sequence[Node], end: Node) -> Iterator[int]:
    """What is squared in a root, or has its size taken."""
    if base_name(end) in SIZES:
        yield end.operands[0]
    elif _is_root(end):
        squares = _made_of(nodes, end.operands[0], lambda node: _square(nodes, node) is not None)
        yield from (base for node in squares if (base := _square(nodes, node)) is not None)


def _made_of(nodes: Sequence[Node], start: int, ends: Callable[[Node], bool]) -> Iterator[Node]:
    """A value and what it is made of entry by entry, no further than where that ends."""
    shape, pending, seen = nodes[start].value.shape, [start], {start}
    while pending and len(seen) <= DEEPEST:
        node = nodes[pending.pop()]
        yield node
        if not ends(node):
            above = {one for one in node.operands if nodes[one].value.shape == shape} - seen
            seen |= above
            pending += above


def _divisor(node: Node) -> int | None:
    """What an operation divides by; the root itself, where it raises to a negative power."""
    if base_name(node) == "divide" and isinstance(node.arguments[1], Reference):
        return node.arguments[1].index
    return node.index if base_name(node) == "power" and _exponent(node) < 0 else None


def _is_root(node: Node) -> bool:
    return base_name(node) == "sqrt" or abs(_exponent(node)) == 0.5


def _square(nodes: Sequence[Node], node: Node) -> int | None:
    """What an operation squares, as `g**2` and `0.1 * g * g` do."""
    factors = operands_of(node.arguments) if base_name(node) == "multiply" else []
    if len(factors) == 2:
        pairs = (factors, factors[::-1])
        squared = (one for one, other in pairs if one in _without_number(nodes, other))
        return next(squared, None)
    return node.operands[0] if base_name(node) == "square" or _exponent(node) == 2 else None


def _without_number(nodes: Sequence[Node], index: int) -> Iterator[int]:
    """A value, and what it is a multiple of."""
    yield index
    node = nodes[index]
    if base_name(node) in ("multiply", "divide") and len(node.operands) == 1:
        yield node.operands[0]


def _exponent(node: Node) -> float:
    """The constant power that an operation raises to; nan for any other."""
    if base_name(node) != "power" or len(node.operands) != 1:
        return np.nan
    return float(np.asarray(node.arguments[1]).reshape(-1)[0])
