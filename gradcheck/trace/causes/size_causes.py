"""A size of the wrong axis, in all operations that it is a number of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice

import numpy as np

from gradcheck.trace import fault
from gradcheck.trace.causes.compared import Compared, agrees_with
from gradcheck.trace.fault import Cause
from gradcheck.trace.locating.meaning import sizes_of
from gradcheck.trace.record.nodes import (
    Node,
    Reference,
    constant_of,
    latest_first,
)

DEEPEST = 40
"""So many operations back from the wrong value a size is looked for."""


def size_cause(compared: Compared) -> Cause | None:
    """The cause, where another size in the place of one, wherever that stands, makes it right."""
    tape = compared.state.tape
    code = _function_of(tape[compared.operand])
    made = [
        node
        for node in islice(latest_first(tape, [compared.operand]), DEEPEST)
        if not node.is_leaf and _function_of(node) is code
    ]
    sizes = sizes_of(made)
    for size in sorted(sizes & set(_whole_numbers(made, tape))):
        for other in sorted(sizes - {size}):
            if _is_right_with(compared, made, size, other):
                words = f"{size} stands where {other} belongs, the length of another axis"
                return Cause(fault.OTHER_SIZE, words, f"take {other} for {size}")
    return None


def _function_of(node: Node) -> object:
    return node.chain[0].code if node.chain else None


def _whole_numbers(made: Sequence[Node], tape: Sequence[Node]) -> Iterator[int]:
    """The whole numbers that operations have, or one divided by such."""
    for node in made:
        for number in filter(None, (constant_of(one, tape) for one in node.arguments)):
            for whole in (number, 1 / number):
                if whole > 1 and abs(whole - round(whole)) < 1e-9 * whole:
                    yield round(whole)


def _is_right_with(compared: Compared, made: Sequence[Node], size: int, other: int) -> bool:
    """Whether the value is right with another size."""
    return agrees_with(
        compared,
        lambda nodes: {one.index: _with_size(nodes[one.index], nodes, size, other) for one in made},
    )


def _with_size(node: Node, nodes: Sequence[Node], size: int, other: int) -> Node:
    """The operation with another size among its numbers; itself where it has not the one."""
    arguments = tuple(_exchanged(one, nodes, size, other) for one in node.arguments)
    if all(new is old for new, old in zip(arguments, node.arguments, strict=True)):
        return node
    operands = tuple(one.index for one in arguments if isinstance(one, Reference))
    return replace(node, arguments=arguments, operands=operands)


def _exchanged(argument: object, nodes: Sequence[Node], size: int, other: int) -> object:
    number = constant_of(argument, nodes)
    if number is not None and np.isclose(number, size, 1e-12, 0):
        return float(other)
    if number is not None and np.isclose(number * size, 1, 1e-12, 0):
        return 1 / other
    return argument
