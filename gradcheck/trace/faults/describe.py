"""A fault, from what mends it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.trace import fault
from gradcheck.trace.adjoints.quantities import ADJOINT
from gradcheck.trace.causes.asking import cause_of
from gradcheck.trace.causes.at_hand import Written, constant_to_drop, what_to_write
from gradcheck.trace.causes.compared import Followed, same
from gradcheck.trace.causes.kinds import kind_of, named
from gradcheck.trace.fault import Cause, Entry, Fault, Step
from gradcheck.trace.faults.blame import Blame
from gradcheck.trace.faults.passes import passes_at, return_too_early
from gradcheck.trace.faults.special import Special
from gradcheck.trace.locating.state import State
from gradcheck.trace.locating.units import NODE, OWN, QUANTITY, REST, Mend, in_order
from gradcheck.trace.locating.view import View
from gradcheck.trace.record.graph import latest_first
from gradcheck.trace.record.places import Place
from gradcheck.trace.wording.loops import loop_around, loop_that_ran_once
from gradcheck.trace.wording.operand_text import assigned_value, name_of_operand
from gradcheck.trace.wording.parts import returned_place
from gradcheck.user.blocks import BARE

OF_PASSES = (fault.NOT_ACCUMULATED, fault.PASS_MISSING, fault.SOME_LEFT_OUT)
"""Causes that a loop has which ends too early."""

STEPS = 3
"""How many right values before the wrong one are told."""


def where_returned(search: Followed, view: View, mend: Mend) -> Place | None:
    """The place where another block's right gradient is handed back, if it is that."""
    if mend.unit.kind != NODE or mend.candidate is None:
        return None
    parameters = set(search.points[0].parameters.values())
    nodes = {
        one.node for one in view.explained.get(mend.unit.first, ()) if one.kind == ADJOINT
    } & parameters
    if not nodes or mend.candidate.node not in parameters or mend.candidate.node in nodes:
        return None
    block = _blocks(view.state, mend.outputs)[0]
    return returned_place(view.state.tape[mend.unit.first].chain, block)


def of_special(search: Followed, state: State, special: Special) -> tuple[Fault, State]:
    """The fault of a special kind, and the state with it mended."""
    mended = state.mend(special.replacements)
    blocks = _blocks(state, special.outputs)
    expression = special.blame.expression
    found = Fault(
        special.kind,
        special.blame.place,
        special.blame.also,
        expression,
        actual=expression,
        expected="" if special.expected is None or special.fix else f"dL/d{blocks[0]}",
        actual_value=special.actual,
        expected_value=special.expected,
        blocks=blocks,
        fix=special.fix,
    )
    return _told(found, search, state, mended, special.node, expression), mended


def of_mend(
    search: Followed, state: State, mend: Mend, blamed: Blame, outer: Mend | None = None
) -> tuple[Fault, State]:
    """The fault that a replacement mends, and the state with it mended.

    `outer` is a replacement of what is made of it, which may tell the cause.
    """
    mend = in_order(mend, state)
    mended = state.mend(mend.replacements)
    node, blocks = mend.unit.first, _blocks(state, mend.outputs)
    operand = name_of_operand(mend, state, blamed.place)
    told = assigned_value(blamed.expression) if operand is None else operand
    kind, is_now, should_be = kind_of(mend, search, state, blamed.expression)
    asked = (cause_of(one, search, state) for one in (outer, mend) if one is not None)
    cause = next(filter(None, asked), None)
    left = return_too_early(mend, blamed, state, search.words)
    if left is not None and (cause is None or cause.name in OF_PASSES):
        words = f"`{left[0].source}` ends the loop at line {left[1]} in its first pass"
        cause = Cause(
            fault.PASS_MISSING, words, f"write `{left[0].source}` one level further out", node
        )
        blamed = blamed.moved_to(left[0])
    elif cause is not None and outer is None:
        before, blamed = blamed, _of_cause(search, cause, blamed, state, node, blocks[0])
        if is_now == before.expression:
            is_now = blamed.expression
    right = replace(state, values=mended.values)
    named_there = search.points[0].gradient.tape.assignments
    written = what_to_write(mend, right, blamed.place, told, named_there)
    passes = passes_at(state, node)
    if mend.unit.kind == NODE and len(passes) > 1 and blamed.place == state.tape[node].place:
        written = Written()  # it says nothing of the others
    if cause is None and mend.how == QUANTITY:
        parameters = [
            [point.loss_nodes[index].value for point in search.points]
            for index in search.points[0].parameters.values()
        ]
        cause = written.cause(search.known, right, parameters)
    present = state.values[0][mend.unit.replaced[0]]
    values = (np.asarray(one[0]) for one in (mend.actual, mend.expected))
    actual, expected = (
        value.reshape(present.shape) if value.size == present.size else value for value in values
    )
    found = Fault(
        kind,
        blamed.place,
        blamed.also,
        blamed.expression,
        is_now,
        should_be,
        actual,
        expected,
        mend.factor,
        blocks=blocks,
        cause=cause,
        fix=_fix(mend, search, state, blamed.place, written.code, cause),
    )
    return _told(found, search, state, mended, node, told, present.shape), mended


