"""Faults of the backward functions of an engine, each found in a small check of its runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, replace
from types import CodeType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.trace.adjoints.points import Point
from gradcheck.trace.adjoints.quantities import ADJOINT, NO_OTHER
from gradcheck.trace.adjoints.reverse import Adjoints, Edge, adjoints
from gradcheck.trace.causes.compared import Followed, same
from gradcheck.trace.fault import (
    MEAN_AND_TWO,
    MEAN_MISSING,
    MEAN_TWICE,
    NOT_ACCUMULATED,
    ONE_PASS,
    OTHER_SIZE,
    PASS_MISSING,
    REVERSED,
    SLOPE_INACTIVE,
    SLOPE_MISSING,
    SOME_LEFT_OUT,
    TURNED,
    WRONG_AXIS,
    WRONG_VALUE,
    Cause,
    Entry,
    Fault,
)
from gradcheck.trace.faults.accumulated import complete, not_added_up
from gradcheck.trace.faults.describe import of_special
from gradcheck.trace.faults.kept_slopes import at_its_operation
from gradcheck.trace.faults.next_fault import next_fault
from gradcheck.trace.faults.prepared import prepared
from gradcheck.trace.faults.small_checks import SmallCheck, small_checks
from gradcheck.trace.locating.engines import Added, Run, runs_of
from gradcheck.trace.locating.outputs import Output
from gradcheck.trace.locating.state import Replacement, State, state_of
from gradcheck.trace.record.graph import grouped
from gradcheck.trace.record.nodes import Node

OF_SAMPLES = (
    *(SOME_LEFT_OUT, ONE_PASS, NOT_ACCUMULATED, PASS_MISSING),
    *(MEAN_MISSING, MEAN_AND_TWO, MEAN_TWICE, OTHER_SIZE, WRONG_AXIS, TURNED, REVERSED),
)
"""Causes in the axis along which the runs lie, which the user's numbers do not have."""

MULTIPLY = "multiply by the slope: 0 where the output is a constant"

Uses = dict[Edge, NDArray[Any]]
"""The right values of what backward functions add, by their uses, at one point."""


@dataclass(frozen=True)
class _Wrong:
    """A fault in a backward function, and what puts it right, by point.

    A loop that goes back through all operations makes all wrong gradients wrong, also those that it
    computes from numbers alone, which no replacement reaches.
    """

    fault: Fault
    right: Sequence[Replacement]
    is_loop: bool = False


def faults_of_engines(search: Followed, state: State) -> tuple[list[Fault], State]:
    """Return the faults of backward functions, and the state with them mended.

    Each fault is mended together with those before it. Of faults that put no block right by
    themselves, those with the last one do.
    """
    runs = runs_of(search.points[0])
    derivatives = _derivatives(search.points) if runs else None
    if derivatives is None:
        return [], state
    found, waiting = list[Fault](), list[Fault]()
    now, right = state, state
    together = [Replacement() for _ in search.points]
    for wrong in _wrong_functions(search, runs, state, derivatives):
        pairs = zip(together, wrong.right, strict=True)
        together = [
            Replacement({**one.nodes, **more.nodes}, {**one.uses, **more.uses})
            for one, more in pairs
        ]
        now = state.mend(together)
        names = right.wrong() - now.wrong()
        if wrong.is_loop and names:
            names = right.wrong()
        blocks = tuple(dict.fromkeys(one.block for one in now.outputs if one.name in names))
        if not blocks:
            waiting.append(wrong.fault)
            continue
        found += [replace(one, blocks=blocks, mended={}) for one in waiting]
        made = {name: now.values[0][index] for name, index in search.points[0].outputs.items()}
        is_proved = not names & now.wrong()
        found.append(replace(wrong.fault, blocks=blocks, mended=made if is_proved else {}))
        right, waiting = now if is_proved else _as_judged(now, now, names), []
    special = not_added_up(runs, right, derivatives)
    if special is not None:
        fault, right = of_special(search, right, special)
        found.append(fault)
    return found, _as_judged(state, right)


