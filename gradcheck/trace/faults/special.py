"""Faults that no replacement shows: gradients that are never written, kept or returned."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.trace import fault
from gradcheck.trace.causes.compared import Followed
from gradcheck.trace.fault import Fault
from gradcheck.trace.faults.blame import Blame
from gradcheck.trace.locating.outputs import Output, provenance
from gradcheck.trace.locating.state import Replacement, State
from gradcheck.trace.locating.view import View
from gradcheck.trace.record.nodes import Node
from gradcheck.trace.record.places import Place
from gradcheck.trace.wording.loops import left_at_once, loop_of_missing, loop_that_stops_short
from gradcheck.trace.wording.operand_text import with_place
from gradcheck.trace.wording.parts import returned_place


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


ADD = "add with += what every pass makes"


def special_fault(view: View, wrong: frozenset[str]) -> Special | None:
    """Return the first fault of these kinds that applies, or None."""
    return _never_written(view.state, wrong) or _earlier_call(view, wrong)


def chosen(state: State, wrong: frozenset[str]) -> Iterator[Output]:
    """Yield the outputs of some names."""
    return (output for output in state.outputs if output.name in wrong)


def never_made(search: Followed, state: State, wrong: Sequence[str]) -> Iterator[Fault]:
    """Yield the faults of gradients returned as None, or as zeros that are never written to."""
    first = search.points[0]
    chain = next((node.chain for node in reversed(first.nodes) if node.chain), ())
    left = {output.block for output in chosen(state, state.wrong())}
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


def put_right(kind: str, blame: Blame, node: int, output: Output, state: State) -> Special:
    """Return the fault of an output that its right values mend."""
    replacements = tuple(
        Replacement(nodes={output.node: _true(output, state, point)}) for point in state.points
    )
    return Special(kind, blame, node, replacements, frozenset((output.name,)))


def _never_written(state: State, wrong: frozenset[str]) -> Special | None:
    """Find entries that keep the buffer's initial value while statements write the others."""
    tape = state.tape
    for output in chosen(state, wrong):
        if not np.any(output.true[0]):
            continue
        if output.entries is None:
            loop = loop_that_stops_short(state, output.node)
            if loop is None:
                continue
            return put_right(fault.NEVER_WRITTEN, Blame(loop), output.node, output, state)
        sources = {int(i) for i in provenance(tape, output.node)[output.entries]}
        if any(tape[i].function is not None and tape[i].operands for i in sources):
            continue
        shape = tape[output.node].value.shape
        writes = [one for one in state.writes_to({output.name}) if one.value.shape == shape]
        if not sources <= _as_made(tape, writes):
            continue
        last = writes[-1].chain[0].place
        early = left_at_once(last)
        if early is not None:
            kind, node = fault.PASS_MISSING, writes[-1].index
            found = put_right(kind, Blame(early[0], (last,)), node, output, state)
            words, fix = ends_the_loop(*early)
            return replace(found, words=words, fix=fix)
        head = loop_of_missing(last, output.entries, shape)
        blame = Blame(head, (last,)) if head else Blame(last)
        return put_right(fault.NEVER_WRITTEN, blame, writes[-1].index, output, state)
    return None


def ends_the_loop(statement: Place, line: int) -> tuple[str, str]:
    """Return what a `return` inside of a loop does, and what to write."""
    words = f"`{statement.source}` ends the loop at line {line} in its first pass"
    return words, f"write `{statement.source}` one level further out"


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
