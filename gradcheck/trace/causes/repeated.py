"""Writes to places of which some repeat: each of these is written once."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from gradcheck.trace import fault
from gradcheck.trace.causes.compared import Array
from gradcheck.trace.fault import Cause
from gradcheck.trace.record.nodes import Node
from gradcheck.trace.record.sources import tree_of
from gradcheck.words import listed, verb


def repeated_cause(node: Node, often: Sequence[int]) -> Cause:
    """Return the cause of a write to places that come `often`."""
    places = list(map(str, dict.fromkeys(often[:4])))
    here = f"{listed(places)} {verb(places, 'repeats', 'repeat')} here"
    words = f"an index that repeats is written only once, and {here}"
    fix = f"{_added_for_each(node)} adds for every time that an index comes"
    return Cause(fault.REPEATED_INDEX, words, fix)


def _added_for_each(node: Node) -> str:
    """Return the statement that adds for each repeated index, for one that writes to them."""
    place = node.place
    if place is None:
        return "np.add.at"
    for statement in ast.walk(tree_of(place.file)):
        match statement:
            case (
                ast.Assign(targets=[ast.Subscript() as target])
                | ast.AugAssign(target=ast.Subscript() as target)
            ) if (target.lineno, target.col_offset) == (place.line, place.column):
                parts = map(ast.unparse, (target.value, target.slice, statement.value))
                takes_off = isinstance(getattr(statement, "op", None), ast.Sub)
                method = "subtract" if takes_off else "add"
                return f"`np.{method}.at({', '.join(parts)})`"
    return "np.add.at"


def adding_each(node: Node) -> Node:
    """Return a write that adds its values for every occurrence of an index."""

    def added(before: Array, key: Any, value: Array) -> Array:
        changed = np.array(before, dtype=float)
        np.add.at(changed, key, value - before[key])
        return changed

    return replace(node, function=added)


def repeated(node: Node, tape: Sequence[Node]) -> list[int]:
    """Return the indices that come more than once in what a write is given as its places."""
    indices = list(_indices(node.arguments, tape))
    if not indices:
        return []
    together = np.stack(np.broadcast_arrays(*indices)).reshape(len(indices), -1)
    places, counts = np.unique(together, axis=1, return_counts=True)
    return [int(place) for place in places[0, counts > 1]]


def _indices(arguments: object, tape: Sequence[Node]) -> Iterator[np.ndarray]:
    """Yield the integer arrays among some arguments."""
    if isinstance(arguments, list) and all(isinstance(one, int | np.integer) for one in arguments):
        arguments = np.array(arguments, dtype=int)
    if isinstance(arguments, tuple | list):
        for one in arguments:
            yield from _indices(one, tape)
        return
    index = getattr(arguments, "index", None)
    if isinstance(index, int):
        arguments = tape[index].value
    if isinstance(arguments, np.ndarray) and arguments.dtype.kind in "iu" and arguments.size > 1:
        yield arguments
