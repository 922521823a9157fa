"""Gradients that stay as their buffers were made, as the loop that writes them does not reach them.

What is put into a list is no operation: the buffers tell, and the source.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

import numpy as np

from gradcheck.trace.operations import base_name
from gradcheck.trace.places import Place
from gradcheck.trace.sources import tree_of
from gradcheck.trace.state import State

BUFFERS = ("zeros", "zeros_like")


def loop_that_stops_short(state: State, node: int) -> Place | None:
    """The header of the loop that writes items of the list that a buffer of zeros was put into.

    None where a value is made of anything but such buffers and numbers.
    """
    tape = state.tape
    above = [one for one in tape if state.above[node] >> one.index & 1]
    if any(
        np.any(values[one.index]) for one in above if one.value.size > 1 for values in state.values
    ):
        return None
    for one in reversed(above):
        place = one.place
        if base_name(one) in BUFFERS and place is not None:
            for loop in _loops_that_write(place):
                end = loop.iter.end_col_offset or 0
                return Place(
                    place.file, loop.lineno, loop.lineno, loop.col_offset, end, place.function
                )
    return None


def _loops_that_write(place: Place) -> Iterator[ast.For]:
    """The loops that assign items, by their own index, of the list that is made at a place."""
    for function in ast.walk(tree_of(place.file)):
        if not isinstance(function, ast.FunctionDef) or not (
            function.lineno <= place.line <= (function.end_lineno or 0)
        ):
            continue
        lists = {
            target.id
            for statement in ast.walk(function)
            if isinstance(statement, ast.Assign)
            and statement.lineno <= place.line <= (statement.end_lineno or 0)
            for target in statement.targets
            if isinstance(target, ast.Name)
        }
        for loop in ast.walk(function):
            if isinstance(loop, ast.For) and any(
                isinstance(node, ast.Subscript)
                and isinstance(node.ctx, ast.Store)
                and isinstance(node.value, ast.Name)
                and node.value.id in lists
                and _names(loop.target) & _names(node.slice)
                for node in ast.walk(loop)
            ):
                yield loop


def _names(expression: ast.expr) -> set[str]:
    return {node.id for node in ast.walk(expression) if isinstance(node, ast.Name)}
