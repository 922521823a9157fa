"""The user's source files, read anew when they have changed."""

from __future__ import annotations

import ast
import linecache
from collections.abc import Iterator
from functools import lru_cache


def text_of(file: str) -> str:
    """The source; empty where it cannot be read."""
    try:
        return "".join(linecache.getlines(file))
    except ValueError:  # a null byte in the name
        return ""


def tree_of(file: str) -> ast.Module:
    """The source, parsed; an empty module where that cannot be done."""
    return parsed(text_of(file))


def expression_of(text: str) -> ast.expr | None:
    """An expression, parsed; None where it is none."""
    try:
        return ast.parse(text, mode="eval").body
    except SyntaxError:
        return None


@lru_cache(maxsize=64)
def parsed(text: str) -> ast.Module:
    """A source, parsed, as in `tree_of`; what is kept goes by the text, not by the file's name."""
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError):
        return ast.Module(body=[], type_ignores=[])


def numbers_in(text: str) -> Iterator[tuple[ast.BinOp, float, bool]]:
    """The products of an expression with a bare number, that, and whether it divides."""
    tree = expression_of(text)
    for node in () if tree is None else ast.walk(tree):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.Div):
            for side in (node.left, node.right):
                if isinstance(side, ast.Constant) and isinstance(side.value, int | float):
                    divides = isinstance(node.op, ast.Div) and side is node.right
                    yield node, side.value, divides
