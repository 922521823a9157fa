"""The right values of operands, and of the expressions where a value is made and used.

In a recursion the wrong value is seen where the loss is, several statements after it was made. A
value that is right, but not the one that is wanted, may lack something where it is used.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from gradcheck.mending.context import Context
from gradcheck.mending.moments import CLOSE, Moment, Told, moments_at, values_at
from gradcheck.mending.said import span_of
from gradcheck.user.blocks import Array

Solve = Callable[[Array, Array], Array]

SOLVED: dict[type[ast.operator], tuple[Solve, ...]] = {
    ast.Add: (np.subtract, np.subtract),
    ast.Sub: (np.add, lambda whole, left: left - whole),
    ast.Mult: (np.divide, np.divide),
    ast.Div: (np.multiply, lambda whole, left: left / whole),
}
"""The right value of the left and the right operand, from the whole and the other operand."""

INVERSES: dict[str, Callable[[Array], Array]] = {"exp": np.log, "log": np.exp, "sqrt": np.square}
"""The right value of an argument, from that of the call."""


Part = tuple[ast.expr, Sequence[Told]]
"""An expression, and the right values that it has at some moments."""

Place = tuple[Part, ast.stmt]
"""An expression with its right values, and the statement around it."""

WRONG = 1e-6
"""The difference from which a value is taken for wrong, relative to the largest in the loop."""

MOST = 4
"""The number of moments that are compared."""

Made = tuple[ast.stmt, str, ast.expr]
"""A statement, the text of a target, and the expression that it is given."""


def parts_of(
    context: Context, node: ast.expr, moments: Sequence[Moment], expected: Sequence[Array]
) -> Iterator[tuple[ast.expr, Sequence[Array]]]:
    """Yield an expression and its operands, with the right value of each if the rest stays."""
    yield node, expected
    match node:
        case ast.UnaryOp(ast.USub(), operand):
            yield from parts_of(context, operand, moments, [-one for one in expected])
        case ast.Call(ast.Attribute(attr=name) | ast.Name(name), [argument]) if name in INVERSES:
            with np.errstate(all="ignore"):
                yield from parts_of(context, argument, moments, [*map(INVERSES[name], expected)])
        case ast.Call(ast.Attribute(attr="where") | ast.Name("where"), [mask, *branches]):
            masks = values_at(moments, context.source(mask))
            pairs = list(zip(masks or (), expected, strict=False))
            if masks and all(one.shape == value.shape for one, value in pairs):
                for branch, is_chosen in zip(branches, (True, False), strict=False):
                    chosen = [np.where(one == is_chosen, value, np.nan) for one, value in pairs]
                    yield from parts_of(context, branch, moments, chosen)
        case ast.BinOp(base, ast.Pow(), exponent):
            bases = values_at(moments, context.source(base)) or ()
            numbers = [_exponent(*pair) for pair in zip(bases, expected, strict=False)]
            if numbers and None not in numbers:
                yield exponent, [np.array(one) for one in numbers]
        case ast.BinOp(left, op, right) if type(op) in SOLVED:
            sides = ((left, right), (right, left))
            for (part, other), solve in zip(sides, SOLVED[type(op)], strict=True):
                own, beside = (values_at(moments, context.source(one)) for one in (part, other))
                every = zip(own or (), beside or (), expected, strict=False)
                solved = [_solved(solve, *values) for values in every]
                wanted = [one for one in solved if one is not None]
                if len(wanted) == len(moments):
                    yield from parts_of(context, part, moments, wanted)


def _solved(solve: Solve, own: Array, beside: Array, whole: Array) -> Array | None:
    """Return the right value of an operand beside the other; None if no array is.

    Where the other is 0, any value will do, or none.
    """
    if np.broadcast(own, beside).shape != whole.shape:
        return None
    with np.errstate(all="ignore"):
        value = np.asarray(solve(whole, beside))
        return None if np.any(np.isinf(value)) else _shrunk(value, own.shape)


def _exponent(base: Array, whole: Array) -> float | None:
    """Return the exponent that makes one array of another, if there is one."""
    with np.errstate(all="ignore"):
        every = np.log(np.abs(whole)) / np.log(np.abs(base))
    known = every[np.isfinite(every)]
    if not known.size or np.ptp(known) > CLOSE * max(1.0, float(np.abs(known).max())):
        return None
    return float(known.mean())


def _shrunk(value: Array, shape: tuple[int, ...]) -> Array | None:
    """Return the array of a shape that broadcasts to this one, or itself; nan is unknown."""
    if value.shape == shape:
        return value
    finite = np.where(np.isfinite(value), value, np.nan)
    more = value.ndim - len(shape)
    axes = [axis for axis in range(value.ndim) if axis < more or shape[axis - more] == 1]
    if more < 0 or not np.isfinite(finite).any():
        return None
    mean = np.nanmean(finite, axis=tuple(axes), keepdims=True)
    close = np.abs(finite - mean) <= CLOSE * np.nanmax(np.abs(finite))
    same = mean.size == np.prod(shape) and np.all(close | np.isnan(finite))
    return mean.reshape(shape) if same else value if shape else None


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

    def reached(
        places: Sequence[Made], told: Sequence[Told], way: int
    ) -> Iterator[tuple[Made, Sequence[Told]]]:
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
        yield from ((places[index], values) for index, values in found.items())

    operands = [
        (ast.unparse(one), value) for one, value in parts_of(context, node, moments, wanted)
    ]
    if isinstance(statement, ast.AugAssign) and statement.value is node:
        operands.append((ast.unparse(statement.target), _before(context, statement, targets)))
    for text, expected in operands:
        makers = [one for one in made if one[1] == text]
        told = list(zip(moments, expected, strict=True))
        if makers and around_wrong(text, told)[0]:
            yield from (_given(*one) for one in reached(makers, told, -1))
    for text in [text for one, text, value in made if one is statement and value is node]:
        users = [one for one in made if text in map(ast.unparse, _expressions(one[2]))]
        users = [one for one in users if one[0] is not statement]
        for user, values in reached(users, targets, 1):
            yield _given(user, values)
            uses = (one for one in _expressions(user[2]) if ast.unparse(one) == text)
            yield from (((one, values), user[0]) for one in uses)


def around_wrong(text: str, targets: Sequence[Told]) -> tuple[list[Told], list[Told]]:
    """Return some moments from the first at which an expression is wrong, and some up to it.

    The later passes of a loop may be wrong because an earlier one is.
    """
    ordered = sorted(targets, key=lambda one: one[0].number)
    scale = max((float(np.nanmax(np.abs(value))) for _, value in targets if value.size), default=0)
    for first, (moment, value) in enumerate(ordered):
        now = moment.value(text)
        if now is None or now.shape != value.shape or np.any(abs(now - value) > WRONG * scale):
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


def _given(made: Made, told: Sequence[Told]) -> Place:
    """Return what a statement has to give a target, or to add to it, for its right values."""
    statement, text, given = made
    if not isinstance(statement, ast.AugAssign):
        return (given, told), statement
    sign = 1 if isinstance(statement.op, ast.Add) else -1
    before = ((moment, value, moment.value(text)) for moment, value in told)
    added = [
        (moment, sign * (value - own))
        for moment, value, own in before
        if own is not None and own.shape == value.shape
    ]
    return (given, added), statement


def _statements(tree: ast.AST) -> Iterator[ast.stmt]:
    """Yield the assignments of a module: those that the loss has too are right."""
    kinds = ast.Assign | ast.AugAssign | ast.Return
    return (one for one in ast.walk(tree) if isinstance(one, kinds))


def _expressions(node: ast.expr) -> Iterator[ast.expr]:
    return (one for one in ast.walk(node) if isinstance(one, ast.expr))
