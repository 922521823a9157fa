"""Causes: a parameter that the update has changed before it is used."""

from __future__ import annotations

import itertools

import numpy as np

from gradcheck.arrays import proportion
from gradcheck.trace import fault
from gradcheck.trace.causes.compared import Arrays, Compared, Followed, less, same
from gradcheck.trace.fault import Cause
from gradcheck.trace.locating.state import State
from gradcheck.trace.locating.units import Mend
from gradcheck.trace.record.graph import before_moves, carried, latest_first
from gradcheck.trace.record.names import MOVES
from gradcheck.trace.record.nodes import Node
from gradcheck.trace.wording.words import Words

MOST_ABOVE = 100
"""How many operations are searched for a parameter that has been updated."""

FEWEST_MOVED = 6
"""So many entries lie on one side of another matrix by chance once in sixty-four times at most, and
at all points more seldom."""


def left_cause(mend: Mend, search: Followed, state: State) -> Cause | None:
    """Return the cause if what is to be nothing reaches the outputs by a parameter's update."""
    made: set[int] = set()
    found: int | None = None
    uses = set(mend.unit.uses)
    first, operand = min(uses)
    # what a sum had in it before is a leaf, and left over by an earlier pass
    last = first + 1 if state.tape[operand].is_leaf else None
    for node in state.tape[first:last]:
        from_it = {one for one in node.operands if one in made or (node.index, one) in uses}
        if not from_it:
            continue
        updates = _updates(node, from_it, search, state)
        found = updates if found is None else found
        if updates is None:
            made.add(node.index)
    reaches = any(one.name in mend.outputs and one.node in made for one in state.outputs)
    return None if found is None or reaches else updated(search.words, found)


def _updates(node: Node, by: set[int], search: Followed, state: State) -> int | None:
    """Return the parameter that a node adds some operands to, or subtracts them from; or None."""
    if node.operation not in ("add", "subtract"):
        return None
    for other in set(node.operands) - by:
        values = state.at(other)
        for index in search.points[0].parameters.values():
            if same(values, [point.loss_nodes[index].value for point in search.points]):
                return index
    return None


def before(compared: Compared) -> int | None:
    """Return the parameter that a value is computed from after its gradient step; or None."""
    state, points = compared.state, compared.points
    above = latest_first(state.tape, [compared.operand], lambda node: node.operands)
    for node in itertools.islice(above, MOST_ABOVE):
        for leaf, name in compared.parameters.items():
            if (
                node.value.shape != compared.loss_nodes[leaf].value.shape
                or name not in points[0].true
            ):
                continue
            moved = less(compared.values(leaf), state.at(node.index))
            if proportion(moved, [point.true[name] for point in points], 1e-6):
                return leaf
    return None


def updated(words: Words, parameter: int) -> Cause:
    """Return the cause of a parameter that is used after its update."""
    name = words.name(parameter)
    fix = f"use {name} as it was before the update"
    return Cause(fault.UPDATED_WEIGHTS, f"{name} has been updated already", fix)


def is_updated(compared: Compared, belongs: int) -> bool:
    """True if the wrong value is a parameter, or a part of one, after a gradient step."""
    leaf = before_moves(compared.loss_nodes, belongs)
    name = compared.parameters.get(leaf)
    is_moved = compared.state.tape[compared.operand].operation in MOVES
    if name is None or name not in compared.points[0].true:
        return False
    if not (compared.is_use or is_moved):
        return False
    steps = [
        carried(point.loss_nodes, values, {leaf: point.true[name]}, belongs)[belongs]
        for point in compared.points
        for values in [[node.value for node in point.loss_nodes]]
    ]
    moved = less(compared.expected, compared.actual)
    parts = [steps, [step.T for step in steps]]
    if moved[0].size == 1:
        parts += [[step.flat[entry] for step in steps] for entry in range(steps[0].size)]
    return any(
        proportion(moved, part, 1e-6) is not None or _downhill(moved, part) for part in parts
    )


def _downhill(moved: Arrays, steps: Arrays) -> bool:
    """True if every entry moved against its slope, by whatever: no other weights lie so."""
    if moved[0].shape != steps[0].shape or moved[0].size < FEWEST_MOVED:
        return False
    return all(bool(np.all(one * step > 0)) for one, step in zip(moved, steps, strict=True))
