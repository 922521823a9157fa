"""Edits of statements: assigned or added to, and their order."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import pairwise

from gradcheck.mending.context import NAMED, Context, Edit
from gradcheck.mending.of_insertions import IN_PLACE

PARTS = {1: ("[1:]", "[:-1]"), 2: ("[:, 1:]", "[1:]", "[:, :-1]", "[:-1]")}
"""The parts without biases, in arrays of one axis and of two."""


def assigned_or_added(context: Context) -> Iterator[Edit]:
    """Yield `+=` for `=`, and the reverse; `-=` for `+=`, `*=` for `/=`."""
    for node in context.nodes:
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            if isinstance(node.targets[0], ast.Name | ast.Attribute | ast.Subscript):
                yield with_assignment(context, node, node.targets[0], "+=")
            yield from _items_added(context, node.targets[0], node.value)
        elif isinstance(node, ast.AugAssign):
            present = IN_PLACE.get(type(node.op), "")
            scaling = ("*=", "/=") if present in ("*=", "/=") else ()
            for operator in (*scaling, "=", "+=", "-="):
                if operator != present:
                    yield with_assignment(context, node, node.target, operator)
            yield from _in_part(context, node)
            if isinstance(node.target, ast.Subscript) and not isinstance(node.value, ast.Constant):
                yield context.replaced(node.value, "1", 6.5)  # of a label


def _items_added(context: Context, target: ast.expr, value: ast.expr) -> Iterator[Edit]:
    """Yield a list whose items are added to those of the one that it replaces."""
    known = context.value(target)
    if known is not None and known.kind == "list" and context.value(value) == known:
        lists = f"zip({context.source(target)}, {context.source(value)})"
        yield context.replaced(value, f"[one + other for one, other in {lists}]", 7.0)


def _in_part(context: Context, node: ast.AugAssign) -> Iterator[Edit]:
    """Yield an update of one part of its target, and of values as large: without a bias column."""
    value = context.value(node.target)
    if value is None or value.kind != "array":
        return
    inside = [one for one in ast.walk(node.value) if isinstance(one, ast.Name | ast.Subscript)]
    alike = [one for one in inside if context.value(one) == value]
    for part in PARTS.get(len(value.shape), ()) if alike else ():
        parts = {one: f"{context.source(one)}{part}" for one in (node.target, *alike)}
        yield context.replaced(node, context.rewritten(context.span(node), parts), 9.0)


def with_assignment(
    context: Context, statement: ast.Assign | ast.AugAssign, target: ast.expr, operator: str
) -> Edit:
    """Return the edit of a statement's assignment: `=` for `+=`."""
    start, end = context.span(target)[1], context.span(statement.value)[0]
    between = context.text[start:end].decode("utf-8")
    opened = between[between.index("=") + 1 :].strip()  # a bracket, if there is one
    name, text = context.source(target), f" {operator} {opened}".encode()
    words = f"{name}{between.rstrip()}  ->  {name} {operator}"
    return Edit(context.path, start, end, text, 7.0, target.lineno, words)


def moved_statements(context: Context) -> Iterator[Edit]:
    """Yield a statement moved after its loop, into the block before, or after or before readers."""
    yield from _ends_of_blocks(context)
    for block in context.blocks():
        yield from _into_blocks(context, block)
        yield from _after_what_reads(context, block)
        yield from _before_what_reads(context, block)


def _before_what_reads(context: Context, block: list[ast.stmt]) -> Iterator[Edit]:
    """Yield an assignment moved before the first statement that should read the new value."""
    for place, statement in enumerate(block):
        if not isinstance(statement, ast.Assign | ast.AugAssign):
            continue
        made, needed = _stored_in(statement), _read_in(statement)
        for number in range(place - 1, -1, -1):
            earlier = block[number]
            if _stored_in(earlier) & (needed | made):
                break
            if made & _read_in(earlier):
                yield from _moved_up(context, statement, block[number:place])


def _moved_up(context: Context, statement: ast.stmt, passed: list[ast.stmt]) -> Iterator[Edit]:
    first, last = context.span(passed[0])[0], context.span(passed[-1])[1]
    start, end = context.span(statement)
    between = context.text[last:start]
    if between.strip() or context.newline not in between:
        return
    moved = context.text[start:end] + context.newline + context.indent(passed[0])
    words = f"{context.source(statement).splitlines()[0]}  moved before line {passed[0].lineno}"
    text = moved + context.text[first:last]
    yield Edit(context.path, first, end, text, 4.0, passed[0].lineno, words)


