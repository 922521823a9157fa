"""Parts that are joined with others, and are 0: something did not come back to them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np

from gradcheck.trace import fault
from gradcheck.trace.causes.compared import Compared
from gradcheck.trace.fault import Cause
from gradcheck.trace.record.graph import latest_first
from gradcheck.trace.record.names import split_names
from gradcheck.trace.record.nodes import Node

JOINS = split_names("stack hstack vstack dstack column_stack concatenate concat block c_ r_")

MOST_ABOVE = 100
"""How many operations are searched for the joining."""


def zero_part_cause(compared: Compared) -> Cause | None:
    """Return the cause if a value lacks what a part that is 0 would have brought to it."""
    actual, expected = compared.actual[0], compared.expected[0]
    if actual.shape != expected.shape:
        return None
    close = np.abs(actual - expected) <= 1e-9 * np.abs(expected)
    if not np.any(close & (expected != 0)) or not np.all(close | (actual == 0)):
        return None
    tape = compared.state.tape
    above = islice(latest_first(tape, [compared.operand], lambda node: node.operands), MOST_ABOVE)
    joined = next((node for node in above if _zeros_of(node, tape)), None)
    if joined is None:
        return None
    first = min(_made_of_zeros(joined, tape), key=lambda node: node.index)
    words = f"`{first.source}` is 0: nothing of what arrives there comes back"
    return Cause(fault.PATH_MISSING, words, "bring back all that arrives there", first.index)


def _zeros_of(joined: Node, tape: Sequence[Node]) -> list[Node]:
    """Return the computed parts of joined values that are 0, where not all are."""
    if joined.operation not in JOINS or not np.any(joined.value):
        return []
    parts = (tape[index] for index in joined.operands)
    return [part for part in parts if part.operands and not np.any(part.value)]


def _made_of_zeros(joined: Node, tape: Sequence[Node]) -> Iterator[Node]:
    """Yield the parts that are 0, and what they are computed from in the same function."""
    zeros = [part.index for part in _zeros_of(joined, tape)]
    for node in latest_first(tape, zeros, lambda node: node.operands):
        if node.operands and node.chain[1:] == joined.chain[1:] and not np.any(node.value):
            yield node
