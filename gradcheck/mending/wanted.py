"""Edits that give an expression the value that the diagnosis wants.

The value's numbers are looked for among the values that the user's names have at that statement.
The edits made of these are tried before all others.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence
from difflib import SequenceMatcher
from functools import partial

import numpy as np

from gradcheck.mending.composed import is_product_of, is_roundabout
from gradcheck.mending.context import Context, Edit
from gradcheck.mending.followed import around_wrong, followed, parts_of
from gradcheck.mending.items import lost_index
from gradcheck.mending.moments import CLOSE, Moment, Told, Wanted, matched, moments_at
from gradcheck.mending.pool import Pool
from gradcheck.mending.said import nodes_near, span_of, statement_at
from gradcheck.user.blocks import Array

MOST_EDITS, MOST_RETURNED, HOPS = 8, 12, 2
MUCH_LESS_NATURAL, UNNATURAL = 4.0, 9.0

EXACT_AFAR = 1e-5
"""The relative difference of equal numbers that were found by solving for others."""

Constructor = Callable[[Sequence[Context], Wanted, Callable[[], object]], list[Edit]]
"""Makes edits that give an expression the wanted value, from what the functions do in a run."""

Matching = tuple[ast.expr | None, Sequence[Told], float]
"""A wrong expression, if one was found, with its right values, and their relative precision."""


def constructed(
    contexts: Sequence[Context],
    wanted: Wanted,
    run: Callable[[], object],
    of_three: bool = False,
) -> list[Edit]:
    """Return edits after which an expression has the wanted value, the nearest first."""
    edits: list[Edit] = []
    done: list[ast.AST] = []
    for context in contexts:
        statement = statement_at(context, wanted.place)
        if statement is not None:
            done.append(statement)
            matching = _matching_in(context, statement, wanted, run)
            edits = _edits(context, *matching, of_three)
            calls = any(isinstance(one, ast.Call) for one in ast.walk(statement))
            if not calls or (edits and edits[0].weight < UNNATURAL):
                return edits
    called = [(one, node) for one in contexts for node in _returned(one) if node not in done]
    returned = [
        edit
        for context, node in called[:MOST_RETURNED]
        for edit in _edits(context, *_matching_in(context, node, wanted, run, whole=True), of_three)
    ]
    return sorted([*edits, *returned], key=lambda edit: edit.weight)


def constructed_around(
    contexts: Sequence[Context], wanted: Wanted, run: Callable[[], object]
) -> list[Edit]:
    """Return edits of what makes or uses the wrong value, after which it is the wanted one."""
    edits: list[Edit] = []
    for context in contexts:
        statement = statement_at(context, wanted.place)
        if not isinstance(statement, ast.stmt):
            continue
        node, targets, exact = _matching_in(context, statement, wanted, run)
        places = [((node, targets), statement)] if node is not None else []
        seen = {statement}
        for _ in range(HOPS):
            reached = [one for place in places for one in followed(context, *place, run)]
            places = [one for one in reached if one[1] not in seen]
            seen |= {made for _, made in places}
            less_exact = max(exact, EXACT_AFAR)
            edits += [edit for part, _ in places for edit in _edits(context, *part, less_exact)]
    return sorted(edits, key=lambda edit: edit.weight)


CONSTRUCTORS: Sequence[Constructor] = (
    constructed,
    partial(constructed, of_three=True),
    constructed_around,
)
"""What makes edits for a wanted value, the likeliest first."""


def _returned(context: Context) -> list[ast.stmt | ast.expr]:
    """Return the return statements of a function, or the body of a lambda."""
    definition = context.definition
    returned = [one for one in context.all_of(ast.Return) if one.value is not None]
    return [definition.body] if isinstance(definition, ast.Lambda) else [*returned]


def _matching_in(
    context: Context,
    statement: ast.stmt | ast.expr,
    wanted: Wanted,
    run: Callable[[], object],
    whole: bool = False,
) -> Matching:
    """Return the expression that has the wrong value in a statement, or is all of it."""
    (moments,) = moments_at(context.path, [span_of(statement)], run)
    nodes = nodes_near(statement, wanted.place)
    if whole:
        nodes = [node for node in nodes if node in (statement, getattr(statement, "value", None))]
    candidates = (
        (node, *known)
        for node in nodes
        if (known := matched([*_known(context.source(node), moments, whole)], wanted))
    )
    return next(candidates, None) or _written(context, statement, moments, wanted) or (None, (), 0)


def _known(
    text: str, moments: Sequence[Moment], is_returned: bool = False
) -> Iterator[tuple[Moment, Array]]:
    """Yield the moments at which an expression has a value, with the value."""
    for moment in moments:
        returned = moment.returned[0] if is_returned and moment.returned else None
        value = returned if isinstance(returned, np.ndarray) else moment.value(text)
        if value is not None:
            yield moment, value


def _written(
    context: Context, statement: ast.AST, moments: Sequence[Moment], wanted: Wanted
) -> Matching | None:
    """Return the value that makes an array wrong by a write, with the right one; or None."""
    match statement:
        case ast.Assign([ast.Subscript(array) as target], value):
            sign, kept = 1, 0
        case ast.AugAssign(target, ast.Add() | ast.Sub() as op, value):
            array, sign, kept = target, 1 if isinstance(op, ast.Add) else -1, 1
        case _:
            return None
    name = context.source(array)
    afterwards, places, starts = [], dict[int, Array](), dict[int, Array]()
    for moment in moments:
        before, written = moment.value(name), moment.value(context.source(value))
        at = None if before is None else moment.places(context.source(target), name, before)
        if before is not None and written is not None and at is not None:
            after, start = before.copy(), kept * before.reshape(-1)[at]
            given = np.broadcast_to(start + sign * written, at.shape)
            after.flat[at.reshape(-1)] = given.reshape(-1)
            afterwards.append((moment, after))
            places[id(moment)], starts[id(moment)] = at, start
    matching = matched(afterwards, wanted)
    if matching is None:
        return None
    wholes, exact = matching
    targets = [
        (moment, sign * (whole.reshape(-1)[places[id(moment)]] - starts[id(moment)]))
        for moment, whole in wholes
    ]
    return value, targets, exact


def _edits(
    context: Context,
    node: ast.expr | None,
    targets: Sequence[Told],
    exact: float,
    of_three: bool = False,
) -> list[Edit]:
    """Return edits of an expression that give it the wanted value where it is wrong first."""
    if node is None:
        return []
    around = around_wrong(context.source(node), targets)
    made = (_edits_at(context, node, some, exact, of_three) for some in around if some)
    return next(filter(None, made), [])


def _edits_at(
    context: Context, node: ast.expr, targets: Sequence[Told], exact: float, of_three: bool
) -> list[Edit]:
    """Return edits of an expression, or of an operand in it, that give it the wanted value."""
    moments = [moment for moment, _ in targets]
    pool = Pool(context, moments, node, exact)
    expected = [value for _, value in targets]
    weighed = [
        (_weight(context.source(part), text), context.span(part), part, text)
        for part, expected in parts_of(context, node, moments, expected)
        for text in (
            *(_number(part, expected) if part is node else ()),
            *pool.having(expected, of_three, context.source(part)),
        )
    ]
    edits: list[Edit] = []
    for weight, _, part, text in sorted(weighed, key=lambda one: one[:2]):
        is_far = bool(edits) and weight > edits[0].weight + MUCH_LESS_NATURAL
        if is_far or len(edits) == MOST_EDITS:
            break
        if _is_plain(context, node, part, text):
            edits.append(context.fitted(part, text, weight))
    return edits


def _number(part: ast.expr, expected: Sequence[Array]) -> Iterator[str]:
    """Yield another number in place of one, if it is the same at all moments and short."""
    is_one = isinstance(part, ast.Constant) and type(part.value) in (int, float)
    if is_one and all(one.size == 1 for one in expected):
        numbers = [float(one.reshape(())) for one in expected]
        text = f"{numbers[0]:.6g}"
        if all(abs(one - float(text)) <= CLOSE * abs(one) for one in numbers):
            yield text


def _weight(before: str, text: str) -> float:
    """Return how unnatural it is to write a text in place of another."""
    turned = 0.0 if text.startswith(before) or before not in text else 0.1
    return 2.0 + 0.25 * _changes(before, text) + turned + lost_index(before, text)


def _is_plain(context: Context, node: ast.expr, part: ast.expr, text: str) -> bool:
    """True if a text differs from the part that it replaces, and undoes nothing beside it."""
    present, around = context.source(part), context.parents.get(part)
    is_factor = part is not node and isinstance(around, ast.BinOp)
    whole = around if is_factor and isinstance(around, ast.expr) else part
    # an added factor is found as an edit of the whole product
    is_product = isinstance(whole, ast.BinOp) and isinstance(whole.op, ast.Mult | ast.Div)
    is_same = text == present or (is_factor and is_product and is_product_of(present, text))
    before, now = context.source(whole), context.rewritten(context.span(whole), {part: f"({text})"})
    return not is_same and (not is_roundabout(f"({now})") or is_roundabout(f"({before})"))


def _changes(before: str, after: str) -> float:
    """Return how much of a text is changed: characters put in count more than those left out."""
    blocks = SequenceMatcher(None, before, after, autojunk=False).get_matching_blocks()
    same = sum(block.size for block in blocks)
    return len(after) - same + 0.4 * (len(before) - same)
