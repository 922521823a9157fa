"""Making other operations out of one of a tape."""

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
"""Takes an operation and its tape, gives the one that may be meant."""

Variants = Iterator[tuple[str, Change]]
"""What would stand there, in words, and what makes it."""


def constants_of(node: Node, nodes: Tape) -> list[tuple[int, float]]:
    """The arguments that are constants, by position."""
    found = ((i, constant_of(one, nodes)) for i, one in enumerate(node.arguments))
    return [(position, value) for position, value in found if value is not None]


def with_constant(old: float, new: float) -> tuple[str, Change]:
    """The operation with another constant, and that in words."""

    def change(node: Node, nodes: Tape) -> Node:
        found = [i for i, value in constants_of(node, nodes) if value == old]
        if not found:
            return node
        position = found[0]
        arguments = (*node.arguments[:position], new, *node.arguments[position + 1 :])
        operands = tuple(one.index for one in arguments if isinstance(one, Reference))
        return replace(node, arguments=arguments, operands=operands)

    return f"{new:g} in the place of {old:g}", change


def altered(node: Node, moved: Callable[[Any], Any], factor: float = 1.0) -> Node:
    """The operation done on other values, times a constant."""
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
    """The operation times a constant."""
    return lambda node, nodes: altered(node, lambda values: values, factor)


def function_of(
    operand: Callable[[Node, Tape], int | None],
    value: Callable[[Array], Array],
    slope: Callable[[Array], Array],
) -> Change:
    """An elementwise function of some value before it in the place of the operation."""

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
