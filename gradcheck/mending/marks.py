"""Marks in a script's code: calls of `__gradcheck__`, which an edit of the code has to keep.

`script` puts them around losses, rates and differences, to see their values.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Sequence
from typing import Any, NamedTuple

HOOKS, OWN = "__gradcheck__", "__gradcheck_"
"""The name of the object that has the hooks, and what all names begin with that are none of the
user's: no edit is made of these."""

LEFT, RIGHT = f"{OWN}left_", f"{OWN}right_"
"""What the names of the operands of differences begin with; the number of the mark follows, as an
operand may hold another difference, and two underscores, with which a class leaves them alone."""

SEE, USED, DIFFERENCE, SCALED = "see", "used", "difference", "scaled"


class Mark(NamedTuple):
    """A mark: its number, the hook that it calls, and the text of the expression that it shows.

    The text is the name that an assignment gives a value, or empty for a return.
    """

    number: int
    hook: str
    text: str


def called(hook: str, arguments: list[ast.expr], like: ast.AST) -> Any:
    """Return a call of a hook, at the place of a node."""
    function = ast.Attribute(ast.Name(HOOKS, ast.Load()), hook, ast.Load())
    return placed(ast.Call(function, arguments, []), like)


def marked_difference(number: ast.Constant, node: ast.BinOp) -> Any:
    """Return a difference with a mark that also shows its operands."""
    names = [f"{side}{number.value!r}__" for side in (LEFT, RIGHT)]
    node.left, node.right = (
        placed(ast.NamedExpr(ast.Name(name, ast.Store()), side), side)
        for name, side in zip(names, (node.left, node.right), strict=True)
    )
    operands: list[ast.expr] = [ast.Name(name, ast.Load()) for name in names]
    return called(DIFFERENCE, [number, node, *operands], node)


def guarded(number: ast.Constant, node: ast.stmt) -> Any:
    """Return a statement under a mark, which leaves it out at a scale of 0."""
    return placed(ast.If(called(SCALED, [number, ast.Constant(True)], node), [node], []), node)


def one_taken(node: ast.stmt) -> ast.BinOp | None:
    """Return the difference `p[label] - 1` of a statement `p[label] -= 1`; None for any other.

    It is how many write `probabilities - one_hot(labels)`. An index that calls other things than
    those that count is left alone, as it would be called twice.
    """
    if not isinstance(node, ast.AugAssign) or not isinstance(node.target, ast.Subscript):
        return None
    one = isinstance(node.value, ast.Constant) and node.value.value == 1
    calls = [part.func for part in ast.walk(node.target) if isinstance(part, ast.Call)]
    if not one or not isinstance(node.op, ast.Sub) or not all(map(_counts, calls)):
        return None
    element = copy.deepcopy(node.target)  # in its place, where it may raise
    element.ctx = ast.Load()
    difference: ast.BinOp = placed(ast.BinOp(element, ast.Sub(), ast.Constant(1)), node)
    return difference


def _counts(function: ast.expr) -> bool:
    return ast.unparse(function).rpartition(".")[2] in ("range", "arange", "len", "int", "list")


def placed(node: Any, like: ast.AST) -> Any:
    """Return a new node, at the place of another."""
    return ast.fix_missing_locations(ast.copy_location(node, like))


class Marker(ast.NodeTransformer):
    """Puts marks into a tree."""

    def __init__(self, marks: Sequence[Mark]) -> None:
        self._numbers = {(one.hook, one.text): ast.Constant(one.number) for one in marks}

    def visit_Name(self, node: Any) -> Any:
        """Mark a rate that is read: a name or an attribute."""
        number = self._numbers.get((USED, ast.unparse(node)))
        if number is None or not isinstance(node.ctx, ast.Load):
            return self.generic_visit(node)
        return called(USED, [number, node], node)

    visit_Attribute = visit_Name  # noqa: N815

    def visit_BinOp(self, node: ast.BinOp) -> Any:
        """Mark a difference."""
        number = self._numbers.get((DIFFERENCE, ast.unparse(node)))
        self.generic_visit(node)
        return node if number is None else marked_difference(number, node)

    def visit_Assign(self, node: Any) -> Any:
        """Add the marks of the names that an assignment gives a value, or that of a projection."""
        projection = self._numbers.get((SCALED, ast.unparse(node)))
        if projection is not None:
            return guarded(projection, node)
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        parts = [part for target in targets for part in ast.walk(target)]
        names = dict.fromkeys(part.id for part in parts if isinstance(part, ast.Name))
        seen = [
            called(SEE, [self._numbers[SEE, name], ast.Name(name, ast.Load())], node)
            for name in names
            if (SEE, name) in self._numbers
        ]
        before = []
        difference = one_taken(node)
        number = difference and self._numbers.get((DIFFERENCE, ast.unparse(difference)))
        if difference and number:
            before = [placed(ast.Expr(marked_difference(number, difference)), node)]
        after = [placed(ast.Expr(one), node) for one in seen]
        return [*before, self.generic_visit(node), *after]

    visit_AugAssign = visit_Assign  # noqa: N815

    def visit_Return(self, node: ast.Return) -> ast.Return:
        """Mark what is returned, the first item of a tuple."""
        self.generic_visit(node)
        number = self._numbers.get((SEE, ""))
        if number is not None and isinstance(node.value, ast.Tuple) and node.value.elts:
            node.value.elts[0] = called(SEE, [number, node.value.elts[0]], node)
        elif number is not None and node.value is not None:
            node.value = called(SEE, [number, node.value], node)
        return node
