"""Where a gradient is made that is an item of what is returned: of a dict, or of a tuple."""

from __future__ import annotations

import ast
from collections.abc import Collection, Sequence
from typing import Any

from gradcheck.diagnose.assignments import Assignment, Code, names_in
from gradcheck.user.blocks import Leaf
from gradcheck.user.calls import Location
from gradcheck.user.objects import Position


def returned_gradient(
    code: Code, leaf: Leaf, names: Collection[str], order: Sequence[Any]
) -> Assignment | None:
    """Where the one returned item is made that is the gradient of a block, if there is one.

    Args:
        code: all that is assigned and returned.
        leaf: the place of the block.
        names: the keys that its gradient, or the block itself, may have.
        order: what a returned tuple holds the gradients of.
    """
    made = []
    for one in code.returns:
        location, value = one.location, one.value
        if isinstance(value, ast.Name):
            assigned = code.last(value.id, one.function, location.line)
            if assigned is not None:
                location, value = assigned.location, assigned.value
        item = _named(value, leaf, names) or _in_order(value, leaf, order)
        if item is None:
            continue
        source = None
        if isinstance(item, ast.Name | ast.Attribute | ast.Subscript):
            name = ast.unparse(item)
            is_dict = isinstance(value, ast.Dict | ast.Call)
            if not (is_dict and _is_operand(code, name, value)):
                source = code.last(name, one.function, location.line)
        if source is None:  # also for a delta that stands there: the item is the line
            line = location.line + item.lineno - value.lineno
            source = Assignment(Location(location.file, line), item, item, False, one.function)
        made.append(source)
    return made[0] if len(made) == 1 else None


def _named(value: ast.expr, leaf: Leaf, names: Collection[str]) -> ast.expr | None:
    """The item of a returned dict that is a block's gradient."""
    if isinstance(value, ast.Call) and ast.unparse(value.func) == "dict" and not value.args:
        keys: list[ast.expr | None] = [ast.Constant(keyword.arg) for keyword in value.keywords]
        value = ast.Dict(keys, [keyword.value for keyword in value.keywords])
    if not isinstance(value, ast.Dict):
        return None
    for key, item in zip(value.keys, value.values, strict=True):
        if isinstance(key, ast.Constant) and key.value in names:
            inner = [step for step in leaf.path if isinstance(step, Position)]
            if inner and isinstance(item, ast.List | ast.Tuple):
                return item.elts[inner[-1].index] if inner[-1].index < len(item.elts) else None
            return None if inner else item
    return None


def _in_order(value: ast.expr, leaf: Leaf, order: Sequence[Any]) -> ast.expr | None:
    """The part of a returned tuple at the block's own place."""
    if order == [*leaf.path] and not isinstance(value, ast.Tuple | ast.List | ast.Dict):
        return value
    if not isinstance(value, ast.Tuple | ast.List) or len(value.elts) != len(order):
        return None
    if not leaf.path or leaf.path[0] not in order or len(order) < 2:
        return None
    item = value.elts[order.index(leaf.path[0])]
    for step in leaf.path[1:]:
        if not isinstance(step, Position) or not isinstance(item, ast.Tuple | ast.List):
            return None
        if step.index >= len(item.elts):
            return None
        item = item.elts[step.index]
    return item


def _is_operand(code: Code, name: str, returned: ast.expr) -> bool:
    """Whether what is returned under a name is used to make other things as well."""
    expressions = [
        node
        for value in (returned, *(one.value for one in code.assignments))
        for node in ast.walk(value)
        if isinstance(node, ast.BinOp | ast.Call) and ast.unparse(value) != name
    ]
    return any(
        name in names_in(node)
        for node in expressions
        if not (isinstance(node, ast.Call) and ast.unparse(node.func) == "dict")
    )
