"""The text of the operands of an operation, in the user's source."""

from __future__ import annotations

import ast
from dataclasses import replace
from itertools import pairwise
from types import CodeType

import numpy as np

from gradcheck.trace.locating.state import State
from gradcheck.trace.locating.units import Mend
from gradcheck.trace.record.library_functions import TORCHS
from gradcheck.trace.record.nodes import Node
from gradcheck.trace.record.places import Chain, Place, arguments_of
from gradcheck.trace.record.sources import expression_of, parsed, tree_of

WRITTEN = 2
"""The position of the value that is written, behind the array and the key."""

MODULES = ("np", "numpy", "math", "special", "torch", "F", "jnp")


def text_of_use(made: Node, consumer: Node, operand: int) -> ast.expr | None:
    """Return the expression of an operand inside that of the operation that uses it, or None."""
    positions = consumer.positions(operand)
    return operand_text(made.chain[0].place.source, positions[0]) if positions else None


def place_of_use(made: Node, consumer: Node, operand: int) -> Place | None:
    """Return the place of the operand in that expression; None if it is spread over lines."""
    text, place = text_of_use(made, consumer, operand), made.chain[0].place
    if text is None or place.line != place.end_line or text.end_col_offset is None:
        return None
    first, last = place.column + text.col_offset, place.column + text.end_col_offset
    part = replace(place, column=first, end_column=last)
    return part if part.source == ast.get_source_segment(place.source, text) else None


def name_of_operand(mend: Mend, state: State, blamed: Place | None) -> str | None:
    """Return the expression of a wrong operand at the blamed place.

    None if that place is none of its uses; empty if its uses have no text in common. The argument
    of a helper has the text there that the call passes.
    """
    edges = mend.unit.uses or [
        (user, node)
        for node in mend.unit.nodes[:1]
        for user in state.consumers[node]
        if state.tape[user].place == blamed != state.tape[node].place
    ]
    uses = [
        (with_place(state, state.tape[consumer]).chain, state.tape[consumer], operand)
        for consumer, operand in edges
    ]
    if not uses:
        return None
    first = uses[0][0]
    level = next((i for i, call in enumerate(first) if call.place == blamed), None)
    is_there = blamed is not None and any(call.place.covers(blamed) for call in first)
    if level is None and (len(uses) > 1 or not is_there):
        return None
    below = len(first) - (level or 0)
    texts = {_handed_over(*use, len(use[0]) - below) for use in uses}
    return texts.pop() if len(texts) == 1 else ""


def _handed_over(chain: Chain, consumer: Node, operand: int, level: int) -> str:
    """Return an operand's text `level` calls above its use; empty if that cannot be seen."""
    positions = consumer.positions(operand)
    if not positions or not 0 <= level < len(chain):
        return ""
    source = chain[0].place.source
    if consumer.operation == "setitem" and positions[0] == WRITTEN and level == 0:
        return _written_to(chain[0].place)
    text = operand_text(source, positions[0])
    for inner, outer in pairwise(chain[: level + 1]):
        source = outer.place.source
        text = argument_of(inner.code, expression_of(source), text)
    return "" if text is None else ast.get_source_segment(source, text) or ast.unparse(text)


def _written_to(place: Place) -> str:
    """Return the name that a statement writes to a place, `J[:, 0] = e`; empty if it is none."""
    statements = (one for one in ast.walk(tree_of(place.file)) if isinstance(one, ast.Assign))
    at = next((one for one in statements if one.lineno == place.line), None)
    return at.value.id if at is not None and isinstance(at.value, ast.Name) else ""


def argument_of(code: CodeType, call: ast.expr | None, text: ast.expr | None) -> ast.expr | None:
    """Return the expression that a call passes for the argument that a function calls `text`."""
    named = arguments_of(code)
    if not isinstance(call, ast.Call) or not isinstance(text, ast.Name) or text.id not in named:
        return None
    by_name = {one.arg: one.value for one in call.keywords}
    bound = named[0] in ("self", "cls") and isinstance(call.func, ast.Attribute)
    position = named.index(text.id) - bound
    by_position = call.args[position] if 0 <= position < len(call.args) else None
    return None if isinstance(by_position, ast.Starred) else by_name.get(text.id, by_position)


def assigned_value(source: str) -> str:
    """Return the right-hand side of an assignment as written, or any other text unchanged."""
    try:
        [statement] = ast.parse(source).body
    except (SyntaxError, ValueError):
        return source
    if isinstance(statement, ast.Assign):
        return ast.get_source_segment(source, statement.value) or source
    return source


def operand_text(source: str, position: int) -> ast.expr | None:
    """Return the expression of an operand in that of an operation or augmented assignment."""
    expression = expression_of(source) or augmented(source)
    operands: list[ast.expr] = []
    if isinstance(expression, ast.AugAssign):
        operands = [expression.target, expression.value]
    elif isinstance(expression, ast.BinOp):
        operands = [expression.left, expression.right]
    elif isinstance(expression, ast.UnaryOp):
        operands = [expression.operand]
    elif isinstance(expression, ast.Compare):
        operands = [expression.left, *expression.comparators]
    elif isinstance(expression, ast.Attribute | ast.Subscript):
        operands = [expression.value]
    elif isinstance(expression, ast.Call):
        operands = list(expression.args)
        function = expression.func
        if isinstance(function, ast.Attribute) and _is_method(function):
            operands = [function.value, *operands]
    return operands[position] if position < len(operands) else None


def added_to(source: str) -> str:
    """Return the text of the target that a `+=` adds to; '' if a text is no such statement."""
    statement = augmented(source)
    if statement is None or not isinstance(statement.op, ast.Add):
        return ""
    return ast.unparse(statement.target)


def _is_method(function: ast.Attribute) -> bool:
    """Whether a dotted name is that of an array's method, and not of a module's function."""
    is_arrays = hasattr(np.ndarray, function.attr) or function.attr in TORCHS
    return is_arrays and ast.unparse(function.value).partition(".")[0] not in MODULES


def augmented(source: str) -> ast.AugAssign | None:
    """Return the statement `a += b`, or one like it, that a text is; None if it is none."""
    body = parsed(source).body
    return body[0] if len(body) == 1 and isinstance(body[0], ast.AugAssign) else None


def with_place(state: State, node: Node) -> Node:
    """Return the node, or the last value that it is made of whose place is known."""
    while not node.chain and node.operands:
        node = state.tape[max(node.operands, key=lambda i: (bool(state.tape[i].chain), i))]
    return node
