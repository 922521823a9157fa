"""The values that wrong outputs depend on, and the known quantities that they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gradcheck.arrays import same_arrays
from gradcheck.trace.adjoints.quantities import ADJOINT, SLOPE, VALUE, Quantity
from gradcheck.trace.locating.explain import Known
from gradcheck.trace.locating.state import State
from gradcheck.trace.record.graph import grouped
from gradcheck.trace.record.nodes import OUTPUT, Node

PASSES, ENDS = 8, 2
"""In a loop of at least so many passes, single passes are tried only so near to both ends."""


@dataclass(frozen=True)
class View:
    """What is known about the values of a state that the wrong outputs depend on.

    Attributes:
        state: the state.
        order: the indices of these values, from the judged call on.
        explained: by index, the known quantities that a value is.
        carrying: the values that carry an adjoint: they are one, or are computed from one.
        additive: forward values that are added to adjoints, such as the terms of penalties.
    """

    state: State
    order: list[int]
    explained: dict[int, list[Quantity]]
    carrying: frozenset[int]
    additive: frozenset[int]

    @cached_property
    def inner_passes(self) -> frozenset[int]:
        """The values of a long loop between its first and last passes.

        They come from the same source as the others: a bug in a single pass is one at an end.
        """
        passes = grouped((self.state.tape[index].in_loop, index) for index in self.order)
        return frozenset(
            index
            for members in passes.values()
            if len(members) >= PASSES
            for index in members[ENDS:-ENDS]
        )

    def is_known(self, index: int) -> bool:
        """True if a value is a value or an adjoint of the loss, or all zeros."""
        return self.is_nothing(index) or any(
            known.kind in (VALUE, ADJOINT) for known in self.explained.get(index, ())
        )

    def is_nothing(self, index: int) -> bool:
        """True if a value is all zeros, and no step that was too small to move its parameter."""
        return self._is_zero(index) and not self._is_implied(index)

    def is_unmoved(self, index: int) -> bool:
        """True for the gradient that a step implies, (old - new) / rate, where it is all zeros."""
        return self._is_zero(index) and self._is_implied(index)

    def _is_zero(self, index: int) -> bool:
        return not any(map(np.any, self.state.at(index)))

    def _is_implied(self, index: int) -> bool:
        node = self.state.tape[index]
        if node.name == OUTPUT:
            node = self.state.tape[node.operands[0]]
        return node.place is None and node.operation == "divide"

    def is_right_forward(self, index: int) -> bool:
        """True if a value of the gradient is a value of the loss, and not an adjoint."""
        return index not in self.carrying and any(
            known.kind == VALUE for known in self.explained.get(index, ())
        )

    def is_idle(self, index: int) -> bool:
        """True if an operation changes nothing, as `1 * x` where a factor was dropped.

        What is added first to a sum of 0, by `+=`, belongs there.
        """
        node = self.state.tape[index]
        is_other = node.operation not in ("multiply", "divide", "add", "subtract")
        if is_other or (node.operation == "add" and "+=" in node.source):
            return False
        return any(self.is_same(index, operand) for operand in node.operands)

    def is_same(self, index: int, operand: int) -> bool:
        """True if an operation returns its operand unchanged, as `abs` of positive numbers."""
        return same_arrays(self.state.at(index), self.state.at(operand))

    def may_be_replaced_in_use(self, index: int) -> bool:
        """True if a value is right for something, so that a single use of it may be wrong."""
        node = self.state.tape[index]
        return node.is_float and (node.is_leaf or bool(self.explained.get(index)))


def view_of(state: State, wrong: frozenset[str], known: Known) -> View:
    """Look up the values that the wrong outputs of a state depend on."""
    mask = state.outputs_made_of(wrong)
    up = [node.index for node in state.tape if mask >> node.index & 1]
    several = [state.at(index) for index in up]
    explained = dict(zip(up, known.explaining_each(several, exact_values=True), strict=True))
    for index in up:
        if _adds_up_values(state.tape[index], state, explained):
            # a derivative may be a multiple of it by chance
            explained[index] = [one for one in explained[index] if one.kind == VALUE]
    carrying = _carrying(state, explained)
    for index in carrying & explained.keys():
        # a value computed from an adjoint is no slope, even of an elementwise loss
        explained[index] = [known for known in explained[index] if known.kind != SLOPE]
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


def _adds_up_values(node: Node, state: State, explained: Mapping[int, Sequence[Quantity]]) -> bool:
    """True for a sum of a value that the loss computes, and that is no adjoint."""
    if node.operation not in ("sum", "mean") or not node.operands:
        return False
    kinds = {known.kind for known in explained.get(node.operands[0], ())}
    return VALUE in kinds and ADJOINT not in kinds and not state.tape[node.operands[0]].is_leaf


def _carrying(state: State, explained: dict[int, list[Quantity]]) -> frozenset[int]:
    carrying: set[int] = set()
    for node in state.tape:
        kinds = {known.kind for known in explained.get(node.index, ())}
        if node.is_leaf:
            mended = node.index in state.mended
            if ADJOINT in kinds and (mended or VALUE not in kinds):
                carrying.add(node.index)
            continue
        if not node.is_float and node.value.dtype != bool:
            continue
        inherits = any(operand in carrying for operand in node.operands)
        if inherits or (ADJOINT in kinds and varies(state, node.index)):
            carrying.add(node.index)
    return frozenset(carrying)


def varies(state: State, index: int) -> bool:
    """True if a value is not the same number in all entries and at all points."""
    # booleans have no difference
    numbers = np.concatenate([np.ravel(value) for value in state.at(index)]) + 0.0
    return bool(numbers.size and np.ptp(numbers) > 0)
