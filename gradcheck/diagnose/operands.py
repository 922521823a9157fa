"""The product that raised: its operands, read from the user's line and its variables."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.trace.wording.misfits import Misfit, products_of
from gradcheck.user.calls import Raised

Array = NDArray[Any]

PRODUCTS = {"dot", "matmul", "multiply", "inner", "outer"}
OPERATORS = (ast.MatMult, ast.Mult, ast.Add, ast.Sub)
ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.MatMult: operator.matmul,
}
VERBS: dict[type, str] = {ast.Add: "adds", ast.Sub: "subtracts", ast.Div: "divides"}
OPERATIONS = {
    **dict.fromkeys(("matmul", "dot", "inner", "outer"), (False, "multiplies")),
    "multiply": (True, "multiplies"),
    "add": (True, "adds"),
    "subtract": (True, "subtracts"),
    "divide": (True, "divides"),
}
"""By operation of a trace: whether it goes entry by entry, and what it does."""

SHAPE_WORDS = ("shape", "align", "broadcast", "dimension", "mismatch")


@dataclass(frozen=True)
class WrittenProduct:
    """A product of two arrays in the user's source; `elementwise` is `*`, `+` or the like."""

    code: str
    left_code: str
    right_code: str
    left: Array
    right: Array
    elementwise: bool
    verb: str = "multiplies"

    @property
    def fits_as_matrices(self) -> bool:
        """Whether the operands would make a matrix product."""
        return self.left.ndim == self.right.ndim == 2 and self.left.shape[1] == self.right.shape[0]

    @property
    def fits_elementwise(self) -> bool:
        """Whether the operands have one shape, of rows and columns."""
        return self.left.shape == self.right.shape and self.left.ndim == 2

    def alternatives(self) -> Iterator[tuple[str, Array]]:
        """Other products of the same two operands, as code and value."""
        return products_of(self.left_code, self.right_code, self.left, self.right)


def speaks_of_shapes(raised: Raised) -> bool:
    """Whether an exception is about shapes that do not fit."""
    return isinstance(raised.error, ValueError) and any(
        word in str(raised.error).lower() for word in SHAPE_WORDS
    )


def misaligned_product(raised: Raised) -> WrittenProduct | None:
    """The product that raised for its shapes, where line and variables tell which it was."""
    if not raised.frames:
        return None
    try:
        tree = ast.parse(raised.frames[-1].source.rstrip(":"))
    except SyntaxError:
        return None
    for node in ast.walk(tree):
        for left, right in _operands(node):
            values = _value(left, raised.scope), _value(right, raised.scope)
            if (
                isinstance(values[0], np.ndarray)
                and isinstance(values[1], np.ndarray)
                and not _fit(*values, _is_elementwise(node))
            ):
                return WrittenProduct(
                    ast.unparse(node),
                    ast.unparse(left),
                    ast.unparse(right),
                    *values,
                    elementwise=_is_elementwise(node),
                    verb=VERBS.get(type(getattr(node, "op", node)), "multiplies"),
                )
    return None


def followed_product(misfit: Misfit) -> WrittenProduct | None:
    """The product that a trace found not to fit, if it was one of two arrays."""
    if len(misfit.operands) != 2 or misfit.operation not in OPERATIONS:
        return None
    left, right = misfit.operands
    elementwise, verb = OPERATIONS[misfit.operation]
    return WrittenProduct(
        misfit.code, left.code, right.code, left.value, right.value, elementwise, verb
    )


def _fit(left: Array, right: Array, elementwise: bool) -> bool:
    """Whether two operands can be combined."""
    if not elementwise:
        if not left.ndim or not right.ndim:
            return True
        return bool(left.shape[-1] == right.shape[0 if right.ndim == 1 else -2])
    try:
        np.broadcast_shapes(left.shape, right.shape)
    except ValueError:
        return False
    return True


def _is_elementwise(node: ast.AST) -> bool:
    if isinstance(node, ast.BinOp):
        return not isinstance(node.op, ast.MatMult)
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "multiply"
    )


def _operands(node: ast.AST) -> Iterator[tuple[ast.expr, ast.expr]]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, OPERATORS):
        yield node.left, node.right
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        if node.func.attr in PRODUCTS and len(node.args) == 2:
            yield node.args[0], node.args[1]
        elif node.func.attr == "dot" and len(node.args) == 1:
            yield node.func.value, node.args[0]


def _value(node: ast.expr, scope: dict[str, Any]) -> Any:
    """What an expression of names, items and arithmetic stands for; no function is called."""
    try:
        if isinstance(node, ast.Name):
            return scope.get(node.id)
        if isinstance(node, ast.Attribute):
            return getattr(_value(node.value, scope), node.attr, None)
        if isinstance(node, ast.Subscript):
            key = node.slice
            index = key.value if isinstance(key, ast.Constant) else _value(key, scope)
            return _value(node.value, scope)[index]
        if isinstance(node, ast.Constant):
            return node.value
        if isinstance(node, ast.BinOp) and type(node.op) in ARITHMETIC:
            operands = _value(node.left, scope), _value(node.right, scope)
            if all(isinstance(one, np.ndarray | int | float) for one in operands):
                with np.errstate(all="ignore"):
                    return ARITHMETIC[type(node.op)](*operands)
    except (TypeError, KeyError, IndexError, ValueError, ZeroDivisionError):
        return None
    return None
