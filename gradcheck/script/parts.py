"""Find the parts of a loss: terms with names of their own, and sums over other loops."""

from __future__ import annotations

import ast
import copy

from gradcheck.script.marks import Function, TrainingLoop
from gradcheck.script.words import STRONG, is_update, may_be_loss, name_of


def called_losses(node: ast.AST) -> frozenset[str]:
    """Return the functions named like a loss that are called within an expression."""
    calls = (part for part in ast.walk(node) if isinstance(part, ast.Call) and part is not node)
    return frozenset(f"{name_of(one.func)}()" for one in calls if _is_loss(name_of(one.func)))


def local_losses(function: Function, value: ast.expr) -> frozenset[str]:
    """Return the variables named like a loss from which a function computes `value`."""
    assigned = [part for part in ast.walk(function) if isinstance(part, ast.Assign | ast.AugAssign)]
    uses: dict[str, set[str]] = {}
    for node in assigned:
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            if isinstance(target, ast.Name):
                own = uses.setdefault(target.id, {target.id} if _is_loss(target.id) else set())
                own |= {loss for name in _names(node.value) for loss in uses.get(name, ())}
    if isinstance(value, ast.Name) and _is_loss(value.id):
        return frozenset()
    return frozenset(loss for name in _names(value) for loss in uses.get(name, ()))


def accumulated(loop: TrainingLoop, tree: ast.Module) -> list[ast.stmt]:
    """Return statements that add the terms of another loop over the same items to the loss."""
    head = _head(loop.node)
    scope = loop.function or tree
    inside = {id(part) for part in ast.walk(loop.node)}
    for node in ast.walk(scope):
        if not isinstance(node, ast.For) or id(node) in inside or _head(node) != head:
            continue
        parts = [part for statement in node.body for part in ast.walk(statement)]
        if any(part is loop.node for part in parts):
            continue
        names = {name for part in parts if (name := _added(part))}
        others = any(is_update(part) and not _added(part) for part in parts)
        if len(names) == 1 and not others:
            name = names.pop()
            everywhere = [part for part in ast.walk(scope) if _added(part) == name]
            if len(everywhere) == len(list(filter(_added, parts))):
                zero = ast.Assign([ast.Name(name, ast.Store())], ast.Constant(0.0))
                return [
                    ast.fix_missing_locations(ast.copy_location(zero, node)),
                    *map(copy.deepcopy, node.body),
                ]
    return []


def _added(node: ast.AST) -> str:
    """Return the variable named like a loss that a statement adds to; else ""."""
    match node:
        case ast.AugAssign(ast.Name(name), ast.Add()):
            pass
        case ast.Assign([ast.Name(name), *_], ast.BinOp(op=ast.Add()) as total) if name in _names(
            total
        ):
            pass
        case _:
            return ""
    return name if may_be_loss(name) else ""


def _head(node: ast.For | ast.While) -> str:
    if isinstance(node, ast.While):
        return ""
    return f"{ast.unparse(node.target)} in {ast.unparse(node.iter)}"


def _is_loss(name: str) -> bool:
    return bool(STRONG.search(name)) and may_be_loss(name)


def _names(node: ast.AST) -> set[str]:
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
