"""Find the operations from which on the outputs are linear in a change of some values.

In this linear part, one reverse pass for each random projection of an output predicts the
projection for every replacement of every value, and nothing is executed again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from gradcheck.trace.adjoints.reverse import Edge
from gradcheck.trace.locating.state import State
from gradcheck.trace.record.graph import bits_of
from gradcheck.trace.record.names import BILINEAR, LINEAR
from gradcheck.trace.record.nodes import Reference, operands_of


@dataclass(frozen=True)
class Reached:
    """The operations that a change of some values reaches.

    Attributes:
        order: all operations to execute again for the outputs, in order.
        region: the operations to execute again until the rest is linear; empty if all is linear.
        uses: the uses through which the change enters the linear part.
    """

    order: list[int]
    region: list[int]
    uses: list[Edge]


@dataclass(frozen=True)
class Linearity:
    """The linear parts of the tape of a state."""

    state: State

    @cached_property
    def arguments(self) -> list[list[int]]:
        """The operands of every node, with repetitions."""
        return [
            operands_of(node.arguments) + operands_of(dict(node.keywords))
            for node in self.state.tape
        ]

    def reached(self, nodes: Iterable[int], uses: Iterable[Edge] = ()) -> Reached:
        """Return the operations that changes of nodes, or of single uses, reach."""
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
            used = by_use.get(index, ())
            varying = [item for item in self.arguments[index] if item in moving or item in used]
            if not self._is_linear(index, varying):
                mask |= state.above[index]
        within = bits_of(mask, order[-1] + 1) if mask else []
        region = [index for index in order if mask and within[index] and index not in changed]
        inside = changed.union(region)
        leaving = {
            (user, operand)
            for operand in inside
            for user in state.live_consumers[operand]
            if user not in inside
        }
        leaving |= {
            (user, of) for user, used in by_use.items() if user not in inside for of in used
        }
        return Reached(order, region, sorted(leaving))

    @cached_property
    def always(self) -> frozenset[int]:
        """The operations that are linear in all their operands together."""
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
        numerator = node.arguments[0]
        is_numerator = isinstance(numerator, Reference) and numerator.index == varying[0]
        return name in BILINEAR or (name == "divide" and is_numerator)
