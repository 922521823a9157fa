"""Causes: a size with a name, such as a number of samples, is another one than the loss has."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import combinations

import numpy as np

from gradcheck.trace import fault
from gradcheck.trace.causes.compared import Compared
from gradcheck.trace.causes.redo import Trial, taking
from gradcheck.trace.fault import Cause
from gradcheck.trace.record.graph import grouped
from gradcheck.trace.record.nodes import Node
from gradcheck.trace.wording.operand_text import operand_text


def with_other_sizes(nodes: Sequence[Node], compared: Compared) -> Iterator[Trial]:
    """Yield a wrong value with every size in its function, by its name, as another of the loss.

    Each operation that takes the size may be right but for a factor.
    """
    first = next((one for one in nodes if one.index == compared.operand), None)
    if first is None:
        return
    users = (one for one in compared.state.tape if _is_in_the_same(one, first))
    taken = grouped((size, (one.index, at)) for one in users for at, size in _sizes_in(one))
    others = _sizes_of(compared.loss_nodes)
    for (name, own), places in taken.items():
        for other, axes in others.items():
            if other == own:
                continue
            words = f"`{name}` is {own}, and is to be {axes}"
            number = np.asarray(float(other))
            changes = {index: partial(taking, at, number) for index, at in places}
            yield Cause(fault.OTHER_SIZE, words, f"let `{name}` be {axes}", first.index), changes


def _is_in_the_same(node: Node, first: Node) -> bool:
    """Whether an operation stands in the function of another one."""
    return bool(node.chain and first.chain) and node.chain[0].code is first.chain[0].code


def _sizes_in(node: Node) -> Iterator[tuple[int, tuple[str, int]]]:
    """Yield the whole numbers beyond 1 that an operation takes by a name: where, and name and size.

    They stand in the places of its first two operands.
    """
    for position, argument in enumerate(node.arguments[:2]):
        if isinstance(argument, int | float) and argument > 1 and float(argument).is_integer():
            text = operand_text(node.source, position)
            if isinstance(text, ast.Name | ast.Attribute):
                yield position, (ast.unparse(text), int(argument))


def _sizes_of(nodes: Sequence[Node]) -> Mapping[int, str]:
    """Return the products of the lengths of some axes of an array, with how they are written."""
    shapes = dict.fromkeys(node.value.shape for node in nodes)
    products = {
        int(np.prod(axes)): " * ".join(map(str, axes))
        for shape in shapes
        for count in range(len(shape), 0, -1)
        for axes in combinations(shape, count)
    }
    return {size: axes for size, axes in products.items() if size > 1}
