"""Where an entry of an array stands in the list that the array is laid out from."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.trace.adjoints.operations import LAID_OUT
from gradcheck.trace.locating.laid_out import off_entries
from gradcheck.trace.locating.state import State
from gradcheck.trace.locating.units import NODE, USE, Mend
from gradcheck.trace.record.nodes import Node, Reference, resolve
from gradcheck.trace.record.places import Place
from gradcheck.trace.record.sources import parsed, text_of

Path = tuple[int, ...]


def place_of_element(mend: Mend, state: State) -> Place | None:
    """The place of the one expression in a list that a mend puts right, if it is of one."""
    index = mend.unit.first
    node = state.tape[index]
    if node.place is None or node.operation not in LAID_OUT or mend.unit.kind not in (NODE, USE):
        return None
    if not node.arguments or not isinstance(node.arguments[0], list | tuple):
        return None
    if mend.unit.uses:
        operand = Reference(mend.unit.uses[0][1])
        paths = [path for path, item in _leaves(node.arguments[0]) if item == operand]
    else:
        paths = _laid_at(node, state, off_entries(mend))
    return _element(node.place, paths[0]) if len(paths) == 1 else None


def _leaves(items: Sequence[Any], path: Path = ()) -> Iterator[tuple[Path, Any]]:
    for number, item in enumerate(items):
        if isinstance(item, list | tuple):
            yield from _leaves(item, (*path, number))
        else:
            yield (*path, number), item


def _laid_at(node: Node, state: State, entries: NDArray[np.intp]) -> list[Path]:
    """Where in the list the entries of an array come from."""
    values = state.values[0]
    numbered = [
        (path, np.shape(resolve(item, values))) for path, item in _leaves(node.arguments[0])
    ]
    numbers = {path: np.full(shape, float(n)) for n, (path, shape) in enumerate(numbered)}

    def coded(items: Sequence[Any], path: Path = ()) -> list[Any]:
        return [
            coded(item, (*path, n)) if isinstance(item, list | tuple) else numbers[(*path, n)]
            for n, item in enumerate(items)
        ]

    if node.function is None:
        return []
    rest = [resolve(one, values) for one in node.arguments[1:]]
    try:
        found = np.ravel(node.function(coded(node.arguments[0]), *rest, **node.keywords))
    except (TypeError, ValueError, IndexError):
        return []
    if found.size != node.value.size:
        return []
    return [numbered[int(number)][0] for number in np.unique(found[entries])]


def _element(place: Place, path: Path) -> Place | None:
    """The expression at a path in the list that a call is given."""
    for call in ast.walk(parsed(text_of(place.file))):
        if not isinstance(call, ast.Call) or not call.args:
            continue
        if Place.of(call, place.file, place.function) != place:
            continue
        found: ast.expr = call.args[0]
        for number in path:
            if not isinstance(found, ast.List | ast.Tuple) or number >= len(found.elts):
                return None
            if any(isinstance(one, ast.Starred) for one in found.elts):
                return None
            found = found.elts[number]
        return Place.of(found, place.file, place.function)
    return None
