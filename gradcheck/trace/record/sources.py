"""The text and the syntax trees of the user's source files."""

from __future__ import annotations

import ast
import linecache
from collections.abc import Iterator, Sequence
from functools import lru_cache
from types import CodeType


def text_of(file: str) -> str:
    """Return the text of a file; "" if it cannot be read."""
    try:
        return "".join(linecache.getlines(file))
    except ValueError:  # a null byte in the name
        return ""


def tree_of(file: str) -> ast.Module:
    """Return the syntax tree of a file; an empty module if it cannot be parsed."""
    return parsed(text_of(file))


def expression_of(text: str) -> ast.expr | None:
    """Parse an expression; None if it is not valid."""
    try:
        return ast.parse(text, mode="eval").body
    except SyntaxError:
        return None


@lru_cache(maxsize=64)
def parsed(text: str) -> ast.Module:
    """Parse a source text, or return an empty module; cached by the text, not the file name."""
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError):
        return ast.Module(body=[], type_ignores=[])


def returns_of(code: CodeType) -> list[ast.Return]:
    """Return the `return` statements of a function, also of those inside of it."""
    return _returns(text_of(code.co_filename), code.co_name, code.co_firstlineno)


@lru_cache(maxsize=256)
def _returns(text: str, function: str, first_line: int) -> list[ast.Return]:
    for node in ast.walk(parsed(text)):
        if not isinstance(node, ast.FunctionDef) or node.name != function:
            continue
        if first_line == min([node.lineno, *(one.lineno for one in node.decorator_list)]):
            return [inner for inner in ast.walk(node) if isinstance(inner, ast.Return)]
    return []


def last_factors(product: ast.expr | None) -> Iterator[tuple[ast.expr, list[ast.expr]]]:
    """Yield what stands before the last factor of a product, with that; before the last two, etc.

    Python multiplies from the left, so that the last factors together are no expression.
    """
    factors: list[ast.expr] = []
    while isinstance(product, ast.BinOp) and isinstance(product.op, ast.Mult):
        factors.insert(0, product.right)
        product = product.left
        yield product, list(factors)


def numbers_in(text: str) -> Iterator[tuple[ast.BinOp, float, bool]]:
    """Yield products and quotients with a literal number, the number, and whether it divides."""
    tree = expression_of(text)
    for node in () if tree is None else ast.walk(tree):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.Div):
            for side in (node.left, node.right):
                if isinstance(side, ast.Constant) and isinstance(side.value, int | float):
                    divides = isinstance(node.op, ast.Div) and side is node.right
                    yield node, side.value, divides


def may_end(body: Sequence[ast.stmt]) -> bool:
    """Whether the statements of a function may come to their end, so that it gives None."""
    last = body[-1]
    if isinstance(last, ast.If):
        return not last.orelse or may_end(last.body) or may_end(last.orelse)
    return isinstance(last, ast.Expr | ast.Assign | ast.AugAssign | ast.For | ast.Pass)
