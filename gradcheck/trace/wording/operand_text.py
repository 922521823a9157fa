"""The text of the operands of an operation, in the user's source."""

from __future__ import annotations

import ast
from dataclasses import replace

from gradcheck.trace.locating.mend import Mend
from gradcheck.trace.locating.state import State
from gradcheck.trace.record.nodes import Node, Reference
from gradcheck.trace.record.places import Place
from gradcheck.trace.record.sources import expression_of, parsed

MODULES = ("np", "numpy", "math")


def text_of_use(made: Node, consumer: Node, operand: int) -> ast.expr | None:
    """The expression that an operand is, in that of the operation that uses it."""
    for position, argument in enumerate(consumer.arguments):
        if isinstance(argument, Reference) and argument.index == operand:
            return operand_text(made.chain[0].place.source, position)
    return None


def place_of_use(made: Node, consumer: Node, operand: int) -> Place | None:
    """Where in that expression the operand stands; None where it is spread over lines."""
    text, place = text_of_use(made, consumer, operand), made.chain[0].place
    if text is None or place.line != place.end_line or text.end_col_offset is None:
        return None
    first, last = place.column + text.col_offset, place.column + text.end_col_offset
    part = replace(place, column=first, end_column=last)
    return part if part.source == ast.get_source_segment(place.source, text) else None


def name_of_operand(mend: Mend, state: State) -> str | None:
    """The expression that a wrong operand is, where a single use of it is replaced."""
    if len(mend.unit.uses) != 1:
        return None
    consumer, operand = mend.unit.uses[0]
    made = with_place(state, state.tape[consumer])
    text = text_of_use(made, state.tape[consumer], operand) if made.chain else None
    return None if text is None else ast.unparse(text)


def operand_text(source: str, position: int) -> ast.expr | None:
    """The expression of an operand in that of an operation, or in an augmented assignment."""
    expression = expression_of(source) or _augmented(source)
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
        if isinstance(function, ast.Attribute) and ast.unparse(function.value) not in MODULES:
            operands = [function.value, *operands]
    return operands[position] if position < len(operands) else None


def _augmented(source: str) -> ast.AugAssign | None:
    body = parsed(source).body
    return body[0] if len(body) == 1 and isinstance(body[0], ast.AugAssign) else None


def with_place(state: State, node: Node) -> Node:
    """The node, or the last one that it is made of whose place is known."""
    while not node.chain and node.operands:
        node = state.tape[max(node.operands, key=lambda i: (bool(state.tape[i].chain), i))]
    return node
