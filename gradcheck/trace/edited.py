"""A wrong value with one operation of the gradient changed: is it right then?"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from gradcheck.trace.compared import Array, Compared, same
from gradcheck.trace.nodes import Node, carried, evaluate

DEEPEST = 12
"""So many operations back from the wrong value are tried."""


def made_of(compared: Compared) -> Iterator[Node]:
    """The operations that make the wrong value, the last first."""
    tape = compared.state.tape
    pending = [compared.operand]
    seen: set[int] = set()
    while pending and len(seen) < DEEPEST:
        index = max(pending)
        pending.remove(index)
        if index not in seen and not tape[index].is_leaf:
            seen.add(index)
            yield tape[index]
            pending += tape[index].operands


def agrees(compared: Compared, changed: Node, change: Callable[[Node], Node]) -> bool:
    """Whether the value is right, at all points, with an operation changed."""
    found: list[Array] = []
    for nodes, known in zip(compared.state.nodes, compared.state.values, strict=True):
        try:
            other = evaluate(change(nodes[changed.index]), known)
            values = carried(nodes, known, {changed.index: other}, compared.operand)
        except (ValueError, TypeError, IndexError):
            return False
        found.append(values.get(compared.operand, known[compared.operand]))
    return same(found, compared.expected)
