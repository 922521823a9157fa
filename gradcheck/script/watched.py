"""Numbers that a loop computes and only shows: a loss may have any name there, such as `chi2`."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gradcheck.script.words import name_of

SHOWN = (ast.JoinedStr, ast.Compare)
"""What shows a number, or asks whether it has converged."""

SHOWING = ("print", "append", "write", "format", "info", "debug", "set_description", "str", "round")


def watched_in(loop: ast.For | ast.While) -> set[str]:
    """Return the variables that a loop computes and only shows, and the lists that it keeps."""
    assigned = (part for part in ast.walk(loop) if isinstance(part, ast.Assign))
    computed = {
        target.id
        for part in assigned
        if isinstance(part.value, ast.Call | ast.BinOp | ast.UnaryOp)
        for target in part.targets
        if isinstance(target, ast.Name)
    }
    calls = (part for part in ast.walk(loop) if isinstance(part, ast.Call))
    kept = {
        part.func.value.id
        for part in calls
        if isinstance(part.func, ast.Attribute) and part.func.attr == "append"
        if isinstance(part.func.value, ast.Name)
    }
    return (computed | kept) - set(_used(loop))


def _used(node: ast.AST) -> Iterator[str]:
    """Yield the variables that are read for anything else than to be shown, kept or compared."""
    if isinstance(node, SHOWN) or (isinstance(node, ast.Call) and name_of(node.func) in SHOWING):
        return
    if isinstance(node, ast.Assign) and isinstance(node.value, ast.Name):
        return
    if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
        yield node.target.id
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        yield node.id
    for child in ast.iter_child_nodes(node):
        yield from _used(child)
