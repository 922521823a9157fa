"""What can be replaced: every unit of a state, in the order in which they are tried."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from gradcheck.trace.adjoints.quantities import CONTRIBUTION
from gradcheck.trace.adjoints.reverse import Edge
from gradcheck.trace.locating.units import (
    CALL,
    EVERYWHERE,
    NODE,
    RANK,
    SERIES,
    USE,
    USES,
    Unit,
)
from gradcheck.trace.locating.view import View
from gradcheck.trace.record.graph import grouped, is_inside, leaves_its_line, never_leaves
from gradcheck.trace.record.names import CONSTANT, MOVES, ROUNDING
from gradcheck.trace.record.nodes import OUTPUT, Node

OUTER = 3
"""How many calls up the uses of a value within a call are gathered."""

USES_AT_MOST = 12

PASSES = 8
"""Of a loop of at least so many passes, a single one is tried at both ends only."""

ENDS = 2

SUMS = ("add", "subtract")

UNCHANGING = MOVES | {"negative", OUTPUT}
"""Operations whose result is known whenever the operand is, whether it belongs there or not."""


def units_of(view: View) -> list[Unit]:
    """All units, in the order in which they are tried."""
    inner = _inner_passes(view)
    units = [
        *_values(view, inner),
        *_series(view),
        *_everywhere(view),
        *_uses(view, inner),
        *_uses_over_loops(view),
    ]
    return sorted(units, key=lambda unit: (unit.position, RANK[unit.kind]))


def _inner_passes(view: View) -> frozenset[int]:
    """What a long loop computes between its first and its last passes.

    One source line makes them all, so that what is wrong in one alone is so at an end.
    """
    passes = grouped((view.state.tape[index].in_loop, index) for index in view.order)
    return frozenset(
        index
        for members in passes.values()
        if len(members) >= PASSES
        for index in members[ENDS:-ENDS]
    )


def _replaceable(view: View, index: int) -> bool:
    node = view.state.tape[index]
    return (
        not node.is_leaf
        and node.is_float
        and bool(node.operands)
        and (node.operation not in CONSTANT or _is_rounded(view, node))
        and node.operation != "full_like"
        and not never_leaves(view.state.tape, index, view.state.consumers[index])
    )


def _is_rounded(view: View, node: Node) -> bool:
    """Whether an operation has cut numbers of the gradient short."""
    return node.operation in ROUNDING and any(one in view.carrying for one in node.operands)


def _values(view: View, inner: frozenset[int]) -> Iterator[Unit]:
    for index in view.order:
        if index in inner or not _replaceable(view, index):
            continue
        is_right = view.is_right_forward(index) and index not in view.additive
        if is_right and _is_used(view, index) and not view.is_idle(index):
            continue
        yield Unit(NODE, index, nodes=(index,))


def _is_used(view: View, index: int) -> bool:
    """Whether a right value goes into anything right, or into nothing but one operation."""
    tape, consumers = view.state.tape, view.state.consumers
    users: list[int] = []
    pending = [index]
    while pending:
        for user in consumers[pending.pop()]:
            moves = tape[user].operation in UNCHANGING and user in view.explained
            (pending if moves else users).append(user)
    ends = [user for user in users if tape[user].is_float]
    return len(ends) < 2 or any(view.explained.get(user, True) for user in ends)


def _grouped(
    view: View, key: Callable[[Node], Any], chosen: Callable[[int], bool]
) -> list[tuple[int, ...]]:
    pairs = ((key(view.state.tape[index]), index) for index in view.order if chosen(index))
    groups = grouped(pairs)
    return [tuple(members) for members in groups.values() if len(members) > 1]


def _series(view: View) -> Iterator[Unit]:
    """The results of one operation in all passes of a loop, and in those that belong together.

    And in all calls of a function from different places, as for both sides of twins.
    """
    tape = view.state.tape
    of_loops = _grouped(
        view,
        lambda node: node.in_loop,
        lambda index: _replaceable(view, index) and bool(tape[index].chain),  # no loop of ours
    )
    of_calls = _grouped(
        view,
        lambda node: (node.chain[:1], node.name, node.value.shape),
        lambda index: _replaceable(view, index) and bool(tape[index].chain),
    )
    several = [one for one in of_calls if len({tape[index].chain for index in one}) > 1]
    for members in (*of_loops, *several):
        last = members[-1]
        if not view.is_right_forward(last) or last in view.additive or not _is_used(view, last):
            for together in _together(view, members):
                # the first pass is often right: it is the first wrong one that is looked for
                wrong = [index for index in together if not _is_whole(view, index)]
                yield Unit(SERIES, (wrong or together)[0], nodes=together)


def _is_whole(view: View, index: int) -> bool:
    """Whether a value is something known, and not only a part of a derivative."""
    return any(one.kind != CONTRIBUTION for one in view.explained.get(index, ()))


def _together(view: View, members: tuple[int, ...]) -> list[tuple[int, ...]]:
    """All; those for the same outputs, where a loop goes over blocks; and the ends of loops."""
    state, users = view.state, view.state.consumers
    outputs = [state.above[output.node] for output in state.outputs]
    groups = grouped((tuple(one >> index & 1 for one in outputs), index) for index in members)
    ends = [index for index in members if leaves_its_line(state.tape, index, users[index])]
    parts = [part for part in [*groups.values(), ends] if 1 < len(part) < len(members)]
    return [members, *map(tuple, parts)]


def _everywhere(view: View) -> Iterator[Unit]:
    """The results of one operation wherever it is called from: only a constant can mend these."""
    moving = view.carrying | view.additive
    for members in _grouped(
        view,
        lambda node: (node.chain[:1], node.name),
        lambda index: _replaceable(view, index) and bool(view.state.tape[index].chain),
    ):
        if all(index in moving for index in members):
            yield Unit(EVERYWHERE, members[0], nodes=members)


def _uses(view: View, inner: frozenset[int]) -> Iterator[Unit]:
    """The uses of a right value in one line of one run of a function, and within a call."""
    tape = view.state.tape
    lines: dict[Any, list[Edge]] = {}
    calls: dict[Any, list[Edge]] = {}
    unknown: set[Any] = set()
    for index in view.order:
        node = tape[index]
        if node.is_leaf or node.value.dtype.kind not in "fb" or node.operation in CONSTANT:
            continue
        is_sum = node.operation in SUMS  # any term may be one too many
        operands = [
            one
            for one in node.operands
            if view.may_be_replaced_in_use(one) or (is_sum and one in view.carrying)
            if not is_inside(tape, index, one)
            if node.chain or tape[one].chain or tape[one].is_leaf  # what we do with ours is right
        ]
        known = view.is_known(index)
        for outer in range(1, min(OUTER + 1, len(node.chain))):
            for operand in () if known else operands:
                calls.setdefault((operand, node.chain[outer:], outer), []).append((index, operand))
            if not known and node.is_float:
                unknown.add(node.chain[outer:])
        line = node.place.line if node.place else None
        for operand in operands:
            key = (operand, node.frame, node.chain[1:], line)
            lines.setdefault(key, []).append((index, operand))
    seen: set[frozenset[Edge]] = set()
    for uses in lines.values():
        # where an operation's result is right, its operands are too
        wrong = [
            use
            for use in uses
            if tape[use[0]].operation in UNCHANGING
            or not view.is_known(use[0])
            or view.is_same(*use)
        ]
        for chosen in (uses, wrong) if wrong else ():
            if frozenset(chosen) not in seen and not inner.issuperset(one for one, _ in chosen):
                seen.add(frozenset(chosen))
                yield Unit(USE, wrong[0][0] - 0.5, uses=tuple(chosen))
    for (_, chain, outer), uses in calls.items():
        if chain in unknown and frozenset(uses) not in seen and len(uses) < USES_AT_MOST:
            if inner.issuperset(one for one, _ in uses):
                continue
            seen.add(frozenset(uses))
            yield Unit(CALL, uses[0][0] - 0.5, uses=tuple(uses), outer=outer)


def _uses_over_loops(view: View) -> Iterator[Unit]:
    tape = view.state.tape
    groups: dict[Any, list[Edge]] = {}
    for index in view.order:
        node = tape[index]
        if node.is_leaf or not node.is_float or node.operation in CONSTANT:
            continue
        is_known = view.is_known(index) and not view.is_nothing(index)
        for position, operand in enumerate(node.operands):
            if is_inside(tape, index, operand):
                continue
            # what is known but for a factor may have another number in every pass
            if is_known and (tape[operand].value.size > 1 or node.value.size == 1):
                continue
            if (
                view.may_be_replaced_in_use(operand)
                or (tape[operand].is_float and node.operation in SUMS)
                or view.is_nothing(operand)
            ):
                key = (node.chain, node.name, position, tape[operand].value.shape)
                groups.setdefault(key, []).append((index, operand))
    for uses in groups.values():
        # what is right in one pass may be wrong in the next because of what that made of it
        may_be = any(view.may_be_replaced_in_use(operand) for _, operand in uses)
        if len(uses) > 1 and may_be and _may_be_wrong(view, uses):
            yield Unit(USES, uses[0][0] - 0.5, uses=tuple(uses))


def _may_be_wrong(view: View, uses: Sequence[Edge]) -> bool:
    """Whether a result is not known, or is so but for numbers that change from pass to pass."""
    if not all(view.is_known(index) for index, _ in uses):
        return True
    numbers = [view.state.values[0][operand] for _, operand in uses]
    return numbers[0].size == 1 and len(np.unique(np.ravel(numbers))) > 1
