"""From where on a change of a value reaches the outputs by operations that are linear in it.

Where it does, one reverse pass for each random projection of an output tells, for every
replacement of every value, what the output will be, without executing anything again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from gradcheck.trace.adjoints.reverse import Edge
from gradcheck.trace.locating.state import State
from gradcheck.trace.record.names import BILINEAR, LINEAR
from gradcheck.trace.record.nodes import Reference, operands_of


@dataclass(frozen=True)
class Reached:
    """What a change of some values reaches.

    Attributes:
        order: what has to be done again to know all outputs.
        region: what has to be done again until all that follows is linear; empty if it all is.
        uses: the uses by which the changes leave the region, or the starts, for what is linear.
    """

    order: list[int]
    region: list[int]
    uses: list[Edge]


@dataclass(frozen=True)
class Linearity:
    """Answers for one state."""

    state: State

    @cached_property
    def arguments(self) -> list[list[int]]:
        """The operands of every node, with repetitions."""
        return [
            operands_of(node.arguments) + operands_of(dict(node.keywords))
            for node in self.state.tape
        ]

    def reached(self, nodes: Iterable[int], uses: Iterable[Edge] = ()) -> Reached:
        """What is reached by changes of nodes, or of single uses."""
        state, changed = self.state, set(nodes)
        by_use: dict[int, set[int]] = {}
        for consumer, operand in uses:
            by_use.setdefault(consumer, set()).add(operand)
        order = state.below([*changed, *by_use])
        moving = changed.union(order)
        mask = 0
        for index in order:
            if index in changed or index in self.always:
                continue
            own = by_use.get(index, ())
            varying = [one for one in self.arguments[index] if one in moving or one in own]
            if not self._is_linear(index, varying):
                mask |= state.above[index]
        region = [index for index in order if index not in changed and mask >> index & 1]
        inside = changed.union(region)
        leaving = [
            (index, operand)
            for index in order
            if index not in inside
            for operand in dict.fromkeys(self.arguments[index])
            if operand in inside or operand in by_use.get(index, ())
        ]
        return Reached(order, region, leaving)

    @cached_property
    def always(self) -> frozenset[int]:
        """What is linear in all its operands together."""
        tape = self.state.tape
        return frozenset(
            node.index
            for node in tape
            if node.operation in LINEAR
            and node.is_float
            and all(tape[operand].is_float for operand in node.operands)
        )

    def _is_linear(self, index: int, varying: list[int]) -> bool:
        tape, node = self.state.tape, self.state.tape[index]
        if not node.is_float or any(not tape[operand].is_float for operand in varying):
            return False
        name = node.operation
        if name in LINEAR or len(varying) != 1:
            return name in LINEAR
        over = node.arguments[0]
        is_numerator = isinstance(over, Reference) and over.index == varying[0]
        return name in BILINEAR or (name == "divide" and is_numerator)
