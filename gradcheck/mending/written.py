"""How expressions are written: in brackets if they need them, in the quotes of the file."""

from __future__ import annotations

import ast
import re

QUOTED = re.compile(r"\"[^\"\n]*\"|'([^'\"\\\n]*)'")
"""A text in quotes, and its words if the quotes are single."""


def grouped(text: str, node: ast.expr, after: str = "") -> str:
    """Return an expression's text as an operand after an operator, in brackets if needed."""
    if isinstance(node, ast.BinOp):
        tight = {"**": (), "/": (ast.Pow,), "*": (ast.Pow, ast.Mult, ast.Div)}
        more = (ast.Pow, ast.Mult, ast.Div, ast.MatMult)
        return text if isinstance(node.op, tight.get(after, more)) else f"({text})"
    loose = ast.IfExp | ast.Compare | ast.BoolOp | ast.Lambda | ast.UnaryOp
    return f"({text})" if isinstance(node, loose) else text


def operand(text: str, after: str = "") -> str:
    """Return the text of an expression as an operand; for `after="**"`, as the base of a power."""
    return grouped(text, ast.parse(text, mode="eval").body, after)


def continues(around: ast.AST | None, factor: ast.expr, text: str) -> bool:
    """True if a text adds factors to the last one of a product: `a * (b * c)` is `a * b * c`."""
    match around, ast.parse(text, mode="eval").body:
        case ast.BinOp(_, ast.Mult(), last), ast.BinOp(first, ast.Mult() | ast.Div()):
            return last is factor and ast.unparse(first) == ast.unparse(factor)
    return False


def quoted_as_in(file: bytes, text: str) -> str:
    """Return a text with double quotes around its words, if the file mostly has these."""
    if "'" not in text or file.count(b'"') <= file.count(b"'"):
        return text
    return QUOTED.sub(lambda found: found[0] if found[1] is None else f'"{found[1]}"', text)