def _fix(
    mend: Mend,
    search: Followed,
    state: State,
    place: Place | None,
    code: str,
    cause: Cause | None,
) -> str:
    """What to write: code, where what is at hand there makes it right; else in words."""
    known = "" if cause is None else cause.fix
    if mend.how == OWN and place is not None:
        return constant_to_drop(mend, state, place) or known
    factor = known.removeprefix("multiply by ")
    if code.startswith("multiply") and factor != known:
        return code if factor in code else f"{code}, {factor}"
    if code.startswith("add ") and known.startswith("add "):
        return f"{code}, {known.removeprefix('add ')}"
    is_code = (
        bool(code) and cause is not None and cause.name in (fault.TERM_MISSING, fault.TRANSPOSED)
    )
    if known and not is_code and not (code and known.startswith("use ")):
        return known
    wanted = None if mend.how == REST else mend.candidate
    if code or wanted is None:
        return code
    return search.words.way_back(*wanted.key)


def _of_cause(
    search: Followed, cause: Cause, blamed: Blame, state: State, node: int, block: str
) -> Blame:
    """The place that a cause speaks against, where that is not where the value is made."""
    if cause.taken_at is not None and _is_handed_over(search, cause.taken_at, state, node):
        return blamed.moved_to(state.tape[node].chain[1].place)
    if cause.node is not None and state.tape[cause.node].place is not None:
        return Blame.at(state.tape[cause.node].chain)
    if cause.name == fault.PENALTY_MISSING:
        place = returned_place(state.tape[node].chain, block)
        is_name = place is not None and place.source.isidentifier() and block != BARE
        if place is not None and not is_name:  # what has a name there was made before
            return blamed.moved_to(place)
    if cause.name in (fault.NOT_ACCUMULATED, fault.PASS_MISSING) and blamed.place is not None:
        once = cause.name == fault.NOT_ACCUMULATED
        place = blamed.place
        head = loop_that_ran_once(state.tape, place) if once else loop_around(place)
        if head is not None:
            return Blame(head, (blamed.place,))
    return blamed


def _is_handed_over(search: Followed, value: int, state: State, node: int) -> bool:
    """Whether the function that makes a value was given a value of the loss by its caller."""
    chain = state.tape[node].chain
    if len(chain) < 2:
        return False
    wanted = [point.loss_nodes[value].value for point in search.points]
    pending, seen = [node], set()
    while pending:
        made = state.tape[pending.pop()]
        if made.index in seen:
            continue
        seen.add(made.index)
        if made.chain[-len(chain) + 1 :] == chain[1:] and len(made.chain) >= len(chain):
            pending += made.operands  # made inside of the call
        elif same(state.at(made.index), wanted):
            return True
    return False


def _blocks(state: State, names: frozenset[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one.block for one in state.outputs if one.name in names))


def _told(
    found: Fault,
    search: Followed,
    state: State,
    mended: State,
    node: int,
    expression: str,
    shape: tuple[int, ...] | None = None,
) -> Fault:
    """The fault with an entry of its value, what is right before it, and what it mends."""
    outputs = search.points[0].outputs
    entry = _entry(expression, found.actual_value, found.expected_value, shape)
    passes = passes_at(state, node)
    if entry is not None and entry.passes == 1 and len(passes) > 1:
        entry = replace(entry, number=passes.index(node) + 1, passes=len(passes))
    return replace(
        found,
        entry=entry,
        before=_before(search, state, node),
        mended={name: mended.values[0][index] for name, index in outputs.items()},
    )


def _entry(
    expression: str,
    actual: NDArray[Any] | None,
    expected: NDArray[Any] | None,
    shape: tuple[int, ...] | None,
) -> Entry | None:
    """The entry with the largest difference; of a loop, with the pass that it is of."""
    if actual is None or expected is None or actual.shape != expected.shape or not actual.size:
        return None
    if not expression:
        return None
    if shape is None or actual.size == np.prod(shape) or actual.size % np.prod(shape):
        shape = actual.shape
    passes = actual.size // int(np.prod(shape))
    largest = int(np.argmax(np.abs(actual - expected)))
    number, *where = (int(i) for i in np.unravel_index(largest, (passes, *shape)))
    numbers = float(actual.flat[largest]), float(expected.flat[largest])
    return Entry(expression, tuple(where), *numbers, shape, number + 1, passes)


def _before(search: Followed, state: State, node: int) -> tuple[Step, ...]:
    """Right values that a value is made of, the last first."""
    found: list[Step] = []
    for made in latest_first(state.tape, state.tape[node].operands):
        if len(found) == STEPS:
            break
        if made.place is not None and not made.is_leaf:
            explained = search.known.explaining(state.at(made.index))
            words = named(explained, search.words)
            if words and words not in [step.words for step in found]:
                found.append(Step(made.place, words))
    return tuple(found)
