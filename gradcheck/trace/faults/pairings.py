"""Constants of the loss that broadcasting pairs with every value: (m,) beside (m, 1)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from gradcheck.trace.adjoints.operations import TWO_OPERANDS
from gradcheck.trace.adjoints.points import FollowedLoss
from gradcheck.trace.faults.changes import Array, Change, Tape
from gradcheck.trace.record.graph import made_from
from gradcheck.trace.record.nodes import Node, Reference, operands_of


def pairings_of(loss: FollowedLoss) -> Iterator[tuple[list[int], str, Change]]:
    """Yield all operations that pair every entry of a constant with every entry of a value."""
    tape, last = loss.loss_nodes, loss.loss_index
    moving = set().union(*(made_from(tape, leaf, last) for leaf in loss.parameters.values()))
    found = {}
    for node in tape[: last + 1]:
        constants = [
            at for at, one in enumerate(node.arguments) if moving.isdisjoint(operands_of(one))
        ]
        is_of_two = node.operation in TWO_OPERANDS and len(node.arguments) == 2
        if is_of_two and len(constants) == 1 and _is_pairing(node, tape):
            found[node.index] = constants[0]
    if not found:
        return
    first = tape[min(found)]
    shapes = " and ".join(str(_value(one, tape).shape) for one in first.arguments)

    def entry_by_entry(node: Node, nodes: Tape) -> Node:
        """Return the operation with its constant in the shape of the other operand."""
        at = found[node.index]
        other = node.arguments[1 - at]
        constant = np.reshape(_value(node.arguments[at], nodes), _value(other, nodes).shape)
        both = (constant, other) if at == 0 else (other, constant)
        return replace(node, arguments=both, operands=(other.index,))

    yield list(found), f"{{}} is {first.value.shape}, of {shapes}", entry_by_entry


def _is_pairing(node: Node, nodes: Tape) -> bool:
    one, other = (_value(argument, nodes) for argument in node.arguments)
    return one.size == other.size < node.value.size


def _value(argument: Any, nodes: Tape) -> Array:
    return nodes[argument.index].value if isinstance(argument, Reference) else np.asarray(argument)
