"""Narrow a mend of an array to the one wrong expression that is laid out in it.

`np.array([[a, b], [c, d]])`, `np.column_stack([a, b])` and `J[:, 1] = b` compute nothing: if their
values are wrong, one of the expressions that they lay out is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from gradcheck.arrays import proportion, wide
from gradcheck.trace.adjoints.movements import positions_through
from gradcheck.trace.adjoints.quantities import TANGENT
from gradcheck.trace.locating.candidates import Candidates
from gradcheck.trace.locating.constants import in_a_row
from gradcheck.trace.locating.search import PLAIN
from gradcheck.trace.locating.state import Replacement, State
from gradcheck.trace.locating.units import NODE, OWN, QUANTITY, SERIES, USE, Mend, Unit, in_pass
from gradcheck.trace.record.graph import resolve
from gradcheck.trace.record.names import LAID_OUT, MOVES
from gradcheck.trace.record.nodes import OUTPUT, Node, Reference

Array = NDArray[np.float64]

LAYERS = 12
"""The maximum number of moves of data, and of nested arrays, that are looked through."""

CLOSE = 1e-6


def in_what_is_laid_out(
    mend: Mend, state: State, wrong: frozenset[str], candidates: Candidates
) -> Mend:
    """Return the mend of the one expression that the wrong entries come from, or the same mend."""
    if mend.unit.kind == SERIES:
        each = _in_each_pass(mend, state)
        if each is None or not state.mended_by(each.replacements, wrong) >= mend.outputs:
            return mend
        return each
    mend = _as_written_in_the_end(_of_what_is_written(mend, state), state)
    inner = _before_other_writes(mend, state, candidates.of_matrix)
    for _ in range(LAYERS):
        further = _inner(inner or mend, state, candidates.of_matrix)
        if further is None:
            break
        inner = _before_other_writes(further, state, candidates.of_matrix) or further
    if inner is None:
        return mend
    mends: list[Mend] = []
    for tried in _with_all_entries(inner, state, candidates):
        mended = state.mended_by(tried.replacements, wrong)
        if mended >= mend.outputs:
            mends.append(replace(tried, outputs=mended))
    return max(mends, key=lambda one: len(one.outputs), default=mend)


def _in_each_pass(mend: Mend, state: State) -> Mend | None:
    """Return the mend of the one expression that each pass of a loop lays out wrongly, or None.

    The first wrong pass shows which; in later ones, the others may inherit its error.
    """
    nodes, shape = mend.unit.nodes, state.tape[mend.unit.first].value.shape
    if any(state.tape[node].operation not in LAID_OUT for node in nodes):
        return None
    passes = [
        replace(
            mend,
            unit=Unit(NODE, node, nodes=(node,)),
            actual=in_pass(mend.actual, number, shape),
            expected=in_pass(mend.expected, number, shape),
        )
        for number, node in enumerate(nodes)
    ]
    first = next((one for one in passes if off_entries(one).size), passes[0])
    operand = _operand(first, first.unit.first, state)
    if operand is None:
        return None
    position = state.tape[first.unit.first].operands.index(operand)
    operands = [state.tape[node].operands[position] for node in nodes]
    if any(state.consumers[one] != [node] for one, node in zip(operands, nodes, strict=True)):
        return None
    expected = [
        [_expected(one, point, (one.unit.first, operand), state) for point in state.points]
        for one, operand in zip(passes, operands, strict=True)
    ]
    by_point = list(zip(*expected, strict=True))
    return replace(
        mend,
        unit=Unit(SERIES, operands[0], nodes=tuple(operands)),
        actual=[in_a_row([values[one] for one in operands]) for values in state.values],
        expected=[in_a_row(several) for several in by_point],
        replacements=tuple(
            Replacement(nodes=dict(zip(operands, several, strict=True))) for several in by_point
        ),
    )


def _of_what_is_written(mend: Mend, state: State) -> Mend:
    """Return the mend of the value that is made to be laid out, for one of its only use there."""
    if mend.unit.kind != USE or len(mend.unit.uses) > 1:
        return mend
    ((index, operand),) = mend.unit.uses
    node, made = state.tape[index], state.tape[operand]
    if not (node.operation == "setitem" or node.operation in LAID_OUT) or made.place is None:
        return mend
    expected = [np.reshape(one, made.value.shape) for one in mend.expected]
    by_value = _with(mend, index, operand, state, expected)
    return by_value if by_value.unit.kind == NODE else mend


def _as_written_in_the_end(mend: Mend, state: State) -> Mend:
    """Return the mend of a write into an array, without entries that later writes put right."""
    last = first = mend.unit.first
    if mend.unit.kind != NODE or state.tape[first].operation != "setitem":
        return mend
    for node in state.tape[first + 1 :]:
        if node.name == "setitem" and getattr(node.arguments[0], "index", None) == last:
            last = node.index
    if last == first:
        return mend
    actual = []
    for before, expected, values in zip(mend.actual, mend.expected, state.values, strict=True):
        written, wanted = np.ravel(values[last]), np.ravel(expected)
        is_right = np.abs(written - wanted) <= CLOSE * np.max(np.abs(wanted), initial=0.0)
        actual.append(np.where(is_right, wanted, np.ravel(before)))
    return replace(mend, actual=actual)


def _before_other_writes(mend: Mend, state: State, of_matrix: bool) -> Mend | None:
    """Return the mend of the array before writes to other entries; None if there are none.

    The columns of a matrix are apart. In other arrays only writes of constants are, as of padding.
    """
    index, off = mend.unit.first, off_entries(mend)
    node, edge = state.tape[index], None
    numbers = np.arange(mend.actual[0].size)
    while mend.unit.kind == NODE and node.operation == "setitem":
        before, key = node.arguments[0], resolve(node.arguments[1], state.values[0])
        is_ours = isinstance(before, Reference) and node.value.size == numbers.size
        is_apart = of_matrix or not isinstance(node.arguments[2], Reference)
        if not is_ours or not is_apart:
            break
        if np.isin(off, numbers.reshape(node.value.shape)[key]).any():
            break
        edge = (node.index, before.index)
        node = state.tape[before.index]
    if edge is None:
        return None
    expected = []
    for values, whole in zip(state.values, mend.expected, strict=True):
        wanted = np.array(wide(values[edge[1]]))
        wanted.flat[off] = np.ravel(whole)[off]
        expected.append(wanted)
    return _with(mend, *edge, state, expected)


def off_entries(mend: Mend) -> NDArray[np.intp]:
    """Return the flat indices of the entries that are wrong at any point."""
    off = np.zeros(mend.actual[0].size, dtype=bool)
    for actual, expected in zip(mend.actual, mend.expected, strict=True):
        scale = float(np.max(np.abs(expected), initial=0.0))
        off |= np.abs(np.ravel(actual) - np.ravel(expected)) > CLOSE * scale
    return np.flatnonzero(off)


def _inner(mend: Mend, state: State, of_matrix: bool) -> Mend | None:
    """Return the mend of the one operand that all wrong entries were copied from, or None."""
    index = mend.unit.first
    node = state.tape[index]
    is_ours = node.place is None and (node.name == OUTPUT or node.operation in MOVES)
    is_laid_out = node.operation in LAID_OUT or (
        node.operation == "setitem" and (of_matrix or _is_written_once(node, state))
    )
    if mend.unit.kind != NODE or not (is_ours or is_laid_out):
        return None
    if node.name == OUTPUT:
        shape = state.tape[node.operands[0]].value.shape
        same = [np.reshape(one, shape) for one in mend.expected]
        return _with(mend, index, node.operands[0], state, same)
    operand = _operand(mend, index, state)
    if operand is None or state.tape[operand].value.dtype.kind != node.value.dtype.kind:
        return None
    if node.operation == "setitem" and not of_matrix and operand == node.operands[0]:
        return None  # the bug is that nothing is written there
    expected = [_expected(mend, point, (index, operand), state) for point in state.points]
    return _with(mend, index, operand, state, expected)


def _is_written_once(node: Node, state: State) -> bool:
    """True if a statement writes once, to one place, over zeros; else it may be wrong itself."""
    before, key = (resolve(argument, state.values[0]) for argument in node.arguments[:2])
    parts = key if isinstance(key, tuple) else (key,)
    times = sum(one.name == "setitem" and one.place == node.place for one in state.tape)
    is_plain = times == 1 and all(isinstance(one, int | slice) for one in parts)
    return is_plain and not np.any(np.asarray(before)[key])


def _operand(mend: Mend, index: int, state: State) -> int | None:
    """Return the one operand that all wrong entries come from, or None."""
    positions, starts = positions_through(state.tape[index], dict(enumerate(state.values[0])))
    off = off_entries(mend)
    if positions is None or positions.size != mend.actual[0].size or not off.size:
        return None
    numbers = positions.reshape(-1)[off]
    for operand, start in starts:
        size = state.tape[operand].value.size
        if np.all((numbers >= start) & (numbers < start + size)):
            return operand
    return None


def _with(mend: Mend, index: int, operand: int, state: State, expected: Sequence[Array]) -> Mend:
    """Return the mend of an operand: of its value if that is made for this use, else of the use."""
    edge, made, place = (index, operand), state.tape[operand], state.tape[index].place
    is_for_it = state.consumers[operand] == [index] or place is None
    is_made_there = place is not None and made.place is not None and place.covers(made.place)
    by_value = (is_for_it or is_made_there) and not made.is_leaf
    unit = Unit(NODE, operand, nodes=(operand,)) if by_value else Unit(USE, index, uses=(edge,))
    replacements = tuple(
        Replacement(nodes={operand: one}) if by_value else Replacement(uses={edge: one})
        for one in expected
    )
    actual = [in_a_row([values[operand]]) for values in state.values]
    flat = [np.ravel(one) for one in expected]
    return replace(mend, unit=unit, actual=actual, expected=flat, replacements=replacements)


def _with_all_entries(mend: Mend, state: State, candidates: Candidates) -> Iterator[Mend]:
    """Yield the mend, also with the expected values of all other entries (of other rows)."""
    operand, index = mend.unit.replaced[0], mend.unit.first
    shape = state.tape[operand].value.shape
    is_own = mend.how == OWN
    whole = [wide(mend.factor * values[operand]) for values in state.values]
    if is_own and any(abs(mend.factor - one) < CLOSE for one in PLAIN):
        yield _with(mend, index, operand, state, whole)
    yield replace(mend, how=QUANTITY, factor=1.0) if is_own else mend
    table, off = candidates.of_shape(state.tape[operand].value), off_entries(mend)
    for candidate in table.candidates:
        values = [entries[candidate.number] for entries in table.entries]
        if candidate.kind == TANGENT and all(
            np.allclose(value[off], wanted[off], rtol=CLOSE, atol=0)
            for value, wanted in zip(values, mend.expected, strict=True)
        ):
            if is_own and proportion(mend.actual, values) is not None:
                yield _with(mend, index, operand, state, whole)
            by_quantity = replace(mend, how=QUANTITY, factor=1.0, candidate=candidate)
            yield _with(by_quantity, index, operand, state, [one.reshape(shape) for one in values])


def _expected(mend: Mend, point: int, edge: tuple[int, int], state: State) -> Array:
    """Return an operand's expected value: its own, but for the entries that it contributes."""
    index, operand = edge
    values = state.values[point]
    actual = wide(values[operand])
    positions, starts = positions_through(state.nodes[point][index], dict(enumerate(values)))
    whole = np.ravel(mend.expected[point])
    if positions is None or positions.size != whole.size:
        return actual
    numbers = positions.reshape(-1) - dict(starts)[operand]
    inside = (numbers >= 0) & (numbers < actual.size)
    expected = actual.reshape(-1).copy()
    expected[numbers[inside]] = whole[inside]
    return expected.reshape(actual.shape)
