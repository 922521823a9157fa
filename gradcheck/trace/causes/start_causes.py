"""One pass of a loop wrong: what the loss starts with is not kept, and an index of -1 is the last.

A loop over time that appends each state to a list, and reads `states[t - 1]` on its way back, takes
the last state where the first pass has to take the initial one.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

import numpy as np

from gradcheck.trace import fault
from gradcheck.trace.causes.compared import Arrays, Compared, same
from gradcheck.trace.causes.redo import taking, text_at
from gradcheck.trace.fault import Cause
from gradcheck.trace.record.graph import evaluate, grouped, resolve
from gradcheck.trace.record.nodes import Node
from gradcheck.trace.wording.operand_text import text_of_use

ITSELF = -1
"""The position of the wrong value itself, where it is right for something else."""


def start_cause(passes: Sequence[Compared], at: int) -> Cause | None:
    """Return the cause if one pass, the only wrong one, uses what the last pass of the loss makes.

    All others use what the loss uses in the same place, in its order or from the end.
    """
    wrong = passes[at]
    made = wrong.state.tape[wrong.operand]
    for position in [ITSELF] if wrong.is_use else range(len(made.arguments)):
        taken = [_taken(one, position) for one in passes]
        if not any(same(taken[at], wrong.values(one.index)) for one in wrong.loss_nodes):
            continue
        for used in _used_by_the_loss(passes):
            pairs = list(zip(taken, used, strict=True))
            first = pairs.pop(at)[1]
            if all(same(*pair) for pair in pairs) and _is_right(first, position, wrong):
                name = _name(position, wrong)
                start = "what the loss starts with" if np.any(first[0]) else "zeros"
                words = f"`{name}` of the pass of the start is what the last pass of the loss makes"
                fix = f"take {start} in that pass: an index of -1 reads the last entry"
                return Cause(fault.OTHER_INDEX, words, fix, wrong.node)
    return None


def _taken(compared: Compared, position: int) -> Arrays:
    if position == ITSELF:
        return compared.actual
    return _operands([compared.state.tape[compared.operand]], position, compared.state.values)


def _operands(nodes: Sequence[Node], position: int, values: Sequence[object]) -> Arrays:
    """Return an operand by point."""
    given = (resolve(node.arguments[position], known) for node in nodes for known in values)
    return [np.asarray(one if isinstance(one, np.ndarray | float) else []) for one in given]


def _used_by_the_loss(passes: Sequence[Compared]) -> Iterator[list[Arrays]]:
    """Yield the operands of the loss that are used in a loop of as many passes, in both orders."""
    points = passes[0].points
    values = [[node.value for node in point.loss_nodes] for point in points]
    loops = grouped((one.in_loop, one) for one in passes[0].loss_nodes if one.operands)
    for nodes in (nodes for nodes in loops.values() if len(nodes) == len(passes)):
        for position in range(len(nodes[0].arguments)):
            used = [_operands([node], position, values) for node in nodes]
            yield from (used, used[::-1])


def _is_right(value: Arrays, position: int, wrong: Compared) -> bool:
    """True if the wrong pass is right with another value as its operand."""
    if position != ITSELF:
        made = wrong.state.tape[wrong.operand]
        pairs = zip(value, wrong.state.values, strict=True)
        value = [evaluate(taking(position, one, made), known) for one, known in pairs]
    return same(value, wrong.expected)


def _name(position: int, wrong: Compared) -> str:
    tape = wrong.state.tape
    if position != ITSELF:
        return text_at(tape[wrong.operand], position)
    text = text_of_use(tape[wrong.node], tape[wrong.node], wrong.operand)
    return tape[wrong.operand].source if text is None else ast.unparse(text)
