"""Find loops in the user's source: around a place, over an index, or stopping short."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from gradcheck.trace.locating.state import State
from gradcheck.trace.record.nodes import Node
from gradcheck.trace.record.places import Place
from gradcheck.trace.record.sources import expression_of, tree_of

BUFFERS = ("zeros", "zeros_like")


def loop_of_index(place: Place, axis: int) -> Place | None:
    """Return the header of the loop over an index of a subscript, if that index is a bare name."""
    indices = indices_in(expression_of(place.source))
    if axis >= len(indices) or not isinstance(indices[axis], ast.Name):
        return None
    name = names_in(indices[axis])
    return _innermost(
        [loop for loop in _loops_around(place) if name & names_in(loop.target)], place
    )


def loop_that_ran_once(tape: Sequence[Node], place: Place) -> Place | None:
    """Return the header of the innermost loop around a place, if the place ran only once."""
    times = sum(bool(node.chain) and node.chain[0].place == place for node in tape)
    return loop_around(place) if times == 1 else None


def left_at_once(place: Place) -> tuple[Place, int] | None:
    """Return a `return` that ends a loop around a place in its first pass, and the loop's line.

    A loop that goes on to the next pass with `continue` looks for the one to return from.
    """
    for loop in sorted(_loops_around(place), key=lambda loop: loop.lineno):
        if any(isinstance(part, ast.Continue) for part in ast.walk(loop)):
            continue
        for statement in loop.body:
            if isinstance(statement, ast.Return) and statement.lineno > place.line:
                return Place.of(statement, place.file, place.function), loop.lineno
    return None


def loop_around(place: Place) -> Place | None:
    """Return the header of the innermost loop around a place."""
    return _innermost([loop for loop in _loops_around(place) if loop.lineno < place.line], place)


def loop_of_missing(
    write: Place, entries: NDArray[np.intp], shape: tuple[int, ...]
) -> Place | None:
    """Return the header of the loop whose index is the same in all entries that a write misses."""
    names = _indices_written(write)
    missing = np.unravel_index(entries, shape)
    for axis, positions in enumerate(missing):
        if len(set(positions.tolist())) != 1 or shape[axis] == 1 or axis >= len(names):
            continue
        for loop in _loops_around(write):
            if loop.lineno < write.line and names_in(loop.target) & names[axis]:
                return _header(loop, write)
    return None


def loop_that_stops_short(state: State, node: int) -> Place | None:
    """Return the header of the loop that should overwrite a list's buffers of zeros, and did not.

    Writing to a list is not on the tape, so the loop is found by the buffers and the source. None
    if the value depends on any array other than zeros.
    """
    above = [made for made in state.tape if state.above[node] >> made.index & 1]
    arrays = [made.index for made in above if made.value.size > 1]
    if any(np.any(values[index]) for index in arrays for values in state.values):
        return None
    for made in reversed(above):
        place = made.place
        if made.operation in BUFFERS and place is not None:
            for loop in _loops_that_write(place):
                return _header(loop, place)
    return None


def names_of_loops(place: Place) -> list[str]:
    """Return the loop variables of all loops around a place."""
    return [name for loop in _loops_around(place) for name in sorted(names_in(loop.target))]


def _loops_that_write(place: Place) -> Iterator[ast.For]:
    """Yield the loops that assign, by their own index, items of the list made at a place."""
    for function in ast.walk(tree_of(place.file)):
        if not isinstance(function, ast.FunctionDef) or not holds(function, place):
            continue
        lists = {
            target.id
            for statement in ast.walk(function)
            if isinstance(statement, ast.Assign) and holds(statement, place)
            for target in statement.targets
            if isinstance(target, ast.Name)
        }
        for loop in ast.walk(function):
            if isinstance(loop, ast.For) and any(
                isinstance(node, ast.Subscript)
                and isinstance(node.ctx, ast.Store)
                and isinstance(node.value, ast.Name)
                and node.value.id in lists
                and names_in(loop.target) & names_in(node.slice)
                for node in ast.walk(loop)
            ):
                yield loop


def _loops_around(place: Place) -> list[ast.For]:
    nodes = ast.walk(tree_of(place.file))
    return [node for node in nodes if isinstance(node, ast.For) and holds(node, place)]


def holds(statement: ast.stmt, place: Place) -> bool:
    """Whether a place lies within the lines of a statement."""
    return statement.lineno <= place.line <= (statement.end_lineno or statement.lineno)


def _innermost(around: Sequence[ast.For], place: Place) -> Place | None:
    """Return the header of the innermost of the given loops."""
    return _header(max(around, key=lambda loop: loop.lineno), place) if around else None


def _header(loop: ast.For, place: Place) -> Place:
    end = loop.iter.end_col_offset or 0
    return Place(place.file, loop.lineno, loop.lineno, loop.col_offset, end, place.function)


def _indices_written(write: Place) -> list[set[str]]:
    """Return the names in each index of the subscript that a statement assigns to."""
    for statement in ast.walk(tree_of(write.file)):
        if isinstance(statement, ast.Assign | ast.AugAssign) and statement.lineno == write.line:
            target: ast.expr = (
                statement.targets[0] if isinstance(statement, ast.Assign) else statement.target
            )
            indices: list[ast.expr] = []
            while isinstance(target, ast.Subscript):
                indices = [*indices_in(target), *indices]
                target = target.value
            return [names_in(index) for index in indices]
    return []


def indices_in(expression: ast.expr | None) -> list[ast.expr]:
    """Return the indices of a subscript; none for another expression."""
    if not isinstance(expression, ast.Subscript):
        return []
    index = expression.slice
    return index.elts if isinstance(index, ast.Tuple) else [index]


def names_in(expression: ast.expr) -> set[str]:
    """Return the names in an expression."""
    return {node.id for node in ast.walk(expression) if isinstance(node, ast.Name)}
