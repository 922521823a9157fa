"""Statements of a loop that assign to a buffer or a name what is to be added to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

import numpy as np

from gradcheck.trace.fault import OVERWRITTEN
from gradcheck.trace.faults.blame import Blame
from gradcheck.trace.faults.special import ADD, Special
from gradcheck.trace.locating.state import Replacement, State, Values
from gradcheck.trace.locating.view import View
from gradcheck.trace.record.nodes import Node, evaluate, resolve


def overwritten(view: View, wrong: frozenset[str]) -> Special | None:
    """The statement that mends outputs once it adds in every pass what it assigns."""
    state = view.state
    ways = [(writes, partial(_added, state, writes)) for writes in _in_loops(view, wrong)]
    ways += [([*last], partial(_summed, state, last)) for last in _in_names(view, wrong)]
    for writes, add in ways:
        replacements = []
        for point in state.points:
            added = add(point)
            if added is None:
                break
            replacements.append(Replacement(nodes=added))
        if len(replacements) < len(state.points):
            continue
        mended = state.mended_by(replacements, state.below(writes), wrong)
        if mended:
            last = writes[-1]
            return Special(
                OVERWRITTEN,
                Blame(state.tape[last].place),
                last,
                tuple(replacements),
                mended,
                state.values[0][last],
                replacements[0].nodes[last],
                fix=ADD,
            )
    return None


def _in_loops(view: View, wrong: frozenset[str]) -> Iterator[list[int]]:
    """The writes of a statement that wrong outputs are made of, where it ran more than once."""
    state, above = view.state, _above(view, wrong)
    groups: dict[object, list[int]] = {}
    for node in state.tape[state.start :]:
        if node.name == "setitem" and node.is_float and node.chain and above >> node.index & 1:
            groups.setdefault(node.chain, []).append(node.index)
    yield from (writes for writes in groups.values() if len(writes) > 1)


def _in_names(view: View, wrong: frozenset[str]) -> Iterator[dict[int, list[int]]]:
    """What is used of an expression, with what the passes before made of it, which nothing uses."""
    state, above = view.state, _above(view, wrong)
    groups: dict[object, list[Node]] = {}
    for node in state.tape[state.start :]:
        if node.is_float and node.chain and not node.is_leaf and node.name != "setitem":
            groups.setdefault(node.chain, []).append(node)
    for nodes in groups.values():
        found: dict[int, list[int]] = {}
        unused: list[int] = []
        for node in nodes:
            if not state.live >> node.index & 1:
                unused.append(node.index)
                continue
            if unused and above >> node.index & 1:
                found[node.index] = unused
            unused = []
        if found:
            yield found


def _summed(
    state: State, last: Mapping[int, list[int]], point: int
) -> dict[int, np.ndarray] | None:
    """What is used, with all that went before; None where that has other shapes."""
    values = state.values[point]
    if any(values[one].shape != values[index].shape for index in last for one in last[index]):
        return None
    return {index: sum((values[one] for one in last[index]), values[index]) for index in last}


def _above(view: View, wrong: frozenset[str]) -> int:
    above = 0
    for output in view.state.outputs:
        above |= view.state.above[output.node] if output.name in wrong else 0
    return above


def _added(state: State, writes: Sequence[int], point: int) -> dict[int, np.ndarray] | None:
    """What the buffers hold after each of the writes, if these add; None if that cannot be."""
    own = frozenset(writes)
    values: Values = list(state.values[point])
    try:
        for index in state.below(writes):
            node = state.nodes[point][index]
            if index in own:
                before, key, value = (resolve(one, values) for one in node.arguments)
                values[index] = np.array(before, dtype=node.value.dtype)
                values[index][key] += value
            elif not node.is_leaf:
                values[index] = evaluate(node, values)
    except Exception:  # the user's functions may be among them
        return None
    return {index: values[index] for index in writes}
