"""The values that a user's function has in scope at a place, by their names."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from functools import lru_cache

from gradcheck.trace.locating.state import State
from gradcheck.trace.record.graph import grouped
from gradcheck.trace.record.nodes import Assignment, Reference
from gradcheck.trace.record.places import Place
from gradcheck.trace.record.sources import expression_of
from gradcheck.trace.wording.operand_text import operand_text, with_place
from gradcheck.trace.wording.words import SHORT, assigned_name

BACK, AHEAD = 2000, 300
"""How many operations of the tape are read for names, before and after an operation."""

Operand = tuple[str, int, int]
"""An operand: its text, the index of the operation that uses it, and the index of its value."""


def names_at(
    state: State, index: int, place: Place, assignments: Sequence[Assignment]
) -> dict[str, int]:
    """Return the values by the texts by which the function at a place can refer to them.

    These are values that it computes or reads before the operation `index`, or reads after it, or
    computes from them.
    """
    tape, calls = state.tape, with_place(state, state.tape[index]).chain
    level = next((i for i, call in enumerate(calls) if call.place.function == place.function), -1)
    scope: dict[str, int] = {}
    code = calls[level].code if level >= 0 else None
    plain = grouped((item.node, item.target) for item in assignments if code and item.code is code)
    for node in tape[max(0, index - BACK) : index + AHEAD] if level >= 0 else ():
        depth = len(node.chain) - len(calls) + level
        if depth < 0 or node.chain[depth + 1 :] != calls[level + 1 :]:
            continue
        call = node.chain[depth]
        if call.code is not calls[level].code:
            continue
        source = call.place.source
        for position, argument in enumerate(node.arguments) if depth == 0 else ():
            text = _text(source, position)
            if text and isinstance(argument, Reference) and argument.index < index:
                earlier = scope.setdefault(text, argument.index)
                scope[text] = argument.index if node.index <= index else earlier
        if node.index >= index:
            is_made_of_them = index < node.index and max(node.operands, default=0) < index
            if depth == 0 and is_made_of_them and len(source) <= SHORT and _is_whole(source):
                scope.setdefault(source, node.index)
            continue
        for name in filter(None, (assigned_name(call.place), *plain.get(node.index, ()))):
            word = re.compile(rf"\b{re.escape(name)}\b")  # texts with the old value are stale
            scope = {text: at for text, at in scope.items() if not word.search(text)}
            scope[name] = node.index
        if depth == 0 and len(source) <= SHORT and _is_whole(source):
            scope[source] = node.index
    return {text: at for text, at in scope.items() if tape[at].is_float}


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
