"""Edits of statements: assigned or added to, and their order."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import pairwise

from gradcheck.mending.context import Context, Edit
from gradcheck.mending.of_insertions import after

IN_PLACE = {ast.Add: "+=", ast.Sub: "-=", ast.Mult: "*=", ast.Div: "/="}

PARTS = {1: ("[1:]", "[:-1]"), 2: ("[:, 1:]", "[1:]", "[:, :-1]", "[:-1]")}
"""Where no biases are, in arrays of one axis and of two."""


def assigned_or_added(context: Context) -> Iterator[Edit]:
    """`+=` for `=`, and the other way; `-=` for `+=`, `*=` for `/=`."""
    for node in context.nodes():
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            if isinstance(node.targets[0], ast.Name | ast.Attribute | ast.Subscript):
                yield _with_operator(context, node, node.targets[0], "+=", 7.0)
        elif isinstance(node, ast.AugAssign):
            own = IN_PLACE.get(type(node.op), "")
            scaling = ("*=", "/=") if own in ("*=", "/=") else ()
            for operator in (*scaling, "=", "+=", "-="):
                if operator != own:
                    yield _with_operator(context, node, node.target, operator, 7.0)
            yield from _in_part(context, node)


def _in_part(context: Context, node: ast.AugAssign) -> Iterator[Edit]:
    """A part alone, of what is updated and of what is as large in its value: no bias column."""
    own = context.value(node.target)
    if own is None or own.kind != "array":
        return
    inside = [one for one in ast.walk(node.value) if isinstance(one, ast.Name | ast.Subscript)]
    alike = [one for one in inside if context.value(one) == own]
    start, end = context.span(node)
    for part in PARTS.get(len(own.shape), ()) if alike else ():
        text = context.text[start:end].decode()
        for one in sorted([node.target, *alike], key=context.span, reverse=True):
            after = len(context.text[start : context.span(one)[1]].decode())
            text = f"{text[:after]}{part}{text[after:]}"
        yield context.replaced(node, text, 9.0)


def _with_operator(
    context: Context,
    statement: ast.Assign | ast.AugAssign,
    target: ast.expr,
    operator: str,
    weight: float,
) -> Edit:
    start, end = context.span(target)[1], context.span(statement.value)[0]
    between = context.text[start:end].decode("utf-8")
    opened = between[between.index("=") + 1 :].strip()  # a bracket, perhaps
    name = context.source(target)
    return Edit(
        context.path,
        start,
        end,
        f" {operator} {opened}".encode(),
        weight,
        target.lineno,
        f"{name}{between.rstrip()}  ->  {name} {operator}",
    )


def moved_statements(context: Context) -> Iterator[Edit]:
    """A statement after its loop, into the block before it, after what reads it, or again."""
    yield from _ends_of_blocks(context)
    for block in context.blocks():
        yield from _into_blocks(context, block)
        yield from _after_what_reads(context, block)
        yield from _again(context, block)


def _after_what_reads(context: Context, block: list[ast.stmt]) -> Iterator[Edit]:
    """An update after the statements that read what it changes, and were to read the old value."""
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
        lines = [context.starts[one] for one in (statement.lineno - 1, statement.end_lineno or 0)]
        (start, end), close = context.span(statement), context.span(last)[1]
        if context.text[lines[0] : start].strip() or context.text[end : lines[1]].strip():
            continue
        moved = context.text[lines[1] : close] + context.newline + context.text[lines[0] : end]
        words = f"{context.source(statement).splitlines()[0]}  moved after line {last.end_lineno}"
        yield Edit(context.path, lines[0], close, moved, 4.0, last.lineno, words)


def _updated(statement: ast.stmt) -> Iterator[ast.expr]:
    """What a statement, or a loop of such, changes by its own value."""
    if isinstance(statement, ast.AugAssign):
        yield statement.target
    elif isinstance(statement, ast.Assign):
        read = _read_in(statement.value)
        yield from (one for one in statement.targets if _whole(one) in read)
    elif isinstance(statement, ast.For):
        for inner in statement.body:
            yield from _updated(inner)


def _whole(target: ast.expr) -> str:
    """The name or attribute of which a target is an entry."""
    while isinstance(target, ast.Subscript):
        target = target.value
    return ast.unparse(target)


def _read_in(node: ast.AST) -> set[str]:
    return {
        ast.unparse(one)
        for one in ast.walk(node)
        if isinstance(one, ast.Name | ast.Attribute) and isinstance(one.ctx, ast.Load)
    }


def _into_blocks(context: Context, block: list[ast.stmt]) -> Iterator[Edit]:
    """A statement that follows a loop or a branch, into it, or into the last block inside of it."""
    for before, statement in pairwise(block):
        start, within = context.span(statement)[0], before
        begin = context.starts[statement.lineno - 1]
        if statement.lineno != statement.end_lineno or context.text[begin:start].strip():
            continue
        while isinstance(within, ast.For | ast.While | ast.If):
            within = (within.orelse or within.body)[-1]
            line = context.starts[within.lineno - 1]
            indent = context.text[line : context.span(within)[0]]
            if indent.strip():
                break
            words = f"{context.source(statement)}  moved into the block that ends before it"
            yield Edit(context.path, begin, start, indent, 8.0, statement.lineno, words)


def _again(context: Context, block: list[ast.stmt]) -> Iterator[Edit]:
    """What is made of a name, made again after that is bound to something else."""
    for place, statement in enumerate(block):
        if not isinstance(statement, ast.Assign):
            continue
        read = {one.id for one in ast.walk(statement.value) if isinstance(one, ast.Name)}
        for later in block[place + 1 :]:
            names = [ast.unparse(one) for one in getattr(later, "targets", ())]
            if read & {*names}:
                yield after(context, later, context.source(statement), 9.0)


def _ends_of_blocks(context: Context) -> Iterator[Edit]:
    """The last statement of a loop or branch after it: a return in a loop ends its first pass."""
    for node in context.nodes():
        if (
            isinstance(node, ast.For | ast.While | ast.If)
            and len(node.body) > 1
            and not node.orelse
        ):
            last, outer = node.body[-1], context.span(node)[0]
            start, end = context.starts[last.lineno - 1], context.span(last)[0]
            indent = context.text[context.starts[node.lineno - 1] : outer]
            if last.lineno == last.end_lineno and not indent.strip():
                weight = 5.0 if isinstance(last, ast.Return) else 10.0
                what = "branch" if isinstance(node, ast.If) else "loop"
                words = f"{context.source(last)}  moved out of the {what}"
                yield Edit(context.path, start, end, indent, weight, last.lineno, words)


def kept_results(context: Context) -> Iterator[Edit]:
    """The result of a call, which is dropped, assigned to one of its arguments."""
    for node in context.all_of(ast.Expr):
        if isinstance(node.value, ast.Call):
            for argument in node.value.args:
                if isinstance(argument, ast.Name):
                    text = f"{argument.id} = {context.source(node.value)}"
                    yield context.replaced(node.value, text, 9.0)
