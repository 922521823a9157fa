"""Faults that no replacement shows: gradients that are never written, kept or returned."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.arrays import proportion
from gradcheck.trace import fault
from gradcheck.trace.adjoints.operations import ELEMENTWISE
from gradcheck.trace.adjoints.points import Point
from gradcheck.trace.causes.compared import Followed, same
from gradcheck.trace.fault import Fault
from gradcheck.trace.faults.blame import Blame
from gradcheck.trace.locating.outputs import Output, provenance
from gradcheck.trace.locating.state import Replacement, State
from gradcheck.trace.locating.view import View
from gradcheck.trace.record.names import MOVES
from gradcheck.trace.record.nodes import OUTPUT, Assignment, Node, operands_of
from gradcheck.trace.record.places import Place
from gradcheck.trace.wording.loops import loop_of_missing, loop_that_stops_short
from gradcheck.trace.wording.operand_text import with_place
from gradcheck.trace.wording.parts import returned_place
from gradcheck.trace.wording.words import assigned_name


@dataclass(frozen=True)
class Special:
    """A fault of a special kind: its place, what mends it, and the outputs that it makes wrong.

    `actual` and `expected` are the wrong and the right value, if known. An empty `fix` means that
    the kind says what to write, and empty `words` that it says what is wrong. One that is still to
    be tried has no outputs.
    """

    kind: str
    blame: Blame
    node: int
    replacements: tuple[Replacement, ...]
    outputs: frozenset[str] = frozenset()
    actual: NDArray[Any] | None = None
    expected: NDArray[Any] | None = None
    fix: str = ""
    words: str = ""


EXACT = 1e-9

WRITTEN = re.compile(r"([\w.]+)(?:\[.*\]$|\[.*\] [+-]= | [+-]= )")

ADD = "add with += what every pass makes"


def special_fault(view: View, wrong: frozenset[str], points: Sequence[Point]) -> Special | None:
    """Return the first fault of these kinds that applies, or None."""
    return (
        _never_written(view.state, wrong)
        or _earlier_call(view, wrong)
        or _not_returned(view.state, wrong, points)
        or _another_returned(view.state, wrong)
    )


def _chosen(state: State, wrong: frozenset[str]) -> Iterator[Output]:
    return (output for output in state.outputs if output.name in wrong)


def never_made(search: Followed, state: State, wrong: Sequence[str]) -> Iterator[Fault]:
    """Yield the faults of gradients returned as None, or as zeros that are never written to."""
    first = search.points[0]
    chain = next((node.chain for node in reversed(first.nodes) if node.chain), ())
    left = {output.block for output in _chosen(state, state.wrong())}
    for block in wrong:
        true, index = first.true.get(block), first.outputs.get(block)
        if true is None or not np.any(true):
            continue
        if index is not None and (block not in left or np.any(first.nodes[index].value)):
            continue
        made = None if index is None else with_place(state, first.nodes[index]).place
        place = made or returned_place(chain, block, first.subject.names)
        if place is not None:
            yield Fault(
                fault.NEVER_WRITTEN,
                place,
                (),
                place.source,
                actual=place.source,
                expected=f"dL/d{block}",
                expected_value=true,
                blocks=(block,),
                mended={block: true},
            )


def _true(output: Output, state: State, point: int) -> NDArray[Any]:
    """Return the block's gradient with this part put right."""
    if output.entries is None:
        return output.true[point]
    whole = np.array(state.values[point][output.node], dtype=np.float64)
    whole.reshape(-1)[output.entries] = output.true[point].reshape(-1)
    return whole


def _put_right(kind: str, blame: Blame, node: int, output: Output, state: State) -> Special:
    """Return the fault of an output that its right values mend."""
    replacements = tuple(
        Replacement(nodes={output.node: _true(output, state, point)}) for point in state.points
    )
    return Special(kind, blame, node, replacements, frozenset((output.name,)))


