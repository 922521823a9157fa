"""What the diagnosis says that an expression should be, and expressions that are that.

Its numbers are looked for among the values that the user's names have at that statement; what is
made of these is an edit like any other, and is tried before all others.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence
from difflib import SequenceMatcher

import numpy as np

from gradcheck.mending.composed import is_roundabout
from gradcheck.mending.context import Context, Edit
from gradcheck.mending.items import lost_index
from gradcheck.mending.matching import CLOSE, Told, Wanted, matched
from gradcheck.mending.moments import Moment, moments_at
from gradcheck.mending.pool import Pool
from gradcheck.mending.said import last_line, nodes_near, statement_at
from gradcheck.mending.solved import parts_of, wholes_around
from gradcheck.user.blocks import Array

MOST_EDITS, MOST_MOMENTS, MOST_RETURNED = 8, 4, 12
MUCH_LESS_NATURAL, UNNATURAL = 4.0, 9.0


def constructed(
    contexts: Sequence[Context], wanted: Wanted, run: Callable[[], object]
) -> list[Edit]:
    """Edits after which an expression has the value that is wanted, the nearest first."""
    edits: list[Edit] = []
    for context in contexts:
        statement = statement_at(context, wanted.place)
        if statement is not None:
            edits = _constructed_in(context, statement, wanted, run)
            calls = any(isinstance(one, ast.Call) for one in ast.walk(statement))
            if not calls or (edits and edits[0].weight < UNNATURAL):
                return edits
    called = [(one, node) for one in contexts for node in _returned(one)][:MOST_RETURNED]
    returned = [
        edit
        for context, node in called
        for edit in _constructed_in(context, node, wanted, run, whole=True)
    ]
    return sorted([*edits, *returned], key=lambda edit: edit.weight)


def _returned(context: Context) -> list[ast.stmt | ast.expr]:
    """What a function returns, and the body of a lambda."""
    definition = context.definition
    returned = [one for one in context.all_of(ast.Return) if one.value is not None]
    return [definition.body] if isinstance(definition, ast.Lambda) else [*returned]


def _constructed_in(
    context: Context,
    statement: ast.stmt | ast.expr,
    wanted: Wanted,
    run: Callable[[], object],
    whole: bool = False,
) -> list[Edit]:
    """Edits of an expression of a statement that has the wrong value; or of what it returns."""
    moments = moments_at(context.path, statement.lineno, last_line(statement), run)
    nodes = nodes_near(statement, wanted.place)
    if whole:
        nodes = [node for node in nodes if node in (statement, getattr(statement, "value", None))]
    asked = (
        (node, *known)
        for node in nodes
        if (known := matched([*_known(context.source(node), moments, whole)], wanted))
    )
    found = next(asked, None) or _written(context, statement, moments, wanted)
    if found is None:
        return []
    node, told, exact = found
    # of a loop's later passes, the wrong ones before may be what is wrong with them
    first = _edits(context, node, told[:MOST_MOMENTS], exact)
    return first or _edits(context, node, told[:1], exact)


def _known(
    text: str, moments: Sequence[Moment], is_returned: bool = False
) -> Iterator[tuple[Moment, Array]]:
    """The moments at which an expression has a value, with that."""
    for moment in moments:
        returned = moment.returned[0] if is_returned and moment.returned else None
        value = returned if isinstance(returned, np.ndarray) else moment.value(text)
        if value is not None:
            yield moment, value


def _written(
    context: Context, statement: ast.AST, moments: Sequence[Moment], wanted: Wanted
) -> tuple[ast.expr, Sequence[Told], float] | None:
    """What is written into an array that is wrong then, with what it should be; None elsewhere."""
    match statement:
        case ast.Assign([ast.Subscript(array) as target], value):
            name = context.source(array)
        case _:
            return None
    known, places = [], {}
    for moment in moments:
        before, own = moment.value(name), moment.value(context.source(value))
        at = None if before is None else moment.places(context.source(target), name, before)
        if before is not None and own is not None and at is not None:
            after = before.copy()
            after.flat[at.reshape(-1)] = np.broadcast_to(own, at.shape).reshape(-1)
            known.append((moment, after))
            places[id(moment)] = at
    found = matched(known, wanted)
    if found is None:
        return None
    told = [(moment, expected.reshape(-1)[places[id(moment)]]) for moment, expected in found[0]]
    return value, told, found[1]


def _edits(context: Context, node: ast.expr, told: Sequence[Told], exact: float) -> list[Edit]:
    """Edits of an expression, or of an operand in it, that give it the value that is wanted."""
    moments = [moment for moment, _ in told]
    pool = Pool(context, moments, node, exact)
    expected = [value for _, value in told]
    parts = list(parts_of(context, node, moments, expected))
    parts += wholes_around(context, node, moments, expected)
    for of_three in (False, True):
        found = [
            (_weight(context.source(part), text), context.span(part), part, text)
            for part, expected in parts
            for text in (
                *(_number(part, expected) if part is node else ()),
                *pool.having(expected, of_three, context.source(part)),
            )
        ]
        edits: list[Edit] = []
        for weight, _, part, text in sorted(found, key=lambda one: one[:2]):
            is_far = bool(edits) and weight > edits[0].weight + MUCH_LESS_NATURAL
            if is_far or len(edits) == MOST_EDITS:
                break
            if _is_plain(context, node, part, text):
                edits.append(context.fitted(part, text, weight))
        if edits:
            return edits
    return []


def _number(part: ast.expr, expected: Sequence[Array]) -> Iterator[str]:
    """Another number in the place of one, if it is the same at all moments and soon told."""
    is_one = isinstance(part, ast.Constant) and type(part.value) in (int, float)
    if is_one and all(one.size == 1 for one in expected):
        numbers = [float(one.reshape(())) for one in expected]
        text = f"{numbers[0]:.6g}"
        if all(abs(one - float(text)) <= CLOSE * abs(one) for one in numbers):
            yield text


def _weight(own: str, text: str) -> float:
    """How unnatural it is to write a text for another."""
    turned = 0.0 if text.startswith(own) or own not in text else 0.1
    return 2.0 + 0.25 * _changes(own, text) + turned + lost_index(own, text)


def _is_plain(context: Context, node: ast.expr, part: ast.expr, text: str) -> bool:
    """Whether a text for a part of an expression is another, and takes back nothing beside it."""
    own, around = context.source(part), context.parents.get(part)
    is_factor = part is not node and isinstance(around, ast.BinOp)
    whole = around if is_factor and isinstance(around, ast.expr) else part
    first, last = context.span(whole)
    start, end = context.span(part)
    before, after = context.text[first:start].decode(), context.text[end:last].decode()
    # what a factor is multiplied by is told of the whole product
    is_product = isinstance(whole, ast.BinOp) and isinstance(whole.op, ast.Mult | ast.Div)
    is_same = text == own or (is_factor and is_product and own in text)
    now = f"({before}({text}){after})"
    return not is_same and (not is_roundabout(now) or is_roundabout(f"({before}{own}{after})"))


def _changes(before: str, after: str) -> float:
    """How much of a text is changed: what is put in counts more than what is left out."""
    blocks = SequenceMatcher(None, before, after, autojunk=False).get_matching_blocks()
    same = sum(block.size for block in blocks)
    return len(after) - same + 0.4 * (len(before) - same)
