"""Numbers that a loop computes and only shows: a loss may have any name there, such as `chi2`."""

from __future__ import annotations

import ast
from collections import Counter

from gradcheck.script.parts import single
from gradcheck.script.words import name_of, names_read

SHOWN = (ast.JoinedStr, ast.Compare)
"""What shows a number, or asks whether it has converged."""

SHOWING = ("print", "append", "write", "format", "info", "debug", "set_description", "str", "round")


def watched_in(loop: ast.For | ast.While) -> set[str]:
    """Return the variables that a loop computes and only shows, and the lists that it keeps."""
    parts = list(ast.walk(loop))
    computed = {
        target.id
        for part in parts
        if isinstance(part, ast.Assign)
        if isinstance(part.value, ast.Call | ast.BinOp | ast.UnaryOp)
        for target in single(part.targets)  # also of `value, gradient = f(x)`
        if isinstance(target, ast.Name)
    }
    added = Counter(
        part.target.id
        for part in parts
        if isinstance(part, ast.AugAssign) and isinstance(part.target, ast.Name)
    )
    calls = (part for part in parts if isinstance(part, ast.Call))
    kept = {
        part.func.value.id
        for part in calls
        if isinstance(part.func, ast.Attribute) and part.func.attr == "append"
        if isinstance(part.func.value, ast.Name)
    }
    read = Counter(names_read(loop, _only_shows)) - added
    return (computed | kept | set(added)) - set(read)


def _only_shows(node: ast.AST) -> bool:
    """Whether what a node reads is shown, kept or compared, or has another name from then on."""
    match node:
        case ast.Call():
            return name_of(node.func) in SHOWING
        case ast.Assign():
            return isinstance(node.value, ast.Name)
    return isinstance(node, SHOWN)
