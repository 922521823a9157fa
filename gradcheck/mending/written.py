"""How expressions are written: in brackets if they need them, in the quotes of the file."""

from __future__ import annotations

import ast
import re
from itertools import accumulate

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


def bare(text: str) -> str:
    """Return a text without brackets around its beginning, if they change nothing."""
    if not text.startswith("("):
        return text
    depths = accumulate((one == "(") - (one == ")") for one in text)
    end = next((at for at, depth in enumerate(depths) if not depth), 0)
    without = text[1:end] + text[end + 1 :]
    try:
        is_same = text[end + 1 :] and ast.dump(ast.parse(without)) == ast.dump(ast.parse(text))
    except SyntaxError:
        return text
    return without if is_same else text


def written_as_in(file: bytes, text: str) -> str:
    """Return a text as the file has it: double quotes, if it mostly has these; no idle brackets."""
    text = bare(text)
    if "'" not in text or file.count(b'"') <= file.count(b"'"):
        return text
    return QUOTED.sub(lambda found: found[0] if found[1] is None else f'"{found[1]}"', text)
