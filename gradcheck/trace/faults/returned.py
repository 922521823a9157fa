"""Faults of what is returned: a right gradient in the wrong place, or none where there is one."""

from __future__ import annotations

import re
from collections.abc import Sequence, Set
from dataclasses import replace

import numpy as np

from gradcheck.arrays import proportion, wide
from gradcheck.trace import fault
from gradcheck.trace.adjoints.operations import ELEMENTWISE
from gradcheck.trace.adjoints.points import Point
from gradcheck.trace.causes.compared import same
from gradcheck.trace.faults.blame import Blame
from gradcheck.trace.faults.special import Special, chosen, put_right
from gradcheck.trace.locating.outputs import Output
from gradcheck.trace.locating.state import State
from gradcheck.trace.locating.view import View
from gradcheck.trace.record.names import MOVES
from gradcheck.trace.record.nodes import OUTPUT, Assignment, Node, operands_of
from gradcheck.trace.record.places import Place
from gradcheck.trace.wording.operand_text import with_place
from gradcheck.trace.wording.parts import return_statement, returned_place
from gradcheck.trace.wording.words import assigned_name

EXACT = 1e-9
"""The relative error of a right gradient; one by differences, made beside it, is off by more."""

WRITTEN = re.compile(r"([\w.]+)(?:\[.*\]$|\[.*\] [+-]= | [+-]= )")
"""The name in a statement that writes into an array, or adds to a value."""


def not_returned(
    view: View, wrong: frozenset[str], points: Sequence[Point], assignments: Sequence[Assignment]
) -> Special | None:
    """Find a right gradient that is computed, and not returned."""
    state = view.state
    return _nothing_returned(state, wrong, points) or _another_returned(state, wrong, assignments)


def place_of_exchange(state: State, output: Output, node: Node) -> Place | None:
    """Return where a right gradient is returned for another block, which has its own elsewhere."""
    place = returned_place(node.chain, output.block)
    others = (state.at(one.node) for one in state.outputs if one.name != output.name)
    is_elsewhere = any(same(values, output.true, EXACT) for values in others)
    return place or (return_statement(node.chain) if is_elsewhere else None)


def _nothing_returned(
    state: State, wrong: frozenset[str], points: Sequence[Point]
) -> Special | None:
    """Find a gradient that is computed and does not reach the returned value."""
    dead = _dead(state)
    for output in chosen(state, wrong):
        returned = state.values[0][output.node]
        if np.any(output.part(returned)) or output.entries is not None:
            continue
        if returned.ndim and not returned.size:
            continue  # empty: its shape is what is wrong
        if output.block not in points[0].parameters:
            continue
        true = list(output.true)
        parameters = [
            wide(point.loss_nodes[point.parameters[output.block]].value) for point in points
        ]
        for node in reversed(dead):
            actual = [wide(value) for value in state.at(node.index)]
            if actual[0].shape != true[0].shape or not np.any(actual[0]):
                continue
            steps = [value - weights for value, weights in zip(actual, parameters, strict=True)]
            ways = (actual, steps)
            if not any(np.any(way[0]) and proportion(way, true, 1e-6) is not None for way in ways):
                continue
            special = put_right(fault.NOT_RETURNED, Blame(node.place), node.index, output, state)
            return replace(special, actual=actual[0], expected=true[0])
    return None


def _dead(state: State) -> list[Node]:
    """Return the values that no output depends on."""
    made = [node for node in state.tape if not node.is_leaf and node.is_float]
    return [one for one in made if one.name != OUTPUT and not state.live >> one.index & 1]


def _name_of(place: Place) -> str:
    """Return the name that a statement gives to a value, or of the array it writes into, or ''."""
    written = WRITTEN.match(place.source)
    return assigned_name(place) or (written[1] if written else "")


