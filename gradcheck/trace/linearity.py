"""From where on a change of a value reaches the outputs by operations that are linear in it.

Where it does, one reverse pass for each random projection of an output tells, for every
replacement of every value, what the output will be, without executing anything again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from gradcheck.trace.names import BILINEAR, LINEAR
from gradcheck.trace.nodes import Reference, operands_of
from gradcheck.trace.operations import base_name
from gradcheck.trace.reverse import Edge
from gradcheck.trace.state import State

LINEAR_IN_ALL, LINEAR_IN_EACH, BENT, UNKNOWN = range(4)
"""In what an operation is linear: all operands, each alone, none; or it depends on which vary."""


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
        """The operands of every node that hold real numbers, with repetitions."""
        found: list[list[int]] = []
        for node in self.state.tape:
            found.append(operands_of(node.arguments) + operands_of(dict(node.keywords)))
        return found

    def reached(self, nodes: Iterable[int], uses: Iterable[Edge] = ()) -> Reached:
        """What is reached by changes of nodes, or of single uses."""
        state = self.state
        changed = set(nodes)
        by_use: dict[int, set[int]] = {}
        for consumer, operand in uses:
            by_use.setdefault(consumer, set()).add(operand)
        order = state.below([*changed, *by_use])
        moving = set(changed)
        bent: list[int] = []
        for index in order:
            if index in changed:
                continue
            varying = [
                operand
                for operand in self.arguments[index]
                if operand in moving or operand in by_use.get(index, ())
            ]
            if not varying and index not in by_use:
                continue
            moving.add(index)
            if self.bending[index] > LINEAR_IN_ALL and not self._is_linear(index, varying):
                bent.append(index)
        mask = 0
        for index in bent:
            mask |= state.above[index]
        region = [i for i in order if i not in changed and i in moving and mask >> i & 1]
        inside = set(region)
        leaving = [
            (index, operand)
            for index in order
            if index in moving and index not in changed and index not in inside
            for operand in dict.fromkeys(self.arguments[index])
            if operand in inside or operand in changed or operand in by_use.get(index, ())
        ]
        return Reached(order, region, leaving)

    @cached_property
    def bending(self) -> list[int]:
        """For every node, in what it is linear."""
        tape = self.state.tape
        found = []
        for node in tape:
            name = base_name(node)
            if not node.is_float or not all(tape[operand].is_float for operand in node.operands):
                found.append(UNKNOWN)
            elif name in LINEAR:
                found.append(LINEAR_IN_ALL)
            else:
                found.append(LINEAR_IN_EACH if name in BILINEAR or name == "divide" else BENT)
        return found

    def _is_linear(self, index: int, varying: list[int]) -> bool:
        tape, bending = self.state.tape, self.bending[index]
        node = tape[index]
        if bending == UNKNOWN:
            if not node.is_float or any(not tape[operand].is_float for operand in varying):
                return False
            if base_name(node) in LINEAR:
                return True
        if len(varying) != 1 or bending == BENT:
            return False
        name = base_name(node)
        if name in BILINEAR:
            return True
        over = node.arguments[0]
        return name == "divide" and isinstance(over, Reference) and over.index == varying[0]
