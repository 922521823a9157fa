"""The loops of the user's source: which stands around a place, or writes by an index."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from gradcheck.trace.nodes import Node
from gradcheck.trace.places import Place
from gradcheck.trace.sources import tree_of


def loop_of_index(place: Place, axis: int) -> Place | None:
    """The header of the loop over the bare name that an expression is indexed with at an axis."""
    try:
        expression = ast.parse(place.source, mode="eval").body
    except SyntaxError:
        return None
    if not isinstance(expression, ast.Subscript):
        return None
    index = expression.slice
    items = index.elts if isinstance(index, ast.Tuple) else [index]
    name = items[axis] if axis < len(items) else None
    around = [
        loop
        for loop in loops_of(place.file)
        if isinstance(name, ast.Name)
        and loop.lineno <= place.line <= (loop.end_lineno or loop.lineno)
        and name.id in {n.id for n in ast.walk(loop.target) if isinstance(n, ast.Name)}
    ]
    return _header(around, place)


def loop_that_ran_once(tape: Sequence[Node], place: Place) -> Place | None:
    """The header of the innermost loop around a place, where that was passed once alone."""
    times = sum(bool(node.chain) and node.chain[0].place == place for node in tape)
    return loop_around(place) if times == 1 else None


def loop_around(place: Place) -> Place | None:
    """The header of the innermost loop around a place."""
    around = [
        loop
        for loop in loops_of(place.file)
        if loop.lineno < place.line <= (loop.end_lineno or loop.lineno)
    ]
    return _header(around, place)


def _header(around: Sequence[ast.For], place: Place) -> Place | None:
    """That of the innermost of some loops around a place."""
    if not around:
        return None
    head = max(around, key=lambda loop: loop.lineno)
    end = head.iter.end_col_offset or 0
    return Place(place.file, head.lineno, head.lineno, head.col_offset, end, place.function)


def loops_of(file: str) -> list[ast.For]:
    """All for loops of a file."""
    return [node for node in ast.walk(tree_of(file)) if isinstance(node, ast.For)]


def indices_written(file: str, line: int) -> list[set[str]]:
    """The names in each index of the subscript that a statement assigns to."""
    for statement in ast.walk(tree_of(file)):
        if not isinstance(statement, ast.Assign | ast.AugAssign) or statement.lineno != line:
            continue
        target: ast.expr = (
            statement.targets[0] if isinstance(statement, ast.Assign) else statement.target
        )
        indices: list[ast.expr] = []
        while isinstance(target, ast.Subscript):
            index = target.slice
            indices = [*(index.elts if isinstance(index, ast.Tuple) else [index]), *indices]
            target = target.value
        return [
            {name.id for name in ast.walk(index) if isinstance(name, ast.Name)} for index in indices
        ]
    return []
