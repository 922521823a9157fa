"""Edits of statements: assigned or added to, and their order."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gradcheck.mending.context import Context, Edit
from gradcheck.mending.of_insertions import after


def assigned_or_added(context: Context) -> Iterator[Edit]:
    """`+=` for `=`, and the other way; `-=` for `+=`."""
    for node in context.nodes():
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            if isinstance(node.targets[0], ast.Name | ast.Attribute | ast.Subscript):
                yield _with_operator(context, node, node.targets[0], "+=", 7.0)
        elif isinstance(node, ast.AugAssign):
            own = {ast.Add: "+=", ast.Sub: "-=", ast.Mult: "*="}.get(type(node.op), "")
            for operator in ("=", "+=", "-="):
                if operator != own:
                    yield _with_operator(context, node, node.target, operator, 7.0)


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
    """A statement after its loop, or again."""
    yield from _ends_of_loops(context)
    for block in context.blocks():
        yield from _again(context, block)


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


def _ends_of_loops(context: Context) -> Iterator[Edit]:
    """The last statement of a loop after it: a return there ends the first pass."""
    for node in context.nodes():
        if isinstance(node, ast.For | ast.While) and len(node.body) > 1 and not node.orelse:
            last, outer = node.body[-1], context.span(node)[0]
            start, end = context.starts[last.lineno - 1], context.span(last)[0]
            indent = context.text[context.starts[node.lineno - 1] : outer]
            if last.lineno == last.end_lineno and not indent.strip():
                weight = 5.0 if isinstance(last, ast.Return) else 10.0
                words = f"{context.source(last)}  moved out of the loop"
                yield Edit(context.path, start, end, indent, weight, last.lineno, words)


def kept_results(context: Context) -> Iterator[Edit]:
    """The result of a call, which is dropped, assigned to one of its arguments."""
    for node in context.all_of(ast.Expr):
        if isinstance(node.value, ast.Call):
            for argument in node.value.args:
                if isinstance(argument, ast.Name):
                    text = f"{argument.id} = {context.source(node.value)}"
                    yield context.replaced(node.value, text, 9.0)