def _another_returned(
    state: State, wrong: frozenset[str], assignments: Sequence[Assignment]
) -> Special | None:
    """Find a right gradient with a name that is not used, where another value is returned."""
    dead = [node for node in _dead(state) if node.place is not None]
    outputs = [one for one in chosen(state, wrong) if one.entries is None and np.any(one.true[0])]
    computed = [_as_computed(output, state) for output in outputs] if dead else []
    for output, made in zip(outputs, computed, strict=False):
        named = _named_wrongly(made, assignments, {one.index for one in computed})
        for node in reversed(dead):
            if not same(state.at(node.index), output.true, EXACT):
                continue
            place, right = named or returned_place(node.chain, output.block), node.place
            if place is None or right is None or place.function != right.function:
                continue
            name = _name_of(right)
            if name and name != place.source and made.place is not None:
                return replace(
                    put_right(fault.OTHER_OPERAND, Blame(place), made.index, output, state),
                    actual=state.values[0][made.index],
                    expected=output.true[0],
                    words=f"`{place.source}` is returned, and `{name}` (line {right.line}), "
                    "which is not used, is right",
                    fix=f"return `{name}`",
                )
    return None


def _of_that_shape(node: Node, view: View) -> Node | None:
    """Return the computed operand from which an operation on entries has its shape; or None.

    A value that the loss uses has its own shape, and a sum over passes that of what it adds.
    """
    if not (node.operation in ELEMENTWISE or (node.operation in MOVES and len(node.operands) == 1)):
        return None
    operands = (view.state.tape[one] for one in node.operands if not view.explained.get(one))
    alike = [
        one
        for one in operands
        if one.value.shape == node.value.shape and not one.is_leaf and one.in_loop != node.in_loop
    ]
    return alike[0] if len(alike) == 1 else None


def wrong_shape(
    view: View, wrong: frozenset[str], assignments: Sequence[Assignment]
) -> Special | None:
    """Find the operation that made an output of another shape than its block."""
    state, tape = view.state, view.state.tape
    misshapen = [
        (output, _as_computed(output, state))
        for output in chosen(state, wrong)
        if not output.has_shape(state.values[0][output.node])
    ]
    for output, node in misshapen:
        others = (one for one in tape if one.chain and one.name != OUTPUT)
        is_right = any(node.index in operands_of(one.arguments) for one in others)
        is_right |= bool(view.explained.get(node.index))
        named = _named_wrongly(node, assignments, {made.index for _, made in misshapen})
        while not is_right and (above := _of_that_shape(node, view)) is not None:
            node = above
        place = node.place
        if place is None or is_right:  # returning it is wrong
            last = next((one for one in reversed(tape) if one.chain), node)
            exchanged = place_of_exchange(state, output, node if node.chain else last)
            place = named or exchanged or place
        special = put_right(fault.WRONG_SHAPE, Blame(place), node.index, output, state)
        actual = state.values[0][output.node]
        return replace(special, actual=actual, expected=output.true[0], fix=_fix_of_empty(node))
    return None


def _fix_of_empty(node: Node) -> str:
    """Return what to write for a slice that ends at -0, as `pad:-pad` does without a margin."""
    key = node.arguments[1] if node.operation == "getitem" and not node.value.size else ()
    parts = key if isinstance(key, tuple) else (key,)
    if not any(isinstance(part, slice) and part.stop == 0 for part in parts):
        return ""
    return f"`{node.source}` ends at -0, which is 0, before all entries: end it at start + length"


def _as_computed(output: Output, state: State) -> Node:
    """Return the operation that an output comes from, without the checker's own after it."""
    node = with_place(state, state.tape[output.node])
    return state.tape[node.operands[0]] if node.name == OUTPUT and node.operands else node


def _named_wrongly(
    node: Node, assignments: Sequence[Assignment], misshapen: Set[int]
) -> Place | None:
    """Return where a value got its last name, or a helper returned it; None if it does so rightly.

    A helper whose other calls return at the same place what is right is right.
    """
    named = [one for one in assignments if one.node == node.index]
    if named and named[-1].returned and not named[-1].is_argument:
        alike = (one.node for one in assignments if one.place == named[-1].place)
        return named[-1].place if set(alike) <= misshapen else None
    return named[-1].place if named else None
