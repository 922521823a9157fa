"""Numbers that a loop computes and only shows: a loss may have any name there, such as `chi2`."""

from __future__ import annotations

import ast

from gradcheck.script.words import name_of, names_read

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
    return (computed | kept) - set(names_read(loop, _only_shows))


def _only_shows(node: ast.AST) -> bool:
    """Whether what a node reads is shown, kept or compared, or has another name from then on."""
    match node:
        case ast.Call():
            return name_of(node.func) in SHOWING
        case ast.Assign():
            return isinstance(node.value, ast.Name)
    return isinstance(node, SHOWN)
