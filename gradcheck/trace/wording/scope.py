"""The values that a user's function has in scope at a place, by their names."""

from __future__ import annotations

import ast
import re
from collections import deque
from collections.abc import Sequence
from functools import lru_cache
from types import CodeType

from gradcheck.trace.locating.state import State
from gradcheck.trace.record.nodes import Assignment, Node, Reference
from gradcheck.trace.record.places import Chain, Place
from gradcheck.trace.record.sources import expression_of
from gradcheck.trace.wording.operand_text import operand_text, with_place
from gradcheck.trace.wording.words import SHORT, assigned_name

BACK, AHEAD = 2000, 300
"""How many operations of the tape are read for names, before and after an operation."""

Operand = tuple[str, int, int]
"""An operand: its text, the index of the operation that uses it, and the index of its value."""


def names_at(state: State, index: int, place: Place, names: Sequence[Assignment]) -> dict[str, int]:
    """Return the values by the texts by which the function at a place can refer to them.

    These are values that it computes or reads before the operation `index`, or reads after it, or
    computes from them. The text of an expression that is to be mended is none: it is still wrong.
    """
    tape, calls = state.tape, with_place(state, state.tape[index]).chain
    level = next((i for i, call in enumerate(calls) if call.place.function == place.function), -1)
    if level < 0:
        return {}
    around = tape[max(0, index - BACK) : index + AHEAD]
    depths = ((node, _depth_of(node, calls[level:])) for node in around)
    inside = [(node, depth) for node, depth in depths if depth is not None]
    named = _named_inside(inside[0][0].index, state, names, calls[level].code)
    # a name that is given at the place itself is used later, perhaps in the next pass of a loop
    earlier = [i for i, one in enumerate(named) if one.place == place and one.position <= index]
    given_at = max(earlier, default=len(named))
    scope: dict[str, int] = {}
    for node, depth in inside:
        while given_at and named[0].position <= min(node.index, index):
            scope = _renamed(scope, named[0].target, named.popleft().node)
            given_at -= 1
        source = node.chain[depth].place.source
        for position, argument in enumerate(node.arguments) if depth == 0 else ():
            text = _text(source, position)
            if text and isinstance(argument, Reference) and argument.index < index:
                known = scope.setdefault(text, argument.index)
                scope[text] = argument.index if node.index <= index else known
        if node.index >= index:
            is_made_of_them = index < node.index and max(node.operands, default=0) < index
            if depth == 0 and is_made_of_them and len(source) <= SHORT and _is_whole(source):
                scope.setdefault(source, node.index)
            continue
        name = assigned_name(node.chain[depth].place)
        scope = _renamed(scope, name, node.index) if name else scope
        if depth == 0 and len(source) <= SHORT and _is_whole(source):
            scope[source] = node.index
    scope = {**{one.target: one.node for one in named if one.node < index}, **scope}
    return {
        text: at
        for text, at in scope.items()
        if tape[at].is_float and (text.isidentifier() or at not in state.mended)
    }


def _depth_of(node: Node, calls: Chain) -> int | None:
    """Return how many calls up an operation is in the first of some calls; None if it is not."""
    depth = len(node.chain) - len(calls)
    if depth < 0 or node.chain[depth + 1 :] != calls[1:]:
        return None
    return depth if node.chain[depth].code is calls[0].code else None


def _named_inside(
    first: int, state: State, names: Sequence[Assignment], code: CodeType
) -> deque[Assignment]:
    """Return the names that a call gives, whose first operation is known, from that on."""
    before = next((i for i in range(first - 1, -1, -1) if state.tape[i].chain), -1)
    named = (one for one in names if one.code is code and not one.returned)
    return deque(one for one in named if one.position > before)


def _renamed(scope: dict[str, int], name: str, index: int) -> dict[str, int]:
    """Return the scope with a new value of a name; texts with the old one are stale."""
    word = re.compile(rf"\b{re.escape(name)}\b")
    return {**{text: at for text, at in scope.items() if not word.search(text)}, name: index}


@lru_cache(maxsize=4096)
def _is_whole(source: str) -> bool:
    return expression_of(source) is not None


@lru_cache(maxsize=4096)
def _text(source: str, position: int) -> str:
    """Return the text of an operand if it is a name, an attribute or an item; otherwise empty."""
    operand = operand_text(source, position)
    is_plain = isinstance(operand, ast.Name | ast.Attribute | ast.Subscript)
    return ast.unparse(operand) if operand is not None and is_plain else ""


@lru_cache(maxsize=4096)
def _whole_text(source: str, position: int) -> str:
    """Return the text of an operand of any kind if it is short; otherwise empty."""
    operand = operand_text(source, position)
    text = "" if operand is None else ast.unparse(operand)
    return text if len(text) <= SHORT else ""


def operands_of_expression(state: State, node: int, place: Place) -> list[Operand]:
    """Return the operands of all operations of an expression, the innermost last."""
    operands: list[Operand] = []
    pending = [node]
    line = place.file, place.function, place.line
    while pending:
        made = state.tape[pending.pop()]
        at = made.place
        if at is None or (at.file, at.function, at.line) != line:
            continue
        for position, argument in enumerate(made.arguments):
            if isinstance(argument, Reference):
                text = _text(at.source, position)
                is_plain = bool(text) and not text.endswith(".T")
                operands.append(
                    (text or _whole_text(at.source, position), made.index, argument.index)
                )
                if not is_plain:
                    pending.append(argument.index)
    return operands
