"""List all units of a state: the values and uses that are replaced together, in order of trial."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from gradcheck.trace.adjoints.quantities import CONTRIBUTION
from gradcheck.trace.adjoints.reverse import Edge
from gradcheck.trace.locating.units import CALL, EVERYWHERE, NODE, RANK, SERIES, USE, USES, Unit
from gradcheck.trace.locating.view import PASSES, View
from gradcheck.trace.record.graph import grouped, is_inside, leaves_its_line, never_leaves
from gradcheck.trace.record.names import CONSTANT, MOVES, ROUNDING, SUMS
from gradcheck.trace.record.nodes import OUTPUT, Node

OUTER = 3
"""The uses of a value within a call are gathered for so many enclosing calls."""

USES_AT_MOST = 12

UNCHANGING = MOVES | {"negative", OUTPUT}
"""Operations whose result is a known quantity if the operand is one, in the right place or not."""


def units_of(view: View) -> list[Unit]:
    """Return all units, in the order in which they are tried."""
    units = [
        *_values(view),
        *_series(view),
        *_everywhere(view),
        *_uses(view),
        *_uses_over_loops(view),
    ]
    return sorted(units, key=lambda unit: (unit.position, RANK[unit.kind]))


def _replaceable(view: View, index: int) -> bool:
    node = view.state.tape[index]
    return (
        not node.is_leaf
        and (node.is_float or _is_comparison(view, node))
        and bool(node.operands)
        and (node.operation not in CONSTANT or _is_rounded(view, node))
        and node.operation != "full_like"
        and not never_leaves(view.state.tape, index, view.state.consumers[index])
    )


def _is_comparison(view: View, node: Node) -> bool:
    """True if a derivative is compared, as `up * z > 0` does, and this is used as one itself.

    A mask is used beside a derivative, or to choose.
    """
    if node.index not in view.carrying or node.value.dtype != bool:
        return False
    users = [view.state.tape[user] for user in view.state.consumers[node.index]]
    beside = {operand for user in users for operand in user.operands} - {node.index}
    return all(user.operation != "where" for user in users) and view.carrying.isdisjoint(beside)


def _is_rounded(view: View, node: Node) -> bool:
    """True if an operation rounds a derivative."""
    return node.operation in ROUNDING and any(index in view.carrying for index in node.operands)


def _values(view: View) -> Iterator[Unit]:
    for index in view.order:
        if index in view.inner_passes or not _replaceable(view, index):
            continue
        is_right = view.is_right_forward(index) and index not in view.additive
        if is_right and _is_used(view, index) and not view.is_idle(index):
            continue
        yield Unit(NODE, index, nodes=(index,))


def _is_used(view: View, index: int) -> bool:
    """True if a right value is used by some right value, or by fewer than two operations."""
    tape, consumers = view.state.tape, view.state.consumers
    users: set[int] = set()
    seen, pending = {index}, [index]
    while pending:
        new = set(consumers[pending.pop()]) - seen
        seen |= new
        for user in new:
            moves = tape[user].operation in UNCHANGING and user in view.explained
            (pending.append if moves else users.add)(user)
    ends = [user for user in users if tape[user].is_float]
    return len(ends) < 2 or any(view.explained.get(user, True) for user in ends)


def _grouped(
    view: View, key: Callable[[Node], Any], chosen: Callable[[int], bool]
) -> list[tuple[int, ...]]:
    pairs = ((key(view.state.tape[index]), index) for index in view.order if chosen(index))
    groups = grouped(pairs)
    return [tuple(members) for members in groups.values() if len(members) > 1]


def _series(view: View) -> Iterator[Unit]:
    """Yield the results of one operation in the passes of a loop, or in several calls (twins)."""
    tape = view.state.tape
    of_loops = _grouped(
        view,
        lambda node: node.in_loop,
        # an operation without a chain is in a loop of gradcheck
        lambda index: _replaceable(view, index) and bool(tape[index].chain),
    )
    of_calls = _grouped(
        view,
        lambda node: (node.chain[:1], node.name, node.value.shape),
        lambda index: _replaceable(view, index) and bool(tape[index].chain),
    )
    several = [calls for calls in of_calls if len({tape[index].chain for index in calls}) > 1]
    for members in (*of_loops, *several):
        last = members[-1]
        # of windows onto an array, the last may be one that the loss has in another pass
        chosen = members if tape[last].operation == "getitem" else (last,)
        is_right = all(map(view.is_right_forward, chosen)) and last not in view.additive
        if not (is_right and _is_used(view, last)):
            for together in _together(view, members):
                # the first pass is often right: the unit is tried at its first wrong one
                wrong = [index for index in together if not _is_whole(view, index)]
                yield Unit(SERIES, (wrong or together)[0], nodes=together)


def _is_whole(view: View, index: int) -> bool:
    """True if a value is a known quantity other than a contribution."""
    return any(known.kind != CONTRIBUTION for known in view.explained.get(index, ()))


def _together(view: View, members: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Return all passes, those for the same outputs, and those whose values leave their loop."""
    state, users = view.state, view.state.consumers
    outputs = [state.above[output.node] for output in state.outputs]
    groups = grouped((tuple(mask >> index & 1 for mask in outputs), index) for index in members)
    ends = [index for index in members if leaves_its_line(state.tape, index, users[index])]
    parts = [part for part in [*groups.values(), ends] if 1 < len(part) < len(members)]
    return [members, *map(tuple, parts)]


