"""How expressions are written: in brackets where they need them, in the quotes of the file."""

from __future__ import annotations

import ast
import re

QUOTED = re.compile(r"\"[^\"\n]*\"|'([^'\"\\\n]*)'")
"""A text in quotes, and what is in single ones."""


def grouped(text: str, node: ast.expr, after: str = "") -> str:
    """An expression's text as an operand after nothing or an operator, in brackets if needed."""
    if isinstance(node, ast.BinOp):
        tight = {"**": (), "/": (ast.Pow,), "*": (ast.Pow, ast.Mult, ast.Div)}
        more = (ast.Pow, ast.Mult, ast.Div, ast.MatMult)
        return text if isinstance(node.op, tight.get(after, more)) else f"({text})"
    loose = ast.IfExp | ast.Compare | ast.BoolOp | ast.Lambda | ast.UnaryOp
    return f"({text})" if isinstance(node, loose) else text


def operand(text: str, after: str = "") -> str:
    """The same of an expression that is no more than its text; as a base after `**`."""
    return grouped(text, ast.parse(text, mode="eval").body, after)


def quoted_as_in(file: bytes, text: str) -> str:
    """A text with double quotes around its words, if the file has these for the most part."""
    if "'" not in text or file.count(b'"') <= file.count(b"'"):
        return text
    return QUOTED.sub(lambda found: found[0] if found[1] is None else f'"{found[1]}"', text)