def _as_judged(before: State, mended: State, told: Set[str] = frozenset()) -> State:
    """Return the mended state; outputs not judged wrong, or told, are taken as they are now."""
    wrong = before.wrong() - told
    judged = {output.block for output in before.outputs if output.name in wrong}
    outputs = tuple(
        output
        if output.block in judged
        else replace(output, true=tuple(output.part(one[output.node]) for one in mended.values))
        for output in mended.outputs
    )
    return replace(mended, outputs=outputs)


def _wrong_functions(
    search: Followed, runs: Sequence[Run], state: State, derivatives: Sequence[Adjoints]
) -> Iterator[_Wrong]:
    """Yield the faults of all backward functions, those first that run first.

    A loop that goes back rightly through some operation is right; what is wrong is then the slope
    that another operation has kept for it.
    """
    nodes = search.points[0].nodes
    every = [
        (checks, _first_faults(checks, search)) for checks in small_checks(search.points, runs)
    ]
    right = {checks[0].runs[0].recorded.code for checks, faults in every if checks and not faults}
    of_loops = list[tuple[CodeType, Fault]]()
    for checks, faults in every:
        for fault in faults:
            run = checks[0].runs[0]
            if run.is_step and run.recorded.code not in right:
                of_loops.append((run.recorded.code, fault))
                continue
            told = at_its_operation(fault, run, nodes) if run.is_step else fault
            mends = _right(checks, fault, derivatives)
            if all(one.uses for one in mends):
                yield _Wrong(told, mends)
    for several in grouped(of_loops).values():
        counts = Counter(one.cause.name for one in several if one.cause is not None)
        most = max(several, key=lambda one: 0 if one.cause is None else counts[one.cause.name])
        mends = [complete(runs, state, whole) for whole in derivatives]
        yield _Wrong(most, mends, is_loop=True)
    yield from _of_constant_outputs(runs, nodes, len(derivatives))


def _of_constant_outputs(
    runs: Sequence[Run], nodes: Sequence[Node], count: int
) -> Iterator[_Wrong]:
    """Yield the faults of functions that go back to operands of which the output is free."""
    constant = ((run.operation(nodes), run) for run in runs if run.output is None)
    for several in grouped(constant).values():
        terms = ((run, one) for run in several for one in run.added if one.terms)
        amounts = ((run, one, _amount(one, nodes)) for run, one in terms)
        wrong = [one for one in amounts if one[2]]
        if wrong:
            uses = dict(use for run, one, _ in wrong for use in run.adding(one.texts[0], 0.0))
            yield _Wrong(_of_constants(wrong, nodes), [Replacement({}, uses)] * count)


def _first_faults(checks: Sequence[SmallCheck], search: Followed) -> list[Fault]:
    return next(filter(None, (_faults(one, search) for one in checks)), [])


def _right(
    checks: Sequence[SmallCheck], fault: Fault, derivatives: Sequence[Adjoints]
) -> list[Replacement]:
    """Return by point what the runs of all checks should add where one of them is wrong."""
    right = [Uses() for _ in derivatives]
    for check in checks:
        for name in check.called(fault.blocks):
            for uses, more in zip(right, check.right(name, derivatives), strict=True):
                uses.update(more)
    return [Replacement({}, uses) for uses in right]


def _amount(added: Added, nodes: Sequence[Node]) -> float:
    """Return what a run adds to the gradient of an operand."""
    signs = ((nodes[term].value, -1.0 if off else 1.0) for (_, term), off in added.terms)
    return added.rest + float(sum(sign * np.sum(value) for value, sign in signs))


