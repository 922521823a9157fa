"""Change single operations of a tape."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from gradcheck.trace.adjoints.operations import contributions
from gradcheck.trace.record.graph import constant_of, evaluate
from gradcheck.trace.record.nodes import Altered, Node, Reference

Array = NDArray[Any]
Tape = Sequence[Node]
Change = Callable[[Node, Tape], Node]
"""Returns the changed operation for an operation and its tape."""

Variants = Iterator[tuple[str, Change]]
"""Changes, each with a description of the changed operation."""


def constants_of(node: Node, nodes: Tape) -> list[tuple[int, float]]:
    """Return the constant arguments of an operation, each with its position."""
    constants = ((i, constant_of(item, nodes)) for i, item in enumerate(node.arguments))
    return [(position, value) for position, value in constants if value is not None]


def with_constant(old: float, new: float) -> tuple[str, Change]:
    """Return the change of one constant argument into another, with its description."""

    def change(node: Node, nodes: Tape) -> Node:
        position = next((i for i, value in constants_of(node, nodes) if value == old), None)
        if position is None:
            return node
        arguments = (*node.arguments[:position], new, *node.arguments[position + 1 :])
        operands = tuple(item.index for item in arguments if isinstance(item, Reference))
        return replace(node, arguments=arguments, operands=operands)

    return f"{new:g} in the place of {old:g}", change


def altered(node: Node, moved: Callable[[Any], Any], factor: float = 1.0) -> Node:
    """Return the operation on values changed by `moved`, times a constant."""
    return replace(
        node,
        function=Altered(
            lambda values: factor * evaluate(node, moved(values)),
            lambda values, g: contributions(
                node, evaluate(node, moved(values)), moved(values), factor * g
            ),
        ),
    )


def times(factor: float) -> Change:
    """Return the change of an operation by a constant factor."""
    return lambda node, nodes: altered(node, lambda values: values, factor)


def function_of(
    operand: Callable[[Node, Tape], int | None],
    value: Callable[[Array], Array],
    slope: Callable[[Array], Array],
) -> Change:
    """Return the change of an operation into an elementwise function of an earlier value."""

    def change(node: Node, nodes: Tape) -> Node:
        index = operand(node, nodes)
        if index is None:
            return node
        return replace(
            node,
            operands=(index,),
            function=Altered(
                lambda values: value(values[index]),
                lambda values, g: [(index, g * slope(values[index]))],
            ),
        )

    return change
