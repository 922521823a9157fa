"""Where a value is made and used: the expressions there, with the values that they should have.

In a recursion the wrong value is seen where the loss is, several statements after it was made. A
value that is right, but not the one that is wanted, may lack something where it is used.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from gradcheck.mending.context import Context
from gradcheck.mending.matching import Told
from gradcheck.mending.moments import moments_at
from gradcheck.mending.said import span_of
from gradcheck.mending.solved import parts_of
from gradcheck.user.blocks import Array

Part = tuple[ast.expr, Sequence[Told]]
"""An expression, and the right values that it has at some moments."""

Place = tuple[Part, ast.stmt]
"""An expression with its right values, and the statement around it."""

CLOSE = 1e-6
"""The difference from which a value is taken for wrong, relative to the largest in the loop."""

MOST = 4
"""The number of moments that are compared."""

Made = tuple[ast.stmt, str, ast.expr]
"""A statement, the text of a target, and the expression that it is given."""


def followed(
    context: Context, part: Part, statement: ast.stmt, run: Callable[[], object]
) -> Iterator[Place]:
    """Yield what makes the operands of an expression, and what uses the name that it is given."""
    node, targets = part
    moments, wanted = [moment for moment, _ in targets], [value for _, value in targets]
    texts = Counter(map(ast.unparse, _statements(context.tree)))
    own_once = (one for one in _statements(context.definition) if texts[ast.unparse(one)] == 1)
    made = [one for each in dict.fromkeys((statement, *own_once)) for one in _made_by(each)]
    spans = list(dict.fromkeys(map(span_of, (statement, *(one for one, _, _ in made)))))
    of_span = dict(zip(spans, moments_at(context.path, spans, run), strict=True))
    own = of_span[span_of(statement)]

    def reached(places: Sequence[Made], told: Sequence[Told], way: int) -> Iterator[Place]:
        """Yield the last of these places before each moment, or the first after it."""
        found: dict[int, list[Told]] = {}
        for moment, value in told:
            here = own[moment.index]
            others = [
                (way * (one.number - here.number), index, one)
                for index, (place, _, _) in enumerate(places)
                for one in of_span[span_of(place)]
                if one.frame == here.frame and way * (one.number - here.number) > 0
            ]
            if others:
                _, index, one = min(others, key=lambda other: other[0])
                found.setdefault(index, []).append((one, value))
        for index, values in found.items():
            maker, text, made_of = places[index]
            yield (made_of, _given(maker, text, values)), maker

    operands = [
        (ast.unparse(one), value) for one, value in parts_of(context, node, moments, wanted)
    ]
    if isinstance(statement, ast.AugAssign) and statement.value is node:
        operands.append((ast.unparse(statement.target), _before(context, statement, targets)))
    for text, expected in operands:
        makers = [one for one in made if one[1] == text]
        told = list(zip(moments, expected, strict=True))
        if makers and around_wrong(text, told)[0]:
            yield from reached(makers, told, -1)
    for text in [text for one, text, value in made if one is statement and value is node]:
        users = [one for one in made if text in map(ast.unparse, _expressions(one[2]))]
        yield from reached([one for one in users if one[0] is not statement], targets, 1)


def around_wrong(text: str, targets: Sequence[Told]) -> tuple[list[Told], list[Told]]:
    """Return some moments from the first at which an expression is wrong, and some up to it.

    The later passes of a loop may be wrong because an earlier one is.
    """
    ordered = sorted(targets, key=lambda one: one[0].number)
    scale = max((float(np.nanmax(np.abs(value))) for _, value in targets if value.size), default=0)
    for first, (moment, value) in enumerate(ordered):
        now = moment.value(text)
        if now is None or now.shape != value.shape or np.any(abs(now - value) > CLOSE * scale):
            start = max(0, first - 1)
            return ordered[start : start + MOST], ordered[max(0, first + 1 - MOST) : first + 1]
    return [], []


def _made_by(statement: ast.stmt) -> Iterator[Made]:
    """Yield the expressions that a statement gives to targets; it may give several at once."""
    match statement:
        case ast.Assign([ast.Tuple(targets)], ast.Tuple(values)) if len(targets) == len(values):
            pairs = zip(targets, values, strict=True)
            yield from ((statement, ast.unparse(target), value) for target, value in pairs)
        case ast.Assign([target], value) | ast.AugAssign(target, ast.Add() | ast.Sub(), value):
            yield statement, ast.unparse(target), value
        case ast.Return(ast.expr() as value):
            yield statement, "", value


def _before(context: Context, statement: ast.AugAssign, targets: Sequence[Told]) -> list[Array]:
    """Return the right values of what a statement adds to, if what it adds is right."""
    sign = -1 if isinstance(statement.op, ast.Sub) else 1
    target, value = context.source(statement.target), context.source(statement.value)
    return [
        moment.value(target) + sign * (wanted - moment.value(value)) for moment, wanted in targets
    ]


def _given(statement: ast.stmt, text: str, told: Sequence[Told]) -> Sequence[Told]:
    """Return what a statement has to give a target, or to add to it, for its right values."""
    if not isinstance(statement, ast.AugAssign):
        return told
    sign = 1 if isinstance(statement.op, ast.Add) else -1
    before = ((moment, value, moment.value(text)) for moment, value in told)
    return [
        (moment, sign * (value - own))
        for moment, value, own in before
        if own is not None and own.shape == value.shape
    ]


def _statements(tree: ast.AST) -> Iterator[ast.stmt]:
    """Yield the assignments of a module: those that the loss has too are right."""
    kinds = ast.Assign | ast.AugAssign | ast.Return
    return (one for one in ast.walk(tree) if isinstance(one, kinds))


def _expressions(node: ast.expr) -> Iterator[ast.expr]:
    return (one for one in ast.walk(node) if isinstance(one, ast.expr))
