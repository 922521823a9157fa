"""Choose which of two replacements that mend the same outputs shows the place of the bug."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.arrays import proportion, same_arrays
from gradcheck.trace.adjoints.quantities import ADJOINT, CONTRIBUTION, SLOPE, VALUE
from gradcheck.trace.locating.constants import is_odd
from gradcheck.trace.locating.state import State
from gradcheck.trace.locating.units import NODE, USE, Mend, Unit
from gradcheck.trace.locating.view import View, varies
from gradcheck.trace.record.graph import latest_first
from gradcheck.trace.record.nodes import Node, operands_of


def carries(unit: Unit, view: View) -> bool:
    """True if each replaced value carries an adjoint, or is added to one, or is but a constant."""
    is_constant = unit.is_series and not any(varies(view.state, one) for one in unit.replaced)
    return is_constant or all(
        index in view.carrying or (bool(unit.nodes) and index in view.additive)
        for index in unit.replaced
    )


def already_right(mend: Mend, view: View) -> tuple[set[int], bool]:
    """Return the values of the loss for which the replaced values are already right.

    Of adjoints these are the values that they are the adjoints of. The second result is True if,
    over a loop, each replaced value is at least a contribution to an adjoint.
    """
    if mend.candidate is None:
        return set(), False
    if mend.candidate.kind not in (ADJOINT, CONTRIBUTION):
        explained = view.explained.get(mend.unit.first, ()) if mend.unit.kind == NODE else ()
        return {known.node for known in explained if known.kind in (SLOPE, VALUE)}, False
    if not any(varies(view.state, index) for index in mend.unit.replaced):
        return set(), False  # a constant is a multiple of any other
    adjoints: set[int] = set()
    kinds = []
    for index in mend.unit.replaced:
        explained = view.explained.get(index, ())
        adjoints |= {known.node for known in explained if known.kind == ADJOINT}
        kinds.append({known.kind for known in explained})
    if not all(ADJOINT in kind or CONTRIBUTION in kind for kind in kinds):
        return set(), False
    is_part = any(CONTRIBUTION in kind for kind in kinds)
    return (adjoints if all(ADJOINT in kind for kind in kinds) else set()), is_part


def spoils(mend: Mend, view: View) -> bool:
    """True if a mend makes right derivatives wrong on every path to the outputs."""
    if mend.candidate is None:
        return False
    state = view.state
    uses = mend.unit.uses or tuple(
        (consumer, one)
        for one in mend.unit.nodes
        for consumer in state.consumers[one]
        if _is_quotient(state.tape[one], state.tape[consumer], state)
    )
    if len(uses) < sum(len(state.consumers[one]) for one in mend.unit.nodes):
        return False
    ends = {output.node for output in state.outputs}
    # slicing and joining leaves the replaced quantity the same quantity
    present = {known.node for _, used in uses for known in view.explained.get(used, ())}
    # a product with a number stays explained, whatever the number is
    scaled = {
        consumer
        for consumer, used in uses
        if state.tape[used].value.size == 1 < state.tape[consumer].value.size
    }
    pending, seen = [consumer for consumer, _ in uses], set()
    spoiled = False
    while pending:
        index = pending.pop()
        if index in seen:
            continue
        seen.add(index)
        if index in view.carrying - scaled and any(
            known.kind == ADJOINT and (known.node not in present or index in ends)
            for known in view.explained.get(index, ())
        ):
            spoiled = True
            continue
        if index in ends or not state.consumers[index]:
            return False
        pending += state.consumers[index]
    return spoiled


def _is_quotient(made: Node, consumer: Node, state: State) -> bool:
    """True if a value is divided by another array, as on its way back through a logarithm."""
    others = [one for one in consumer.operands if one != made.index]
    return (
        consumer.operation == "divide"
        and operands_of(consumer.arguments[0]) == [made.index]
        and any(state.tape[one].value.size > 1 for one in others)
    )


def is_better(mend: Mend, held: Mend, view: View, held_is: set[int], is_part: bool) -> bool:
    """True if a later mend is to blame instead of the held one, whose value is right for something.

    `held_is` and `is_part` are what `already_right` returns for the held one.
    """
    unit, candidate = mend.unit, mend.candidate
    if candidate is None:
        return False
    below = frozenset(view.state.below([held.unit.first]))
    explained = [bool(view.explained.get(index)) for index in unit.replaced]
    is_wanted_of_both = held.candidate is not None and held.candidate.key == candidate.key
    if is_wanted_of_both and unit.nodes and unit.first in below and candidate.kind != ADJOINT:
        return not all(explained)
    if is_wanted_of_both and unit.first not in below and same_arrays(held.actual, mend.actual):
        return True  # the later of two equal values is the copy
    if _lacks_a_path(held, candidate.node, view):
        return False
    if (
        is_wanted_of_both
        and candidate.kind == ADJOINT
        and _is_used_too_early(mend, held, below, view)
    ):
        return True
    if candidate.kind in (VALUE, SLOPE):
        if carries(unit, view):
            return False
        at_same = any(
            known.kind == SLOPE and known.other == candidate.other
            for index in unit.replaced
            for known in view.explained.get(index, ())
        )
        of_adjoint = held.candidate is not None and held.candidate.kind != SLOPE
        if candidate.kind == SLOPE and at_same and of_adjoint:
            return False
        if _cancels(mend, view):
            return False
        return bool(unit.uses) or (unit.first not in below and not all(explained))
    if candidate.kind == ADJOINT and unit.nodes and unit.first in below:
        if is_odd(held.factor) and not is_odd(mend.factor):
            return True  # an adjoint times a size is more plausible than times an odd constant
        if _stood_before(unit, candidate.node, view):
            return True
        if held.candidate is not None and held.candidate.kind == SLOPE:
            return False  # a slope in place of a slope is more specific than the adjoint after it
        places = {view.state.tape[index].chain for index in held.unit.replaced}
        of_passes = is_part and held.unit.is_series and len(places) == 1  # not of several calls
        if of_passes or (held.candidate is not None and held.candidate.node == candidate.node):
            return not all(explained)  # both expect the same: it becomes wrong in between
        return not all(explained) and not _is_made_of(unit, held, view, held_is)
    return False


def _is_used_too_early(mend: Mend, held: Mend, below: frozenset[int], view: View) -> bool:
    """True if one use of the held value has it for the adjoint that is made of it elsewhere.

    Put into its place, that adjoint mends as well where its making changes it no more, as a mask.
    """
    used = set(mend.unit.replaced)
    if mend.unit.kind != USE or not used <= set(held.unit.replaced):
        return False
    state, wanted = view.state, mend.expected
    after = state.below([consumer for consumer, _ in mend.unit.uses])
    return any(
        state.tape[index].value.size == wanted[0].size
        and all(map(_are_near, state.at(index), wanted))
        for index in below.difference(used, after)
    )


def _are_near(one: NDArray[Any], other: NDArray[Any]) -> bool:
    return np.allclose(np.ravel(one), other, 1e-9, 0)


def _lacks_a_path(mend: Mend, other: int, view: View) -> bool:
    """True if a value is a part of the adjoint that mends it as it is, and not that of `other`."""
    wanted = mend.candidate
    if wanted is None or wanted.kind != ADJOINT or mend.unit.kind != NODE or mend.factor != 1:
        return False
    if wanted.node == other:
        return False
    parts = (one for one in view.explained.get(mend.unit.first, ()) if one.kind == CONTRIBUTION)
    return any(part.node == wanted.node for part in parts)


def _cancels(mend: Mend, view: View) -> bool:
    """True if a mend makes the factors beside a right adjoint 1: they are too much, all of them."""
    with np.errstate(all="ignore"):
        more = [new / old for new, old in zip(mend.expected, mend.actual, strict=True)]
        for product in _products_after(mend, view):
            pairs = zip(view.state.at(product), more, strict=True)
            now = [value * times.reshape(value.shape) for value, times in pairs]
            for factor in _factors(product, view):
                is_right = any(one.kind == ADJOINT for one in view.explained.get(factor, ()))
                if is_right and proportion(now, view.state.at(factor)):
                    return True
    return False


def _products_after(mend: Mend, view: View) -> Iterator[int]:
    """Yield the products of the same size that uses go into, each once."""
    state, seen = view.state, set[int]()
    pending = [consumer for consumer, _ in mend.unit.uses]
    while pending:
        made = state.tape[pending.pop()]
        if made.index in seen or made.operation != "multiply":
            continue
        seen.add(made.index)
        if made.value.size == mend.actual[0].size:
            yield made.index
            pending += state.consumers[made.index]


def _stood_before(unit: Unit, node: int, view: View) -> bool:
    """True if a product has the right adjoint of a value as a factor, which then is multiplied."""
    return any(
        known.kind == ADJOINT and known.node == node
        for made in unit.nodes
        for factor in _factors(made, view)
        for known in view.explained.get(factor, ())
    )


def _factors(product: int, view: View) -> Iterator[int]:
    """Return the factors of a product, and theirs, each once."""
    made = latest_first(
        view.state.tape, [product], lambda one: one.operands if one.operation == "multiply" else ()
    )
    return (node.index for node in made if node.index != product)


def _is_made_of(unit: Unit, held: Mend, view: View, held_is: set[int]) -> bool:
    """True if a value depends on the held one with no other right adjoint in between."""
    ends = set(held.unit.replaced)
    pending, seen = list(unit.nodes), set()
    while pending:
        for operand in view.state.tape[pending.pop()].operands:
            if operand in ends:
                return True
            is_adjoint = any(
                known.kind == ADJOINT and known.node not in held_is
                for known in view.explained.get(operand, ())
            )
            if operand not in seen and operand in view.carrying and not is_adjoint:
                seen.add(operand)
                pending.append(operand)
    return False