def _of_constants(wrong: Sequence[tuple[Run, Added, float]], nodes: Sequence[Node]) -> Fault:
    """Return the fault of a function that goes back to an operand of which the output is free."""
    run, added, _ = wrong[0]
    amounts = np.array([amount for *_, amount in wrong])
    (at, term), _ = added.terms[0]
    node = nodes[term] if term >= run.recorded.begin else nodes[at]
    places = [call.place for call in node.chain]
    arriving = [
        one.number if one.arriving is None else float(np.sum(nodes[one.arriving].value))
        for one, *_ in wrong
    ]
    is_bare = np.allclose(amounts, arriving)
    words = f"the slope is 0 where {run.value_text} does not depend on {added.texts[0]}"
    return Fault(
        WRONG_VALUE,
        places[0],
        tuple(places[1:3]),
        node.source,
        actual=node.source,
        actual_value=amounts,
        expected_value=np.zeros(len(wrong)),
        entry=Entry(node.source, (), amounts[0].item(), 0.0, (), 1, len(wrong)),
        cause=Cause(SLOPE_MISSING if is_bare else SLOPE_INACTIVE, words, MULTIPLY),
    )


def _faults(check: SmallCheck, search: Followed) -> list[Fault]:
    """Return the faults that the runs of one function show, entry for entry."""
    names = list(check.points[0].parameters)
    own = prepared(check.points, names, search.deadline, is_matrix=False)
    state = state_of(own.points, own.tolerance, names)
    faults: list[Fault] = []
    while wrong := state.wrong():
        following, _ = next_fault(own, state, wrong)
        if following is None:
            faults += (_bare(own, state, one) for one in state.outputs if one.name in wrong)
            break
        fault, state = following
        if fault.cause is not None and fault.cause.name in OF_SAMPLES:
            fault = replace(fault, cause=None, fix="")
        faults.append(fault)
    return [_of_runs(fault, len(check.runs)) for fault in faults]


def _bare(search: Followed, state: State, output: Output) -> Fault:
    """Return the fault of what a function adds to a gradient, without a cause."""
    made = state.tape[state.tape[output.node].operands[0]]
    parameter = search.points[0].parameters[output.block]
    return Fault(
        WRONG_VALUE,
        made.place,
        (),
        made.source,
        actual=made.source,
        expected=search.words.quantity(ADJOINT, parameter),
        actual_value=state.values[0][output.node],
        expected_value=output.true[0],
        entry=Entry(made.source, (), 0.0, 0.0),
        blocks=(output.block,),
        fix=search.words.way_back(ADJOINT, parameter, NO_OTHER),
    )


def _of_runs(fault: Fault, count: int) -> Fault:
    """Return a fault with the values of the runs at the first point, and the worst run of these."""
    fault = replace(fault, of_operation=True)
    actual, expected = fault.actual_value, fault.expected_value
    if fault.entry is None or actual is None or expected is None or actual.ndim != 1:
        return replace(fault, entry=None)
    actual, expected = actual[:count], expected[:count]
    worst = int(np.argmax(np.abs(actual - expected)))
    numbers = actual[worst].item(), expected[worst].item()
    entry = Entry(fault.entry.expression, (), *numbers, (), worst + 1, count)
    return replace(fault, actual_value=actual, expected_value=expected, entry=entry)


def _derivatives(points: Sequence[Point]) -> list[Adjoints] | None:
    """Return the derivatives of the loss by the values on the gradient's tape, by point.

    None unless the gradient computes the loss as well.
    """
    first = points[0]
    loss = first.loss_nodes[first.loss_index]
    values = [point.loss_nodes[point.loss_index].value for point in points]
    computed = (
        node.index
        for node in reversed(first.nodes)
        if node.name == loss.name
        and node.place == loss.place
        and same([point.nodes[node.index].value for point in points], values)
    )
    index = next(computed, None)
    if index is None:
        return None
    seed = {index: np.ones(loss.value.shape)}
    return [adjoints(one.nodes, [node.value for node in one.nodes], seed) for one in points]
