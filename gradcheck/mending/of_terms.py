"""Edits of sums: a term that a whole expression lacks, or a factor or an argument in it."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gradcheck.mending.context import Context, Edit
from gradcheck.mending.of_factors import stretches, target_value
from gradcheck.mending.scope import Value
from gradcheck.mending.written import grouped

SUMMED = ("array", "float")


def missing_terms(context: Context) -> Iterator[Edit]:
    """Plus or minus a value, or an item beside one; what a recursion had before; 1 in a factor."""
    for node in context.wholes():
        value, text = target_value(context, node), grouped(context.source(node), node, "+")
        for term, far in _terms(context, node, value):
            yield context.replaced(node, f"{text} + {term}", 13.0 + far)
            yield context.replaced(node, f"{text} - {term}", 13.5 + far)
    for node in _factors(context):
        text = context.source(node)
        for term, far in _terms(context, node, context.value(node)):
            for now in (f"({text} + {term})", f"({text} - {term})"):
                yield context.whole_replaced(node, now, 14.0 + far)
        yield context.whole_replaced(node, f"(1 + {text})", 13.0)


def _factors(context: Context) -> Iterator[ast.expr]:
    """The factors of products that stand alone or in brackets, and the arguments of calls."""
    for node in context.all_of(ast.expr):
        match context.parents.get(node):
            case ast.BinOp(op=ast.Mult() | ast.Div() | ast.MatMult()) | ast.Call():
                pass
            case _:
                continue
        value = context.value(node)
        start, end = context.span(node)
        around = context.text[start - 1 : start] + context.text[end : end + 1]
        is_whole = not isinstance(node, ast.BinOp | ast.UnaryOp) or around == b"()"
        if is_whole and value is not None and value.kind in SUMMED:
            yield node


def _terms(context: Context, node: ast.expr, value: Value | None) -> Iterator[tuple[str, float]]:
    """What may be added to an expression, and how unlikely that is."""
    if value is None or value.kind not in SUMMED:
        return
    own = context.source(node)
    for text, other in context.values.items():
        same = other.shape == value.shape
        fits = (same or stretches(other.shape, value.shape)) and other.kind == value.kind
        if fits and text != own and not context.is_made_later(text, node):
            yield text, 0.0 if same else 0.5
    match node, context.parents.get(node):
        case ast.Subscript(array, ast.Name(index)), _:
            numbers = [text for text, other in context.values.items() if other.kind == "int"]
            names = [text for text in numbers if text.isidentifier() and text != index]
            yield from ((f"{context.source(array)}[{text}]", 0.5) for text in names)
        case _, ast.Assign([ast.Name(before)]):  # of a loop, in which it has a value already
            for text, other in context.values.items():
                if other.kind == "float" and text.isidentifier() and text != before:
                    yield f"{text} * {before}", 1.0
