"""Edits of statements: assigned or added to, and their order."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import pairwise

from gradcheck.mending.context import Context, Edit
from gradcheck.mending.of_insertions import after
from gradcheck.mending.of_operands import NUMBER


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


def like_others(context: Context) -> Iterator[Edit]:
    """What another statement assigns, with this one's number: `dW1 = ...` as `dW2 = ...` has it."""
    made = [
        (ast.unparse(node.targets[0] if isinstance(node, ast.Assign) else node.target), node.value)
        for node in context.nodes()
        if isinstance(node, ast.Assign | ast.AugAssign)
    ]
    for target, value in made:
        for other, right in made:
            if other == target or NUMBER.sub("#", other) != NUMBER.sub("#", target):
                continue
            pairs = zip(NUMBER.findall(other), NUMBER.findall(target), strict=True)
            old, new = next((one, two) for one, two in pairs if one != two)
            text, more = context.source(right), int(new) - int(old)
            same = re.sub(rf"(?<!\d){old}(?!\d)", new, text)
            parts = re.split(r"(\d+)", text)
            moved = "".join(str(max(0, int(one) + more)) if one.isdigit() else one for one in parts)
            yield context.replaced(value, same, 8.0)
            yield context.replaced(value, moved, 8.5)


def moved_statements(context: Context) -> Iterator[Edit]:
    """A statement that comes earlier or later among its neighbours, after its loop, or again."""
    yield from _ends_of_loops(context)
    for block in context.blocks():
        yield from _again(context, block)
        spans = [context.span(statement) for statement in block]
        if any(one[1] > other[0] for one, other in pairwise(spans)):
            continue  # two on one line
        for index, statement in enumerate(block):
            if not isinstance(statement, ast.Assign | ast.AugAssign | ast.Expr | ast.For):
                continue
            for place in range(len(block)):
                if abs(place - index) and not isinstance(block[place], ast.Return):
                    yield _moved(context, block, spans, index, place)


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


def _moved(
    context: Context,
    block: list[ast.stmt],
    spans: list[tuple[int, int]],
    index: int,
    place: int,
) -> Edit:
    first, last = min(index, place), max(index, place)
    texts = [context.text[slice(*spans[number])] for number in range(first, last + 1)]
    texts.insert(place - first, texts.pop(index - first))
    gaps = [context.text[spans[number][1] : spans[number + 1][0]] for number in range(first, last)]
    whole = b"".join(text + gap for text, gap in zip(texts, [*gaps, b""], strict=True))
    where = "after" if place > index else "before"
    moved, other = (context.source(block[one]).split("\n")[0] for one in (index, place))
    return Edit(
        context.path,
        spans[first][0],
        spans[last][1],
        whole,
        12.0 + 0.1 * abs(place - index),
        block[first].lineno,
        f"{moved}  moved {where}  {other}",
    )


def reversed_loops(context: Context) -> Iterator[Edit]:
    """A loop the other way round."""
    for node in context.all_of(ast.For):
        text = context.source(node.iter)
        inner = node.iter.args if isinstance(node.iter, ast.Call) else []
        if text.startswith("reversed(") and len(inner) == 1:
            yield context.replaced(node.iter, context.source(inner[0]), 8.0)
        else:
            yield context.replaced(node.iter, f"reversed({text})", 8.0)


def kept_results(context: Context) -> Iterator[Edit]:
    """The result of a call, which is dropped, assigned to one of its arguments."""
    for node in context.all_of(ast.Expr):
        if isinstance(node.value, ast.Call):
            for argument in node.value.args:
                if isinstance(argument, ast.Name):
                    text = f"{argument.id} = {context.source(node.value)}"
                    yield context.replaced(node.value, text, 9.0)
