"""Make the fault that a mend shows."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.trace import fault
from gradcheck.trace.adjoints.quantities import ADJOINT
from gradcheck.trace.causes.asking import cause_of, redone_cause_of
from gradcheck.trace.causes.at_hand import what_to_write
from gradcheck.trace.causes.compared import Followed, same
from gradcheck.trace.causes.constant_factors import constant_to_drop
from gradcheck.trace.causes.kinds import kind_of, named
from gradcheck.trace.causes.other_slopes import is_vague
from gradcheck.trace.causes.written import Written
from gradcheck.trace.fault import Cause, Entry, Fault, Step
from gradcheck.trace.faults.blame import Blame, outside_the_loss
from gradcheck.trace.faults.left_out import with_left_out
from gradcheck.trace.faults.namings import as_named
from gradcheck.trace.faults.passes import kept_by, return_too_early
from gradcheck.trace.faults.returned import place_of_exchange
from gradcheck.trace.faults.special import Special, ends_the_loop
from gradcheck.trace.locating.state import State
from gradcheck.trace.locating.units import NODE, OWN, QUANTITY, REST, Mend, in_order
from gradcheck.trace.locating.view import View
from gradcheck.trace.record.graph import before_moves, latest_first, repetitions
from gradcheck.trace.record.places import Place
from gradcheck.trace.wording.loops import loop_around, loop_that_ran_once
from gradcheck.trace.wording.operand_text import assigned_value, name_of_operand
from gradcheck.trace.wording.parts import returned_place
from gradcheck.user.blocks import BARE

OF_PASSES = (fault.NOT_ACCUMULATED, fault.PASS_MISSING, fault.SOME_LEFT_OUT)
"""Causes that a loop which ends too early may have."""

STEPS = 3
"""The number of right values before the wrong one that a fault names."""


def where_returned(search: Followed, view: View, mend: Mend) -> Place | None:
    """Return the place where a right gradient is returned for the wrong block, or None."""
    if mend.unit.kind != NODE or mend.candidate is None:
        return None
    parameters = set(search.points[0].parameters.values())
    explained = view.explained.get(mend.unit.first, ())
    nodes = {known.node for known in explained if known.kind == ADJOINT} & parameters
    if not nodes or mend.candidate.node not in parameters or mend.candidate.node in nodes:
        return None
    outputs = [one for one in view.state.outputs if one.name in mend.outputs]
    return place_of_exchange(view.state, outputs[0], view.state.tape[mend.unit.first])


def of_special(search: Followed, state: State, special: Special) -> tuple[Fault, State]:
    """Return the fault of a special kind, and the state with it mended."""
    mended = state.mend(special.replacements)
    blocks = _blocks(state, special.outputs)
    expression = special.blame.expression
    bare = Fault(
        special.kind,
        special.blame.place,
        special.blame.also,
        expression,
        actual=expression,
        expected="" if special.expected is None or special.fix else f"dL/d{blocks[0]}",
        actual_value=special.actual,
        expected_value=special.expected,
        blocks=blocks,
        cause=Cause(special.kind, special.words) if special.words else None,
        fix=special.fix,
    )
    bare = with_left_out(search, bare)
    return _completed(bare, search, state, mended, special.node, expression), mended


def of_mend(
    search: Followed, state: State, mend: Mend, blamed: Blame, outer: Mend | None = None
) -> tuple[Fault, State]:
    """Return the fault that a replacement mends, and the state with it mended.

    `outer` is a replacement of a value computed from the wrong one; it may show the cause.
    """
    mend = as_named(in_order(mend, state), search, state)
    mended = state.mend(mend.replacements)
    node, blocks = mend.unit.first, _blocks(state, mend.outputs)
    blamed = outside_the_loss(blamed, state.tape[node], state, search.words)
    operand = name_of_operand(mend, state, blamed.place)
    text = assigned_value(blamed.value) if operand is None else operand
    kind, is_now, should_be = kind_of(mend, search, state, blamed.value)
    causes = (cause_of(each, search, state) for each in (outer, mend) if each is not None)
    cause = next(filter(None, causes), None)
    early = return_too_early(mend, blamed, state, search.words)
    if early is not None and (cause is None or cause.name in OF_PASSES):
        cause = Cause(fault.PASS_MISSING, *ends_the_loop(*early), node)
        blamed = blamed.moved_to(early[0])
    elif cause is not None and outer is None:
        before, blamed = blamed, _of_cause(search, cause, blamed, state, mend, blocks[0])
        blamed = outside_the_loss(blamed, state.tape[node], state, search.words)
        if is_now == before.expression:
            is_now = blamed.expression
    right = replace(state, values=mended.values)
    written = _written(search, right, mend, blamed.place, text)
    divided = cause is not None and is_vague(cause) and written.code.startswith("divide")
    if (cause is None or divided) and mend.how in (QUANTITY, REST):
        parameters = [
            [point.loss_nodes[index].value for point in search.points]
            for index in search.points[0].parameters.values()
        ]
        cause = written.cause(search.known, right, parameters)
    present = state.values[0][mend.unit.replaced[0]]
    values = (np.asarray(by_point[0]) for by_point in (mend.actual, mend.expected))
    actual, expected = (
        value.reshape(present.shape) if value.size == present.size else value for value in values
    )
    bare = Fault(
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
    bare = with_left_out(search, bare)
    if bare.cause is None and not written.code:
        bare = _with_one_redone(bare, search, state, mend, blamed)
    return _completed(bare, search, state, mended, node, text, present.shape), mended


def _with_one_redone(
    bare: Fault, search: Followed, state: State, mend: Mend, blamed: Blame
) -> Fault:
    """Return the fault with an operation that is to be done otherwise as cause, if there is one."""
    cause = redone_cause_of(mend, search, state)
    if cause is None:
        return bare
    blamed = _of_cause(search, cause, blamed, state, mend, bare.blocks[0])
    return replace(
        bare,
        place=blamed.place,
        also=blamed.also,
        expression=blamed.expression,
        cause=cause,
        fix=cause.fix,
    )


def _written(search: Followed, right: State, mend: Mend, place: Place | None, text: str) -> Written:
    """Return the code to write at a place; nothing for one pass of several that may be wrong."""
    node = mend.unit.first
    passes = repetitions(right.tape, node)
    if mend.unit.kind == NODE and len(passes) > 1 and place == right.tape[node].place:
        return Written()
    names = search.points[0].gradient.tape.names
    return what_to_write(mend, right, place, text, names, search.known)


def _fix(
    mend: Mend, search: Followed, state: State, place: Place | None, code: str, cause: Cause | None
) -> str:
    """Return what to write: `code` of values in scope if it says enough, otherwise words."""
    advice = "" if cause is None else cause.fix
    if mend.how == OWN and place is not None:
        return constant_to_drop(mend, state, place) or advice
    factor, kind = advice.removeprefix("multiply by "), None if cause is None else cause.name
    if code.startswith("multiply") and factor != advice:
        says_all = factor in code or kind == fault.FACTOR_MISSING
        return code if says_all else f"{code}, {factor}"
    if code.startswith("add ") and advice.startswith("add "):
        return f"{code}, {advice.removeprefix('add ')}"
    in_code = fault.TERM_MISSING, fault.TRANSPOSED, fault.SIGN
    if code.startswith("write") and kind in (fault.SLOPE_MISSING, fault.OTHER_INDEX):
        return advice if advice.startswith("write") else code
    says_it = kind in in_code or advice.startswith("use ")
    if advice and (kind == fault.UPDATED_WEIGHTS or not (code and says_it)):
        return advice
    wanted = None if mend.how == REST else mend.candidate
    if code or wanted is None:
        return code
    return search.words.way_back(*wanted.key)


def _of_cause(
    search: Followed, cause: Cause, blamed: Blame, state: State, mend: Mend, block: str
) -> Blame:
    """Return the place that a cause blames, if it is another than that of the wrong value."""
    node = mend.unit.first
    if cause.taken_at is not None and _is_handed_over(search, cause.taken_at, state, node):
        return blamed.moved_to(state.tape[node].chain[1].place)
    if cause.node is not None and state.tape[cause.node].place is not None:
        return Blame.at(state.tape[cause.node].chain)
    if cause.name == fault.PENALTY_MISSING:
        place = returned_place(state.tape[node].chain, block)
        is_name = place is not None and place.source.isidentifier() and block != BARE
        if place is not None and not is_name:  # a returned name has its value from before
            return blamed.moved_to(place)
    if cause.name in (fault.NOT_ACCUMULATED, fault.PASS_MISSING) and blamed.place is not None:
        once = cause.name == fault.NOT_ACCUMULATED
        place = blamed.place
        head = loop_that_ran_once(state.tape, place) if once else loop_around(place)
        if head is not None:
            return Blame(head, (blamed.place,))
        value = before_moves(state.tape, mend.unit.replaced[0])
        assignments = search.points[0].gradient.tape.assignments
        kept = kept_by(state, value, assignments) if once else None
        return blamed if kept is None else blamed.moved_to(kept)
    return blamed


def _is_handed_over(search: Followed, value: int, state: State, node: int) -> bool:
    """True if a caller passes a value of the loss to the function that computes a node."""
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
            pending += made.operands  # computed inside of the call
        elif same(state.at(made.index), wanted):
            return True
    return False


def _blocks(state: State, names: frozenset[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(output.block for output in state.outputs if output.name in names))


def _completed(
    bare: Fault,
    search: Followed,
    state: State,
    mended: State,
    node: int,
    expression: str,
    shape: tuple[int, ...] | None = None,
) -> Fault:
    """Add the worst entry of its value, right values before it, and mended gradients to a fault."""
    outputs = search.points[0].outputs
    entry = _entry(expression, bare.actual_value, bare.expected_value, shape)
    passes = repetitions(state.tape, node)
    if entry is not None and entry.passes == 1 and len(passes) > 1:
        entry = replace(entry, number=passes.index(node) + 1, passes=len(passes))
    return replace(
        bare,
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
    """Return the entry with the largest difference, for a loop with the number of its pass."""
    if actual is None or expected is None or actual.shape != expected.shape or not actual.size:
        return None
    if not expression:
        return None
    size = 0 if shape is None else math.prod(shape)
    if shape is None or not size or actual.size == size or actual.size % size:
        shape, size = actual.shape, actual.size
    passes = actual.size // size
    largest = int(np.argmax(np.abs(actual - expected)))
    number, *where = (int(i) for i in np.unravel_index(largest, (passes, *shape)))
    numbers = actual.flat[largest].item(), expected.flat[largest].item()
    return Entry(expression, tuple(where), *numbers, shape, number + 1, passes)


def _before(search: Followed, state: State, node: int) -> tuple[Step, ...]:
    """Return right values that a value is computed from, the last first."""
    steps: list[Step] = []
    for made in latest_first(state.tape, state.tape[node].operands):
        if len(steps) == STEPS:
            break
        if made.place is not None and not made.is_leaf:
            explained = search.known.explaining(state.at(made.index))
            words = named(explained, search.words)
            if words and words not in [step.words for step in steps]:
                steps.append(Step(made.place, words))
    return tuple(steps)
