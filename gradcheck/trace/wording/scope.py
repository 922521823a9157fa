"""What a function of the user's has at hand at a place, by the names that it gives it."""

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
"""So much of the tape is read for what has a name."""

Operand = tuple[str, int, int]
"""The text of what an operation uses, the operation, the value."""


def names_at(
    state: State, index: int, place: Place, assignments: Sequence[Assignment]
) -> dict[str, int]:
    """What the function at a place has made or read before an operation, and reads after it."""
    tape, calls = state.tape, with_place(state, state.tape[index]).chain
    level = next((i for i, one in enumerate(calls) if one.place.function == place.function), -1)
    scope: dict[str, int] = {}
    own = [one for one in assignments if level >= 0 and one.code is calls[level].code]
    plain = grouped((one.node, one.target) for one in own)
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
            continue
        for name in filter(None, (assigned_name(call.place), *plain.get(node.index, ()))):
            known = re.compile(rf"\b{re.escape(name)}\b")
            scope = {text: at for text, at in scope.items() if not known.search(text)}
            scope[name] = node.index
        if depth == 0 and len(source) <= SHORT and _is_whole(source):
            scope[source] = node.index
    return {text: at for text, at in scope.items() if tape[at].is_float}


@lru_cache(maxsize=4096)
def _is_whole(source: str) -> bool:
    return expression_of(source) is not None


@lru_cache(maxsize=4096)
def _text(source: str, position: int) -> str:
    """The operand of an operation, if that is a name, an attribute or an item."""
    operand = operand_text(source, position)
    is_plain = isinstance(operand, ast.Name | ast.Attribute | ast.Subscript)
    return ast.unparse(operand) if operand is not None and is_plain else ""


@lru_cache(maxsize=4096)
def _whole_text(source: str, position: int) -> str:
    """The operand of an operation, whatever it is, if that is short."""
    operand = operand_text(source, position)
    text = "" if operand is None else ast.unparse(operand)
    return text if len(text) <= SHORT else ""


def operands_of_expression(state: State, node: int, place: Place) -> list[Operand]:
    """What the operations of an expression use: its text, the operation, the value."""
    found: list[Operand] = []
    pending = [node]
    while pending:
        made = state.tape[pending.pop()]
        own = made.place
        if own is None or (own.file, own.function, own.line) != (
            place.file,
            place.function,
            place.line,
        ):
            continue
        for position, argument in enumerate(made.arguments):
            if isinstance(argument, Reference):
                text = _text(own.source, position)
                is_plain = bool(text) and not text.endswith(".T")
                found.append(
                    (text or _whole_text(own.source, position), made.index, argument.index)
                )
                if not is_plain:
                    pending.append(argument.index)
    return found
