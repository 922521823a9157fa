"""Projections of parameters after their update: onto a sphere, a simplex, or the mean 0.

`w /= np.linalg.norm(w)` moves `w` at any learning rate, and is no part of the loss's gradient: the
step is judged as it is before.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Set
from dataclasses import replace

from gradcheck.mending.marks import guarded, placed
from gradcheck.script.marks import PROJECTION, Function, Marked, Site
from gradcheck.script.updates import has_rate, is_update
from gradcheck.script.words import as_read, mentions, name_of

NORMS = re.compile(r"(?i)norm|sqrt|length|\b(sum|max)\b")
MEANS = re.compile(r"(?i)mean|average|cent(er|re)")
PROJECTS = re.compile(r"(?i)proj|normali[sz]e|simplex|retract|cent(er|re)|orthogonal")


def mark_projections(tree: ast.Module, marked: Marked, file: str) -> None:
    """Put each projection of what its function updates under a mark, which can leave it out.

    `w = project(w - step)` is made two statements.
    """
    like = Site(PROJECTION, "", 0, "", file=file)
    tree.body = [*_in_block(tree.body, _updated(tree), marked, like)]


def _in_block(
    block: Iterable[ast.stmt], updated: Set[str], marked: Marked, like: Site
) -> Iterator[ast.stmt]:
    for statement in (part for one in block for part in _in_two(one)):
        if _target(statement) in updated and _projects(statement):
            text = ast.unparse(statement)
            marked.sites.append(replace(like, name=text, text=text, line=statement.lineno))
            yield guarded(ast.Constant(len(marked.sites) - 1), statement)
            continue
        own, within = updated, like
        if isinstance(statement, Function):
            within = replace(like, function=statement.lineno, within=statement.name)
            own = _updated(statement)
        for name, part in ast.iter_fields(statement):
            if isinstance(part, list) and part and isinstance(part[0], ast.stmt):
                setattr(statement, name, [*_in_block(part, own, marked, within)])
        yield statement


def _updated(scope: ast.AST) -> set[str]:
    """Return what statements of a scope update, other than by a projection alone."""
    statements = [one for one in ast.walk(scope) if isinstance(one, ast.Assign | ast.AugAssign)]
    parts = (part for one in statements for part in _in_two(one))
    return {_target(one) for one in parts if is_update(one) and not _projects(one)} - {""}


def _in_two(statement: ast.stmt) -> Iterator[ast.stmt]:
    """Yield a statement, or the update and the projection that it is made of."""
    match statement:
        case ast.Assign([target], ast.Call(function, [moved, *others], keywords)):
            update = placed(ast.Assign([target], moved), statement)
            if PROJECTS.search(name_of(function)) and is_update(update):
                yield update
                whole = ast.Call(function, [as_read(target), *others], keywords)
                statement = placed(ast.Assign([target], whole), statement)
    yield statement


def _target(statement: ast.stmt) -> str:
    """Return what a statement assigns, `w` of `w[:] = ...`; "" if it is no single thing."""
    match statement:
        case ast.Assign([target]) | ast.AugAssign(target):
            if isinstance(target, ast.Subscript) and isinstance(target.slice, ast.Slice):
                target = target.value
            return ast.unparse(target)
    return ""


def _projects(statement: ast.stmt) -> bool:
    """Whether a statement divides a variable by its norm, takes its mean off, or projects it."""
    match statement:
        case ast.AugAssign(_, ast.Div(), part) | ast.Assign(_, ast.BinOp(_, ast.Div(), part)):
            pattern = NORMS
        case ast.AugAssign(_, ast.Sub(), part) | ast.Assign(_, ast.BinOp(_, ast.Sub(), part)):
            pattern = MEANS
        case ast.Assign(_, ast.Call(part)):
            pattern = PROJECTS
        case _:
            return False
    read = ast.unparse(statement).partition("=")[2]
    reads = isinstance(statement, ast.AugAssign) or mentions(read, _target(statement))
    return reads and not has_rate(statement) and bool(pattern.search(ast.unparse(part)))
