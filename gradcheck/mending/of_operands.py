"""Edits of operands: other names, operators, kinds and orders of products."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import combinations

from gradcheck.diagnose.rule import EditKind
from gradcheck.mending.context import OPERATORS, Context, Edit
from gradcheck.mending.of_parts import formed
from gradcheck.mending.scope import unread_in
from gradcheck.mending.written import grouped

PRODUCTS = ("dot", "matmul", "multiply", "outer")
NUMBER = re.compile(r"\d+")
NEAR = range(-2, 2)
MOST_ITEMS, MOST_NAMES = 5, 8
OTHER: dict[type[ast.operator], tuple[str, float]] = {
    ast.Add: ("-", 8.0),
    ast.Sub: ("+", 8.0),
    ast.Mult: ("/", 7.5),
    ast.Div: ("*", 7.5),
}
"""The operator to try in place of another, with its weight."""


def operators(context: Context) -> Iterator[Edit]:
    """Yield minus for plus, a quotient for a product, and the reverse."""
    for node in context.all_of(ast.BinOp):
        if type(node.op) in OTHER:
            symbol, weight = OTHER[type(node.op)]
            yield context.with_operator(node, symbol, weight)


def exchanged(context: Context) -> Iterator[Edit]:
    """Yield two items, indices or arguments exchanged, or two names of a statement."""
    yield from _names_exchanged(context)
    for node in context.nodes:
        match node:
            case ast.List(items, ast.Load()) | ast.Tuple(items, ast.Load()) | ast.Call(_, items):
                pass
            case ast.Dict(_, items):
                pass
            case _:
                continue
        for first, second in combinations(items[:MOST_ITEMS], 2):
            values = [value for value in map(context.value, (first, second)) if value is not None]
            kinds = {(value.kind, value.shape) for value in values}
            one, other = map(context.source, (first, second))
            is_pair = len(items) == 2 and not isinstance(node, ast.Call)  # a gradient for each
            joined = isinstance(node, ast.List) and isinstance(context.parents.get(node), ast.Call)
            if (len(kinds) < 2 or is_pair or joined) and one != other:
                both = {first: other, second: one}
                yield context.replaced(node, context.rewritten(context.span(node), both), 8.0)


def _names_exchanged(context: Context) -> Iterator[Edit]:
    """Yield statements with two names of the same kind and shape, each where the other stood."""
    for statement, names in _names_read(context):
        for one, other in combinations(list(names)[:MOST_NAMES], 2):
            values = [context.value(names[name][0]) for name in (one, other)]
            kinds = {(value.kind, value.shape) if value else None for value in values}
            if len(kinds) == 1 and None not in kinds:
                turned = dict.fromkeys(names[one], other) | dict.fromkeys(names[other], one)
                text = context.rewritten(context.span(statement), turned)
                yield context.replaced(statement, text, 9.0)


def _names_read(context: Context) -> Iterator[tuple[ast.stmt, dict[str, list[ast.expr]]]]:
    """Yield the assignments, and where each reads what names."""
    for statement in context.all_of(ast.stmt):
        if isinstance(statement, ast.Assign | ast.AugAssign):
            names: dict[str, list[ast.expr]] = {}
            for node in ast.walk(statement):
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                    names.setdefault(node.id, []).append(node)
            yield statement, names


def brackets(context: Context) -> Iterator[Edit]:
    """Yield brackets around the last operands, or a call's moved.

    These are `u * (z > 0)` for `u * z > 0`, `n * x ** (n - 1)` for `n * x ** n - 1`, `a / (b * c)`
    for `a / b * c`; also `f(a * x)` for `a * f(x)`, or the reverse.
    """
    yield from _through_calls(context)
    for call in context.all_of(ast.Call):
        above, name = context.parents.get(call), context.source(call.func)
        match call.args, above:
            case [only], ast.BinOp(begun, ast.Add() | ast.Sub()) if begun is call:
                whole = {call: f"{name}({context.source(only)}"}
                text = context.rewritten(context.span(above), whole)
                yield context.replaced(above, f"{text})", 8.0)
        match call.args:
            case [ast.BinOp(first, ast.Add() | ast.Sub()) as only]:
                text = context.rewritten(context.span(only), {first: f"{context.source(first)})"})
                yield context.replaced(call, f"{name}({text}", 9.0)
    every: list[ast.Compare | ast.BinOp] = [
        *context.all_of(ast.Compare),
        *context.all_of(ast.BinOp),
    ]
    for node in every:
        part: ast.expr = node.left
        while isinstance(part, ast.BinOp):
            part = part.right
            text = context.rewritten(context.span(node), {part: f"({context.source(part)}"})
            yield context.replaced(node, f"{text})", 5.0)
        match node:
            case ast.BinOp(
                ast.BinOp(begun, ast.Mult() | ast.Div()), ast.Add() | ast.Sub(), last
            ):  # `(a - b) * c` for `a * c - b`
                symbol = OPERATORS[type(node.op)]
                moved = f"({context.source(begun)} {symbol} {context.source(last)})"
                text = context.rewritten(context.span(node.left), {begun: moved})
                yield context.whole_replaced(node, text, 5.5)


def _through_calls(context: Context) -> Iterator[Edit]:
    """Yield a factor beside a call moved into its first argument, or out of it."""
    for call in (one for one in context.all_of(ast.Call) if one.args):
        above, first = context.parents.get(call), call.args[0]
        own, form = grouped(context.source(first), first, "*"), "{0} * {1}"
        factor: ast.expr | None = None
        match above:
            case ast.BinOp(ast.BinOp(before, ast.Mult(), factor), ast.Mult(), last) if last is call:
                front = f"{context.source(before)} * "
            case ast.BinOp(factor, ast.Mult(), last) if last is call:
                front = ""
            case ast.BinOp(_, ast.Mult(), factor):
                front, form = "", "{1} * {0}"
        if factor and context.is_array(factor) and isinstance(above, ast.BinOp):
            inner = {first: form.format(context.source(factor), own)}
            text = context.rewritten(context.span(call), inner)
            yield context.fitted(above, f"{front}{text}", 9.0)
        match first:
            case ast.BinOp(left, ast.Mult(), right):
                for moved, rest in ((left, right), (right, left)):
                    text = context.rewritten(context.span(call), {first: context.source(rest)})
                    if context.is_array(moved):
                        yield context.fitted(call, f"{context.source(moved)} * {text}", 9.0)


def names(context: Context) -> Iterator[Edit]:
    """Yield another name, attribute or item of the same kind, one of the same shape first."""
    yield from _names_throughout(context)
    unread = unread_in(context.definition)
    for node in (*context.atoms(), *_owners(context)):
        present, text, parent = context.value(node), context.source(node), context.parents.get(node)
        if present is None or isinstance(parent, ast.keyword):
            continue
        for other, value in context.values.items():
            is_number = present.kind == "int" and value.kind == "float"  # an index for its entry
            if other == text or (value.kind != present.kind and not is_number):
                continue
            if context.is_made_later(other, node):
                continue
            weight = 6.0 if value.shape == present.shape else 8.0
            is_unread = other in unread and value.kind == "array"  # a count of passes may be
            if NUMBER.sub("#", other) == NUMBER.sub("#", text) or is_unread:
                weight -= 1.0
            weight += {"array": 0.0, "float": 1.0}.get(value.kind, 3.0)
            if isinstance(parent, ast.Tuple):  # a value that is passed on is seldom wrong
                weight += 1.0
            yield context.replaced(node, other, weight)


def _names_throughout(context: Context) -> Iterator[Edit]:
    """Yield another array wherever a statement reads one: `a * (1 - a)` for `z * (1 - z)`."""
    for statement, names in _names_read(context):
        for nodes in (one for one in names.values() if len(one) > 1):
            present = context.value(nodes[0])
            for other, value in context.values.items() if present else ():
                alike = value == present and present.kind == "array" and other not in names
                if alike and not context.is_made_later(other, nodes[0]):
                    text = context.rewritten(context.span(statement), dict.fromkeys(nodes, other))
                    yield context.replaced(statement, text, 7.0)


def _owners(context: Context) -> Iterator[ast.expr]:
    """Yield the names of arrays that items are read from: for `a[:, None]`, `b[:, None]`."""
    for node in context.all_of(ast.Subscript):
        is_item = isinstance(node.ctx, ast.Load) and context.value(node) is not None
        if is_item and isinstance(node.value, ast.Name) and context.is_array(node.value):
            yield node.value


def other_names(context: Context) -> Iterator[Edit]:
    """Yield any name for another, at a line that is pointed at or just before it.

    For a name that is not bound, CPython 3.11 may point at the line before.
    """
    near = {line + away for line in context.pointed for away in NEAR}
    for node in context.all_of(ast.Name):
        if node.lineno not in near or not isinstance(node.ctx, ast.Load):
            continue
        value = context.value(node)
        others = [one for one in context.known if one.isidentifier()]
        if value is None and node.id not in context.functions:
            others = list(dict.fromkeys([*others, *context.values]))
        far = 0.0 if node.lineno in context.pointed or value is None else 2.0
        for other in others:
            if other != node.id and not (value and context.is_made_later(other, node)):
                yield context.replaced(node, other, (6.0 if value is None else 9.0) + far)


def transposes(context: Context) -> Iterator[Edit]:
    """Yield a transpose left out or put in; of more than two axes, one known in the function."""
    yield from formed(EditKind.TRANSPOSE)(context)
    known = {}
    for call in context.all_of(ast.Call):
        if isinstance(call.func, ast.Attribute) and call.func.attr in ("transpose", "swapaxes"):
            turned, text = call.func.value, context.source(call)
            value = context.value(turned)
            known[text[len(context.source(turned)) :]] = value and len(value.shape)
    for node in context.atoms() if known else ():
        value, turns = context.value(node), known.items()
        for turn in [one for one, count in turns if value and count == len(value.shape)]:
            yield context.replaced(node, f"{context.source(node)}{turn}", 6.0)


def products(context: Context) -> Iterator[Edit]:
    """Yield another product of the same operands, or one in the other order."""
    for node in context.all_of(ast.BinOp):
        if isinstance(node.op, ast.Mult | ast.MatMult):
            left, right = (grouped(context.source(side), side) for side in (node.left, node.right))
            operator = "@" if isinstance(node.op, ast.Mult) else "*"
            yield context.replaced(node, f"{left} {operator} {right}", 7.0)
            yield from _products_of(context, node, left, right)
            if isinstance(node.op, ast.MatMult):
                yield context.replaced(node, f"{right} @ {left}", 7.0)
    for call in context.all_of(ast.Call):
        match call:
            case ast.Call(ast.Attribute(ast.Name(), name), [one, other]) if name in PRODUCTS:
                left, right = context.source(one), context.source(other)
                yield context.replaced(call, f"{context.source(call.func)}({right}, {left})", 7.0)
                yield from _products_of(context, call, left, right)


def _products_of(context: Context, node: ast.expr, left: str, right: str) -> Iterator[Edit]:
    library = context.library
    if library is None:
        return
    flat = [re.sub(r"\.T$", "", side) for side in (left, right)]
    for one, other in (flat, flat[::-1], (left, right), (right, left)):
        weight = 8.5 if [one, other] in (flat, flat[::-1]) else 9.0
        yield context.replaced(node, f"{library}.outer({one}, {other})", weight)
        yield context.replaced(node, f"{library}.dot({one}, {other})", weight + 0.5)
    yield context.replaced(node, f"{library}.multiply({left}, {right})", 9.0)