def _never_written(state: State, wrong: frozenset[str]) -> Special | None:
    """Find entries that keep the buffer's initial value while statements write the others."""
    tape = state.tape
    for output in _chosen(state, wrong):
        if not np.any(output.true[0]):
            continue
        if output.entries is None:
            loop = loop_that_stops_short(state, output.node)
            if loop is None:
                continue
            return _put_right(fault.NEVER_WRITTEN, Blame(loop), output.node, output, state)
        sources = {int(i) for i in provenance(tape, output.node)[output.entries]}
        if any(tape[i].function is not None and tape[i].operands for i in sources):
            continue
        shape = tape[output.node].value.shape
        writes = [one for one in state.writes_to({output.name}) if one.value.shape == shape]
        if not sources <= _as_made(tape, writes):
            continue
        last = writes[-1].chain[0].place
        head = loop_of_missing(last, output.entries, shape)
        blame = Blame(head, (last,)) if head else Blame(last)
        return _put_right(fault.NEVER_WRITTEN, blame, writes[-1].index, output, state)
    return None


def _as_made(tape: Sequence[Node], writes: Sequence[Node]) -> set[int]:
    """Return the values that buffers held before the first write into each."""
    made = {node.operands[0] for node in writes} - {node.index for node in writes}
    return {int(source) for buffer in made for source in provenance(tape, buffer)}


def _earlier_call(view: View, wrong: frozenset[str]) -> Special | None:
    """Find sums that go on from values left by an earlier call."""
    state, tape = view.state, view.state.tape
    uses = [
        (index, operand)
        for index in view.order
        if tape[index].operation in ("add", "subtract")
        and any(other >= state.start for other in tape[index].operands)
        for operand in tape[index].operands
        if operand < state.start and not tape[operand].is_leaf
    ]
    if not uses:
        return None
    replacements = tuple(
        Replacement(uses={use: np.zeros_like(values[use[1]]) for use in uses})
        for values in state.values
    )
    first = tape[uses[0][0]]
    return Special(fault.EARLIER_CALL, Blame(first.place), first.index, replacements, wrong)


def _not_returned(state: State, wrong: frozenset[str], points: Sequence[Point]) -> Special | None:
    """Find a gradient that is computed and does not reach the returned value."""
    dead = _dead(state)
    for output in _chosen(state, wrong):
        if np.any(output.part(state.values[0][output.node])) or output.entries is not None:
            continue
        if output.block not in points[0].parameters:
            continue
        true = list(output.true)
        parameters = [
            point.loss_nodes[point.parameters[output.block]].value.astype(np.float64)
            for point in points
        ]
        for node in reversed(dead):
            actual = [np.asarray(value, np.float64) for value in state.at(node.index)]
            if actual[0].shape != true[0].shape or not np.any(actual[0]):
                continue
            steps = [value - weights for value, weights in zip(actual, parameters, strict=True)]
            if proportion(actual, true, 1e-6) is None and proportion(steps, true, 1e-6) is None:
                continue
            special = _put_right(fault.NOT_RETURNED, Blame(node.place), node.index, output, state)
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


def _another_returned(state: State, wrong: frozenset[str]) -> Special | None:
    """Find a right gradient with a name that is not used, where another value is returned."""
    dead = [node for node in _dead(state) if node.place is not None]
    for output in _chosen(state, wrong) if dead else ():
        made = _as_computed(output, state)
        for node in reversed(dead if output.entries is None and np.any(output.true[0]) else ()):
            is_right = same(state.at(node.index), output.true, EXACT)
            place = returned_place(node.chain, output.block) if is_right else None
            if place is None or node.place is None or made.place is None:
                continue
            name = _name_of(node.place)
            if name and name != place.source:
                return replace(
                    _put_right(fault.OTHER_OPERAND, Blame(place), made.index, output, state),
                    actual=state.values[0][made.index],
                    expected=output.true[0],
                    words=f"`{place.source}` is returned, and `{name}` (line {node.place.line}), "
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
        for output in _chosen(state, wrong)
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
        if place is None or is_right or view.explained.get(node.index):  # returning it is wrong
            chain = node.chain or next((one.chain for one in reversed(tape) if one.chain), ())
            place = named or returned_place(chain, output.block) or place
        special = _put_right(fault.WRONG_SHAPE, Blame(place), node.index, output, state)
        actual = state.values[0][output.node]
        return replace(special, actual=actual, expected=output.true[0])
    return None


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