def _everywhere(view: View) -> Iterator[Unit]:
    """Yield the results of one operation wherever it is called from: only a constant mends them."""
    moving = view.carrying | view.additive
    for members in _grouped(
        view,
        lambda node: (node.chain[:1], node.name),
        lambda index: _replaceable(view, index) and bool(view.state.tape[index].chain),
    ):
        if all(index in moving for index in members):
            yield Unit(EVERYWHERE, members[0], nodes=members)


def _uses(view: View) -> Iterator[Unit]:
    """Yield the uses of a right value in one line of one run of a function, and within a call."""
    tape, inner = view.state.tape, view.inner_passes
    lines: dict[Any, list[Edge]] = {}
    calls: dict[Any, tuple[list[Edge], list[Edge]]] = {}  # those of wrong results, and all
    unknown: set[Any] = set()
    for index in view.order:
        node = tape[index]
        if node.is_leaf or node.value.dtype.kind not in "fb" or node.operation in CONSTANT:
            continue
        is_sum = node.operation in SUMS  # any term may be one too many
        gathers = len(node.operands) >= PASSES  # what the passes of a loop have written
        operands = [
            item
            for item in node.operands
            if not (gathers and item in inner)
            if view.may_be_replaced_in_use(item) or (is_sum and item in view.carrying)
            if not is_inside(tape, index, item)
            # gradcheck's own operations on its own values are right
            if node.chain or tape[item].chain or tape[item].is_leaf
        ]
        known = view.is_known(index)
        for outer in range(1, min(OUTER + 1, len(node.chain))):
            for operand in operands:
                wrong, uses = calls.setdefault((operand, node.chain[outer:], outer), ([], []))
                uses.append((index, operand))
                if not known:
                    wrong.append((index, operand))
            if not known and node.is_float:
                unknown.add(node.chain[outer:])
        for operand in operands:
            key = (operand, node.frame, node.chain[1:], node.line)
            lines.setdefault(key, []).append((index, operand))
    seen: set[frozenset[Edge]] = set()
    for uses in lines.values():
        # the operands of a right result are right
        wrong = [
            use
            for use in uses
            if tape[use[0]].operation in UNCHANGING
            or not view.is_known(use[0])
            or view.is_same(*use)
        ]
        for chosen in (uses, wrong) if wrong else ():
            if frozenset(chosen) not in seen and not inner.issuperset(user for user, _ in chosen):
                seen.add(frozenset(chosen))
                yield Unit(USE, wrong[0][0] - 0.5, uses=tuple(chosen))
    for (_, chain, outer), (wrong, uses) in calls.items():
        for chosen in (uses, wrong) if wrong and chain in unknown else ():
            if frozenset(chosen) in seen or len(chosen) >= USES_AT_MOST:
                continue
            if not inner.issuperset(user for user, _ in chosen):
                seen.add(frozenset(chosen))
                yield Unit(CALL, wrong[0][0] - 0.5, uses=tuple(chosen), outer=outer)


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
            # a value known up to a factor may have a different factor in each pass
            is_array = tape[operand].value.size > 1 or node.value.size == 1
            if is_known and is_array and node.operation not in UNCHANGING:
                continue
            if (
                view.may_be_replaced_in_use(operand)
                or (tape[operand].is_float and node.operation in SUMS)
                or view.is_nothing(operand)
            ):
                key = (node.chain, node.name, position, tape[operand].value.shape)
                groups.setdefault(key, []).append((index, operand))
    for uses in groups.values():
        # an error in one pass may make the next ones wrong
        may_be = any(view.may_be_replaced_in_use(operand) for _, operand in uses)
        if len(uses) > 1 and may_be and _may_be_wrong(view, uses):
            yield Unit(USES, uses[0][0] - 0.5, uses=tuple(uses))


def _may_be_wrong(view: View, uses: Sequence[Edge]) -> bool:
    """True if a result is unknown, or known up to a number that changes from pass to pass."""
    tape = view.state.tape
    if not all(view.is_known(one) and tape[one].operation not in UNCHANGING for one, _ in uses):
        return True
    numbers = [view.state.values[0][operand] for _, operand in uses]
    return numbers[0].size == 1 and len(np.unique(np.ravel(numbers))) > 1
