"""The user's source files, read anew when they have changed."""

from __future__ import annotations

import ast
import linecache
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
