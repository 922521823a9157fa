"""Edits inside of expressions: operators, brackets, and factors of one operand."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gradcheck.mending.context import Context, Edit, grouped
from gradcheck.mending.of_factors import sizes_in, stretches

SYMBOLS: dict[type[ast.operator], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.MatMult: "@",
}
COMPARED = {ast.Gt: ">", ast.GtE: ">=", ast.Lt: "<", ast.LtE: "<=", ast.Eq: "==", ast.NotEq: "!="}
NAME = ast.Name | ast.Attribute | ast.Subscript


def operators(context: Context) -> Iterator[Edit]:
    """A quotient for a product, or the other way."""
    for node in context.all_of(ast.BinOp):
        left, right = context.source(node.left), grouped(context.source(node.right), node.right)
        if isinstance(node.right, ast.BinOp) and not isinstance(node.right.op, ast.Pow):
            right = f"({context.source(node.right)})"
        if isinstance(node.op, ast.Mult):
            yield context.replaced(node, f"{left} / {right}", 7.5)
        elif isinstance(node.op, ast.Div):
            yield context.replaced(node, f"{left} * {right}", 7.5)


def brackets(context: Context) -> Iterator[Edit]:
    """Brackets around other operands: `u * (z > 0)` for `u * z > 0`, `a / (b * c)`."""
    for node in context.nodes():
        match node:
            case ast.Compare(left=ast.BinOp() as inner, ops=[operator], comparators=[other]):
                if type(operator) in COMPARED and type(inner.op) in SYMBOLS:
                    mask = f"({_text(context, inner.right)} {COMPARED[type(operator)]} "
                    text = f"{_text(context, inner.left)} {SYMBOLS[type(inner.op)]} "
                    yield context.replaced(node, f"{text}{mask}{_text(context, other)})", 5.0)
            case ast.BinOp(left=left, op=operator, right=right) if type(operator) in SYMBOLS:
                yield from _regrouped(context, node, left, right)


def _regrouped(
    context: Context, node: ast.BinOp, left: ast.expr, right: ast.expr
) -> Iterator[Edit]:
    """The operands of two operators that stand beside each other, the other two together."""
    outer = SYMBOLS[type(node.op)]
    if isinstance(left, ast.BinOp) and type(left.op) in SYMBOLS:
        first, second, third = (_text(context, one) for one in (left.left, left.right, right))
        if not (type(left.op) is type(node.op) and isinstance(node.op, ast.Add | ast.Mult)):
            inner = SYMBOLS[type(left.op)]
            yield context.replaced(node, f"{first} {inner} ({second} {outer} {third})", 8.0)
    if isinstance(right, ast.BinOp) and type(right.op) in SYMBOLS:
        first, second, third = (_text(context, one) for one in (left, right.left, right.right))
        if not (type(right.op) is type(node.op) and isinstance(node.op, ast.Add | ast.Mult)):
            inner = SYMBOLS[type(right.op)]
            yield context.replaced(node, f"({first} {outer} {second}) {inner} {third}", 8.0)


def _text(context: Context, node: ast.expr) -> str:
    """An operand in brackets, unless it needs none wherever it stands."""
    text = context.source(node)
    is_tight = isinstance(node, NAME | ast.Constant | ast.Call)
    is_power = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow)
    return text if is_tight or is_power else f"({text})"


def inner_factors(context: Context) -> Iterator[Edit]:
    """A sign, a number or a value in scope as a factor of one operand: a term, an argument."""
    sizes = list(sizes_in(context))
    for node, is_argument in _operands(context):
        value = context.value(node)
        if value is not None and value.kind in ("list", "int"):
            continue
        text = _factor_text(context, node)
        far = 2.0 if is_argument else 0.0
        yield context.replaced(node, f"-{text}", 7.5 + far)
        for size, weight in sizes:
            yield context.replaced(node, f"{size} * {text}", weight + 4.0 + far)
            yield context.replaced(node, f"{text} / {size}", weight + 4.0 + far)
        for atom, other in context.values.items():
            if value is None or other.kind != "array" or atom == text:
                continue
            if other.shape == value.shape or stretches(other.shape, value.shape):
                weight = 10.0 if other.shape == value.shape else 12.0
                yield context.replaced(node, f"{text} * {atom}", weight + far)
                yield context.replaced(node, f"{text} / {atom}", weight + 2.0 + far)


def _operands(context: Context) -> Iterator[tuple[ast.expr, bool]]:
    """Terms of sums and operands of products of matrices; and arguments of calls."""
    for node in context.nodes():
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub | ast.MatMult):
            for side in (node.left, node.right):
                if not isinstance(side, ast.Constant):
                    yield side, False
        elif isinstance(node, ast.Call):
            for argument in node.args:
                if not isinstance(argument, ast.Constant | ast.Starred | ast.Tuple | ast.List):
                    yield argument, True


def _factor_text(context: Context, node: ast.expr) -> str:
    """An operand's text as a factor: a product needs no brackets, but where matrices are."""
    text = context.source(node)
    product = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.Pow)
    parent = context.parents.get(node)
    in_matrices = isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.MatMult)
    return text if product and not in_matrices else _text(context, node)
