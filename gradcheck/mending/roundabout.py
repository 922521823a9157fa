"""Expressions that undo what they do, which nobody writes."""

from __future__ import annotations

import ast
import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache

TIMES = re.compile(r"^[\d.]+ \* ")
"""A number that a term begins with."""
ABSOLUTE = ("abs", "np.abs", "numpy.abs", "np.absolute")


@cache
def is_roundabout(text: str) -> bool:
    """True if an expression undoes what it does, as `a**2 / a`, `a.T.T` or `1 - (1 - a)` do."""
    for node in ast.walk(ast.parse(text, mode="eval")):
        match node:
            case ast.Attribute(ast.Attribute(attr="T"), "T"):
                return True
        over, under = Counter(_factors(node)), Counter(_factors(node, False))
        if over & under or any(count > 1 and ")" in one for one, count in (over + under).items()):
            return True
        if isinstance(node, ast.UnaryOp) and isinstance(node.operand, ast.UnaryOp):
            return True
        if any(f"{name}({one})" in over for one in under for name in ABSOLUTE):  # a sign
            return True
        if _numbers_cancel(node):
            return True
        terms = list(terms_of(node))
        constants = sum(isinstance(term, ast.Constant) for term in terms)
        twice = len(terms) > len({TIMES.sub("", ast.unparse(term)) for term in terms})
        if len(terms) > 1 and (constants > 1 or twice or _add_up(terms)):
            return True
    return False


def _numbers_cancel(node: ast.AST) -> bool:
    """True if the numbers in a product are 1 together, as in `0.5 * a * 2`."""
    numbers = [*_numbers(node)]
    return len(numbers) > 1 and math.prod(numbers) == 1


def _numbers(node: ast.AST) -> Iterator[float]:
    match node:
        case ast.BinOp(left, ast.Mult() | ast.Div() as op, right):
            yield from _numbers(left)
            is_divided = isinstance(op, ast.Div)
            yield from (1 / one if is_divided else one for one in _numbers(right) if one)
        case ast.Constant(int() | float() as value):
            yield float(value)


def _add_up(terms: Sequence[ast.AST]) -> bool:
    """True if two of the terms are parts of one product, as `a * b` and `a * (1 - b)`."""
    products = [{*_factors(term), *_factors(term, False)} for term in terms]
    pairs = ((one, other) for one in products for other in products)
    return any(
        f"1 - {base}" in other and other - {f"1 - {base}"} <= one
        for one, other in pairs
        for base in one
    )


def is_product_of(factor: str, text: str) -> bool:
    """True if an expression is a product or quotient that has a factor."""
    tree = ast.parse(text, mode="eval").body
    return ast.unparse(ast.parse(factor, mode="eval")) in {*_factors(tree), *_factors(tree, False)}


def _factors(node: ast.AST, over: bool = True) -> Iterator[str]:
    """Yield the factors over or under the line of a fraction, without powers."""
    match node:
        case ast.BinOp(left, ast.Mult() | ast.Div() as op, right):
            yield from _factors(left, over)
            yield from _factors(right, over == isinstance(op, ast.Mult))
        case ast.BinOp(left, ast.Pow(), _) if over:
            yield ast.unparse(left)
        case _ if over and not isinstance(node, ast.Expression | ast.Constant):
            yield ast.unparse(node)


def terms_of(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the terms of a sum or difference."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
        yield from terms_of(node.left)
        yield from terms_of(node.right)
    else:
        yield node