def _after_what_reads(context: Context, block: list[ast.stmt]) -> Iterator[Edit]:
    """Yield an update moved after the statements that should read the old value."""
    for place, statement in enumerate(block):
        changed = {_whole(one) for one in _updated(statement)}
        readers = [
            number
            for number, later in enumerate(block[place + 1 :], place + 1)
            if not isinstance(later, ast.Return) and changed & _read_in(later)
        ]
        if not changed or not readers:
            continue
        last = block[readers[-1]]
        ends = statement.end_lineno or statement.lineno
        first, later = context.starts[statement.lineno - 1], context.starts[ends]
        end, close = context.span(statement)[1], context.span(last)[1]
        if context.indent(statement).strip() or context.text[end:later].strip():
            continue
        moved = context.text[later:close] + context.newline + context.text[first:end]
        words = f"{context.source(statement).splitlines()[0]}  moved after line {last.end_lineno}"
        yield Edit(context.path, first, close, moved, 4.0, last.lineno, words)


def _updated(statement: ast.stmt) -> Iterator[ast.expr]:
    """Yield the targets that a statement, or a loop of such, changes by their own value."""
    if isinstance(statement, ast.AugAssign):
        yield statement.target
    elif isinstance(statement, ast.Assign):
        read = _read_in(statement.value)
        yield from (one for one in statement.targets if _whole(one) in read)
    elif isinstance(statement, ast.For):
        for inner in statement.body:
            yield from _updated(inner)


def _whole(target: ast.expr) -> str:
    """Return the name or attribute of which a target is an entry."""
    while isinstance(target, ast.Subscript):
        target = target.value
    return ast.unparse(target)


def _stored_in(node: ast.AST) -> set[str]:
    """Return the names and attributes that a statement makes or changes."""
    targets = getattr(node, "targets", [getattr(node, "target", None)])
    inside = (one for target in targets if target is not None for one in ast.walk(target))
    stored = (one for one in inside if isinstance(getattr(one, "ctx", None), ast.Store))
    return {_whole(one) for one in stored if isinstance(one, NAMED)}


def _read_in(node: ast.AST) -> set[str]:
    return {
        ast.unparse(one)
        for one in ast.walk(node)
        if isinstance(one, ast.Name | ast.Attribute) and isinstance(one.ctx, ast.Load)
    }


def _into_blocks(context: Context, block: list[ast.stmt]) -> Iterator[Edit]:
    """Yield a statement after a loop or branch, moved into it or into its last inner block."""
    for before, statement in pairwise(block):
        within = before
        while isinstance(within, ast.For | ast.While | ast.If):
            within = (within.orelse or within.body)[-1]
            words = "moved into the block that ends before it"
            yield from _indented(context, statement, context.indent(within), 8.0, words)


def _indented(
    context: Context, statement: ast.stmt, indent: bytes, weight: float, words: str
) -> Iterator[Edit]:
    """Yield a statement of one line, moved into another block that begins or ends beside it."""
    before, start = context.indent(statement), context.span(statement)[0]
    if statement.lineno == statement.end_lineno and not before.strip() and not indent.strip():
        words = f"{context.source(statement)}  {words}"
        begin = start - len(before)
        yield Edit(context.path, begin, start, indent, weight, statement.lineno, words)


def _ends_of_blocks(context: Context) -> Iterator[Edit]:
    """Yield the last statement of a loop or branch after it: a return ends a loop's first pass."""
    for node in context.nodes:
        if isinstance(node, ast.For | ast.While | ast.If) and len(node.body) > 1:
            last, what = node.body[-1], "branch" if isinstance(node, ast.If) else "loop"
            weight = 5.0 if isinstance(last, ast.Return) else 10.0
            if not node.orelse:
                words = f"moved out of the {what}"
                yield from _indented(context, last, context.indent(node), weight, words)


def kept_results(context: Context) -> Iterator[Edit]:
    """Yield the result of a call, which is dropped, assigned to one of its arguments."""
    for node in context.all_of(ast.Expr):
        if isinstance(node.value, ast.Call):
            for argument in node.value.args:
                if isinstance(argument, ast.Name):
                    text = f"{argument.id} = {context.source(node.value)}"
                    yield context.replaced(node.value, text, 9.0)
