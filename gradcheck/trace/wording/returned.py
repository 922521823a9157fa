"""Where a function hands back the gradient of a block."""

from __future__ import annotations

import ast
import re

from gradcheck.trace.record.places import Call, Chain, Place
from gradcheck.trace.record.sources import tree_of
from gradcheck.user.blocks import BARE


def returned_place(chain: Chain, block: str) -> Place | None:
    """The expression that stands for a block, a key or `params[2]`, in what a function returns.

    The outermost call of the chain that returns a dict with the block, or a tuple or list in the
    order of the blocks, is taken.
    """
    for call in reversed(chain):
        for statement in _returns(call):
            value = _part(statement.value, block)
            if value is not None:
                return Place.of(value, call.code.co_filename, call.code.co_name)
    return None


def _part(value: ast.expr | None, block: str) -> ast.expr | None:
    if block == BARE and not isinstance(value, ast.Dict | ast.Tuple | ast.List):
        return value
    if isinstance(value, ast.Dict):
        for key, part in zip(value.keys, value.values, strict=True):
            name = key.value if isinstance(key, ast.Constant) else None
            if isinstance(name, str) and name in (block, block.partition("[")[0]):
                return part
    position = re.fullmatch(r"params\[(\d+)\]", block)
    if isinstance(value, ast.Tuple | ast.List) and position:
        number = int(position[1])
        return value.elts[number] if number < len(value.elts) else None
    if isinstance(value, ast.Tuple):
        return next((found for one in value.elts if (found := _part(one, block))), None)
    return None


def _returns(call: Call) -> list[ast.Return]:
    code = call.code
    for node in ast.walk(tree_of(code.co_filename)):
        if not isinstance(node, ast.FunctionDef) or node.name != code.co_name:
            continue
        first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
        if first == code.co_firstlineno:
            return [inner for inner in ast.walk(node) if isinstance(inner, ast.Return)]
    return []
