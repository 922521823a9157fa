"""What is written into a buffer: over what belongs there too, or at an index that repeats."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

import numpy as np

from gradcheck.trace import fault
from gradcheck.trace.adjoints.operations import base_name
from gradcheck.trace.causes.compared import Compared, same
from gradcheck.trace.fault import Cause
from gradcheck.trace.record.names import WRITES
from gradcheck.trace.record.nodes import Node, evaluate, resolve
from gradcheck.trace.record.sources import tree_of


def written_cause(compared: Compared) -> Cause | None:
    """What is assigned into a buffer where it should be added."""
    node = compared.state.tape[compared.node]
    if base_name(node) not in WRITES or not node.operands:
        return None
    actual, expected = compared.actual[0], compared.expected[0]
    if actual.shape != expected.shape:
        return None
    size = float(np.max(np.abs(expected), initial=0.0))
    wrong = np.abs(actual - expected) > 1e-9 * size
    if wrong.all() and wrong.size > 1:
        return None
    indices = list(_indices(node.arguments, compared))
    if indices:
        together = np.stack(np.broadcast_arrays(*indices)).reshape(len(indices), -1)
        places, counts = np.unique(together, axis=1, return_counts=True)
        if np.any(counts > 1) and _is_right_added(compared, node):
            often = ", ".join(str(place[0]) for place in places.T[counts > 1][:4])
            return Cause(
                fault.REPEATED_INDEX,
                f"an index that repeats is written once, and this has more than one of {often}",
                f"{_added_for_each(node)} adds for every time that an index comes",
            )
    before = [values[node.operands[0]] for values in compared.state.values]
    if same(before, compared.expected) and node.place is not None:
        return Cause(
            fault.SPOILED,
            f"what is written to `{node.place.source}` spoils values that were right",
            "leave that out, or write the right numbers",
            node.index,
        )
    if _adds_up(compared, node):
        return Cause(
            fault.NOT_ACCUMULATED,
            "it is assigned over what is there, and has to be added",
            "add with += what is assigned with =",
        )
    return None


def _added_for_each(node: Node) -> str:
    """The statement that writes into repeated indices, as one that adds for each of them."""
    place = node.place
    if place is None:
        return "np.add.at"
    for statement in ast.walk(tree_of(place.file)):
        match statement:
            case (
                ast.Assign(targets=[ast.Subscript() as target])
                | ast.AugAssign(target=ast.Subscript() as target)
            ) if (target.lineno, target.col_offset) == (place.line, place.column):
                parts = map(ast.unparse, (target.value, target.slice, statement.value))
                return f"`np.add.at({', '.join(parts)})`"
    return "np.add.at"


def _adds_up(compared: Compared, node: Node) -> bool:
    """Whether what is written, added to what is there, is what is wanted."""
    target = node.operands[0]
    added = []
    for values in compared.state.values:
        own = {index: values[index] for index in node.operands}
        own[target] = np.full(values[target].shape, np.nan)
        is_written = ~np.isnan(evaluate(node, own))
        added.append(values[node.index] + np.where(is_written, values[target], 0.0))
    return same(added, compared.expected)


def _is_right_added(compared: Compared, node: Node) -> bool:
    """Whether what is written is what is wanted once it is added for every index that comes.

    Once, or in every pass of a loop.
    """
    return any(_are_right_added(compared, one) for one in ([node], _writes_of(compared, node)))


def _are_right_added(compared: Compared, writes: Sequence[Node]) -> bool:
    if not writes or writes[0].name != "setitem":
        return False
    totals = []
    for values in compared.state.values:
        total = np.array(resolve(writes[0].arguments[0], values), dtype=float)
        for one in writes:
            before, key, value = (resolve(argument, values) for argument in one.arguments)
            np.add.at(total, key, value - before[key])
        totals.append(total)
    return same(totals, compared.expected)


def _writes_of(compared: Compared, node: Node) -> list[Node]:
    """What is written into buffers of one shape where a node writes, in every pass."""
    return [
        one
        for one in compared.state.tape
        if one.chain == node.chain and one.name == "setitem" and one.value.shape == node.value.shape
    ]


def _indices(arguments: object, compared: Compared) -> Iterator[np.ndarray]:
    """The arrays of whole numbers among some arguments."""
    if isinstance(arguments, list) and all(isinstance(one, int) for one in arguments):
        arguments = np.array(arguments, dtype=int)
    if isinstance(arguments, tuple | list):
        for one in arguments:
            yield from _indices(one, compared)
        return
    index = getattr(arguments, "index", None)
    if isinstance(index, int):
        arguments = compared.state.tape[index].value
    if isinstance(arguments, np.ndarray) and arguments.dtype.kind in "iu" and arguments.size > 1:
        yield arguments
