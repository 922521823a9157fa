"""The place in the source of one part of a returned structure, or of a list that makes an array."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.trace.locating.laid_out import off_entries
from gradcheck.trace.locating.state import State
from gradcheck.trace.locating.units import NODE, Mend
from gradcheck.trace.record.graph import resolve
from gradcheck.trace.record.names import LAID_OUT
from gradcheck.trace.record.nodes import Node
from gradcheck.trace.record.places import Chain, Place
from gradcheck.trace.record.sources import parsed, returns_of, text_of
from gradcheck.user.blocks import BARE


def returned_place(chain: Chain, block: str, names: Sequence[str] = ()) -> Place | None:
    """Return the expression of a block, a key or `params[2]`, in the value that a function returns.

    It is read from the outermost call of the chain that returns a dict with the block, or a tuple
    or list in the order of the blocks. With the `names` of all blocks, a call that returns any
    tuple, or a dict without the block, counts as well.
    """
    for call in reversed(chain):
        for statement in returns_of(call.code):
            value = _part(statement.value, block) or _in_order(statement.value, block, names)
            if value is not None:
                return Place.of(value, call.code.co_filename, call.code.co_name)
    return None


def return_statement(chain: Chain) -> Place | None:
    """Return the expression that the outermost function returns, or one that it calls there."""
    for call in reversed(chain):
        returns = [one.value for one in returns_of(call.code) if one.value is not None]
        if len(returns) > 1:
            return None
        for value in returns:
            place = Place.of(value, call.code.co_filename, call.code.co_name)
            if not (isinstance(value, ast.Call) and place == call.place):
                return place
    return None


def _part(value: ast.expr | None, block: str) -> ast.expr | None:
    if block == BARE and not isinstance(value, ast.Dict | ast.Tuple | ast.List):
        return value
    if isinstance(value, ast.Dict):
        for key, part in zip(value.keys, value.values, strict=True):
            name = key.value if isinstance(key, ast.Constant) else None
            if isinstance(name, str) and name in (block, block.partition("[")[0]):
                return part
    if isinstance(value, ast.Call):  # dict(W=dW) or a record
        return next((one.value for one in value.keywords if one.arg == block), None)
    position = re.fullmatch(r"params\[(\d+)\]", block)
    if isinstance(value, ast.Tuple | ast.List) and position:
        number = int(position[1])
        return value.elts[number] if number < len(value.elts) else None
    if isinstance(value, ast.Tuple):
        return next((found for one in value.elts if (found := _part(one, block))), None)
    return None


def _in_order(value: ast.expr | None, block: str, names: Sequence[str]) -> ast.expr | None:
    """Return a block's element of a tuple of all; a longer tuple, or a dict without it, whole."""
    if block not in names or not isinstance(value, ast.Tuple | ast.Dict):
        return None
    if isinstance(value, ast.Tuple) and len(value.elts) == len(names):
        return value.elts[names.index(block)]
    return value


Path = tuple[int, ...]


def place_of_element(mend: Mend, state: State) -> Place | None:
    """Return the place of the one expression in a list that a mend puts right, or None."""
    index = mend.unit.first
    node = state.tape[index]
    if node.place is None or node.operation not in LAID_OUT or mend.unit.kind != NODE:
        return None
    if not node.arguments or not isinstance(node.arguments[0], list | tuple):
        return None
    paths = _laid_at(node, state, off_entries(mend))
    return _element(node.place, paths[0]) if len(paths) == 1 else None


def _leaves(items: Sequence[Any], path: Path = ()) -> Iterator[tuple[Path, Any]]:
    for number, item in enumerate(items):
        if isinstance(item, list | tuple):
            yield from _leaves(item, (*path, number))
        else:
            yield (*path, number), item


def _laid_at(node: Node, state: State, entries: NDArray[np.intp]) -> list[Path]:
    """Return the paths in the list that entries of an array come from."""
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
        origins = np.ravel(node.function(coded(node.arguments[0]), *rest, **node.keywords))
    except (TypeError, ValueError, IndexError):
        return []
    if origins.size != node.value.size:
        return []
    return [numbered[int(number)][0] for number in np.unique(origins[entries])]


def _element(place: Place, path: Path) -> Place | None:
    """Return the expression at a path in the list that is a call's first argument."""
    for call in ast.walk(parsed(text_of(place.file))):
        if not isinstance(call, ast.Call) or not call.args:
            continue
        if Place.of(call, place.file, place.function) != place:
            continue
        element: ast.expr = call.args[0]
        for number in path:
            if not isinstance(element, ast.List | ast.Tuple) or number >= len(element.elts):
                return None
            if any(isinstance(one, ast.Starred) for one in element.elts):
                return None
            element = element.elts[number]
        return Place.of(element, place.file, place.function)
    return None
