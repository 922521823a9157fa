"""The learning rates that a script sets in its loop, or finds by a line search."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Sequence, Set

from gradcheck.script.marks import Function
from gradcheck.script.updates import is_update
from gradcheck.script.words import calls_in, name_of


def searching(tree: ast.Module) -> set[str]:
    """Return the functions that return what they shrink in a loop: the rate of a line search."""
    functions = (node for node in ast.walk(tree) if isinstance(node, Function))
    return {one.name for one in functions if _returned(one) & _shrunk_in_loops(one)}


def _returned(function: Function) -> set[str]:
    returns = (part for part in ast.walk(function) if isinstance(part, ast.Return))
    return {name_of(part.value) for part in returns if part.value}


def _shrunk_in_loops(function: Function) -> set[str]:
    loops = (part for part in ast.walk(function) if isinstance(part, ast.While | ast.For))
    return {_shrunk(part) for loop in loops for part in ast.walk(loop)} - {""}


def local_rates(body: Sequence[ast.stmt], searching: Set[str]) -> set[str]:
    """Return variables assigned once, to a literal or its quotient, that scale an update.

    They may be shrunk afterwards, and come from a function that is `searching`: so may the factor
    itself.
    """
    parts = [part for statement in body for part in ast.walk(statement)]
    assigned = Counter(
        part.id for part in parts if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)
    )
    numbers = {
        part.targets[0].id
        for part in parts
        if isinstance(part, ast.Assign)
        and isinstance(part.targets[0], ast.Name)
        and (_is_number(part.value) or calls_in(part.value) & searching)
    }
    factors = {
        side.id
        for update in filter(is_update, parts)
        for product in ast.walk(update)
        if isinstance(product, ast.BinOp) and isinstance(product.op, ast.Mult)
        for side in (product.left, product.right)
        if isinstance(side, ast.Name)
    }
    shrunk = Counter(name for part in parts if (name := _shrunk(part)))
    return {name for name in numbers & factors if assigned[name] - shrunk[name] == 1} | searching


def _shrunk(node: ast.AST) -> str:
    """Return the variable that a statement multiplies by something, or divides; else ""."""
    match node:
        case ast.AugAssign(ast.Name(name), ast.Mult() | ast.Div()):
            return name
        case ast.Assign([ast.Name(name)], ast.BinOp(left, ast.Mult() | ast.Div(), right)):
            return name if name in (name_of(left), name_of(right)) else ""
    return ""


def _is_number(node: ast.expr) -> bool:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        node = node.left
    return isinstance(node, ast.Constant) and isinstance(node.value, float)
