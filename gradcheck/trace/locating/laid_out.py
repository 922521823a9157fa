"""A wrong entry of what is laid out as an array, in the place of the whole array.

`np.array([[a, b], [c, d]])`, `np.column_stack([a, b])` and `J[:, 1] = b` compute nothing: what is
wrong with their values is wrong with one of the expressions that they lay out.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from gradcheck.trace.adjoints.operations import LAID_OUT, base_name, positions_through
from gradcheck.trace.locating.mend import OWN, Mend
from gradcheck.trace.locating.outputs import provenance
from gradcheck.trace.locating.state import Replacement, State
from gradcheck.trace.locating.units import NODE, USE, Unit
from gradcheck.trace.record.places import Place

LAYERS = 4
"""How many arrays within arrays are looked into."""


def in_what_is_laid_out(mend: Mend, state: State, wrong: frozenset[str]) -> Mend:
    """The mend of the one expression that goes into what is wrong; or the same."""
    for _ in range(LAYERS):
        inner = _inner(mend, state, wrong)
        if inner is None:
            break
        mend = inner
    return mend


def _inner(mend: Mend, state: State, wrong: frozenset[str]) -> Mend | None:
    index = mend.unit.first
    name = base_name(state.tape[index])
    if mend.unit.kind != NODE or (name not in LAID_OUT and name != "setitem"):
        return None
    operand = _operand(index, state, mend.outputs)
    if operand is None or not state.tape[operand].is_float:
        return None
    edge = (index, operand)
    within = _is_within(state.tape[operand].place, state.tape[index].place)
    is_alone = state.consumers[operand] == [index] and not state.tape[operand].is_leaf
    by_value = is_alone and (within or name == "setitem")
    unit = Unit(NODE, operand, nodes=(operand,)) if by_value else Unit(USE, index, uses=(edge,))
    expected = [_expected(mend, point, edge, state) for point in state.points]
    replacements = tuple(
        Replacement(nodes={operand: one}) if by_value else Replacement(uses={edge: one})
        for one in expected
    )
    mended = state.mended_by(replacements, state.below(replacements[0].starts), wrong)
    if not mended >= mend.outputs:
        return None
    actual = [np.ravel(values[operand]) for values in state.values]
    flat = [np.ravel(one) for one in expected]
    return replace(
        mend, unit=unit, outputs=mended, actual=actual, expected=flat, replacements=replacements
    )


def _operand(index: int, state: State, outputs: frozenset[str]) -> int | None:
    """The one operand that all entries of some outputs come out of."""
    sources: set[int] = set()
    for output in state.outputs:
        if output.name in outputs:
            found = provenance(state.tape, output.node)
            sources |= set((found if output.entries is None else found[output.entries]).tolist())
    through = [
        operand
        for operand in dict.fromkeys(state.tape[index].operands)
        if all(state.above[operand] >> source & 1 for source in sources)
    ]
    return through[0] if len(through) == 1 else None


def _expected(mend: Mend, point: int, edge: tuple[int, int], state: State) -> NDArray[np.float64]:
    """What the operand should be: of an array that should be another, the entries it gives."""
    index, operand = edge
    values = state.values[point]
    actual = np.asarray(values[operand], dtype=np.float64)
    if mend.how == OWN:
        return mend.factor * actual
    node = state.nodes[point][index]
    positions, starts = positions_through(node, dict(enumerate(values)))
    whole = np.ravel(mend.expected[point])
    if positions is None or positions.size != whole.size:
        return actual
    start = dict(starts)[operand]
    numbers = positions.reshape(-1) - start
    inside = (numbers >= 0) & (numbers < actual.size)
    expected = actual.reshape(-1).copy()
    expected[numbers[inside]] = whole[inside]
    return expected.reshape(actual.shape)


def _is_within(inner: Place | None, outer: Place | None) -> bool:
    """Whether a piece of the source is part of another."""
    if inner is None or outer is None or inner.file != outer.file:
        return False
    begins = (outer.line, outer.column) <= (inner.line, inner.column)
    return begins and (inner.end_line, inner.end_column) <= (outer.end_line, outer.end_column)
