"""What is known about the values that wrong outputs are made of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gradcheck.arrays import same_arrays
from gradcheck.trace.adjoints.quantities import ADJOINT, SLOPE, VALUE, Quantity
from gradcheck.trace.locating.explain import Known
from gradcheck.trace.locating.state import State


@dataclass(frozen=True)
class View:
    """What is known about the values of a state that the wrong outputs are made of.

    Attributes:
        order: the indices of those values, from the judged call on.
        explained: what each of them is, by index.
        carrying: the values that carry an adjoint: that are one, or descend from one.
        additive: forward values that are added to adjoints: the terms of penalties.
    """

    state: State
    order: list[int]
    explained: dict[int, list[Quantity]]
    carrying: frozenset[int]
    additive: frozenset[int]

    def is_known(self, index: int) -> bool:
        """Whether a value is a value or an adjoint of the loss; or nothing but zeros."""
        return self.is_nothing(index) or any(
            one.kind in (VALUE, ADJOINT) for one in self.explained.get(index, ())
        )

    def is_nothing(self, index: int) -> bool:
        """Whether a value is nothing but zeros."""
        return not any(map(np.any, self.state.at(index)))

    def is_right_forward(self, index: int) -> bool:
        """Whether it is a value of the loss, and no adjoint."""
        return index not in self.carrying and any(
            one.kind == VALUE for one in self.explained.get(index, ())
        )

    def is_idle(self, index: int) -> bool:
        """Whether an operation changes nothing: what is left of one whose operand was dropped."""
        node = self.state.tape[index]
        return node.operation in ("multiply", "divide", "add", "subtract") and any(
            self.is_same(index, operand) for operand in node.operands
        )

    def is_same(self, index: int, operand: int) -> bool:
        """Whether an operation hands its operand on, as an absolute value of what is positive."""
        return same_arrays(self.state.at(index), self.state.at(operand))

    def may_be_replaced_in_use(self, index: int) -> bool:
        """Whether a value is right for something, so that one use of it may be the wrong one."""
        node = self.state.tape[index]
        return node.is_float and (node.is_leaf or bool(self.explained.get(index)))


def view_of(state: State, wrong: frozenset[str], known: Known) -> View:
    """What is known about a state."""
    mask = state.outputs_made_of(wrong)
    up = [node.index for node in state.tape if mask >> node.index & 1]
    several = [state.at(index) for index in up]
    explained = dict(zip(up, known.explaining_each(several, exact_values=True), strict=True))
    carrying = _carrying(state, explained)
    for index in carrying & explained.keys():
        # what is made of an adjoint is no slope, even where the loss is elementwise to its end
        explained[index] = [one for one in explained[index] if one.kind != SLOPE]
    order = [index for index in up if index >= state.start]
    additive = frozenset(
        operand
        for index in order
        if state.tape[index].operation in ("add", "subtract", "add.at") and index in carrying
        for operand in state.tape[index].operands
        if operand not in carrying
        and not state.tape[operand].is_leaf
        and any(other in carrying for other in state.tape[index].operands)
    )
    return View(state, order, explained, carrying, additive)


def _carrying(state: State, explained: dict[int, list[Quantity]]) -> frozenset[int]:
    found: set[int] = set()
    for node in state.tape:
        kinds = {one.kind for one in explained.get(node.index, ())}
        if node.is_leaf:
            mended = node.index in state.mended
            if ADJOINT in kinds and (mended or VALUE not in kinds):
                found.add(node.index)
            continue
        if not node.is_float:
            continue
        inherits = any(operand in found for operand in node.operands)
        if inherits or (ADJOINT in kinds and _varies(state, node.index)):
            found.add(node.index)
    return frozenset(found)


def _varies(state: State, index: int) -> bool:
    """Whether a value is anything but one number, everywhere and at all points."""
    numbers = np.concatenate([np.ravel(value) for value in state.at(index)])
    return bool(numbers.size and np.ptp(numbers) > 0)
