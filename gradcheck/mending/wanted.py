"""Edits that give an expression the value that the diagnosis wants.

The value's numbers are looked for among the values that the user's names have at that statement.
The edits made of these are tried before all others.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Sequence
from difflib import SequenceMatcher
from functools import partial

import numpy as np

from gradcheck.mending.context import Context, Edit
from gradcheck.mending.followed import Part, around_wrong, followed, parts_of
from gradcheck.mending.items import lost_index
from gradcheck.mending.moments import CLOSE, Moment, Told, Wanted, matched, moments_at
from gradcheck.mending.pool import Pool
from gradcheck.mending.roundabout import is_product_of, is_roundabout
from gradcheck.mending.said import nodes_near, span_of, statement_at
from gradcheck.mending.writes import sum_of, told_of
from gradcheck.mending.written import operand
from gradcheck.user.blocks import Array

MOST_EDITS, MOST_RETURNED, HOPS = 8, 12, 2
RIGHT = "_right_value"
MUCH_LESS_NATURAL, UNNATURAL = 4.0, 9.0

EXACT_AFAR = 1e-5
"""The relative difference of equal numbers that were found by solving for others."""

Constructor = Callable[[Sequence[Context], Wanted, Callable[[], object]], list[Edit]]
"""Makes edits that give an expression the wanted value, from what the functions do in a run."""

Matching = tuple[ast.expr | None, Sequence[Told], float]
"""A wrong expression, if one was found, with its right values, and their relative precision."""


def constructed(
    contexts: Sequence[Context], wanted: Wanted, run: Callable[[], object], of_three: bool = False
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


def constructed_sums(
    contexts: Sequence[Context], wanted: Wanted, run: Callable[[], object]
) -> list[Edit]:
    """Return edits of what a loop adds, after which the sum of all passes is the wanted one."""
    edits: list[Edit] = []
    for context in contexts:
        statement = statement_at(context, wanted.place)
        if not isinstance(statement, ast.AugAssign):
            continue
        (moments,) = moments_at(context.path, [span_of(statement)], run)
        found = sum_of(context, statement, moments, wanted)
        if found is not None:
            node, total, exact = found
            pool = Pool(context, total.moments, node, exact)
            for of_three in (False, True):
                edits += _likeliest(context, node, [(node, pool.adding_up(total, of_three))])
    return edits


CONSTRUCTORS: Sequence[Constructor] = (
    constructed,
    partial(constructed, of_three=True),
    constructed_around,
    constructed_sums,
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
    return next(candidates, None) or told_of(context, statement, moments, wanted) or (None, (), 0)


def _known(
    text: str, moments: Sequence[Moment], is_returned: bool = False
) -> Iterator[tuple[Moment, Array]]:
    """Yield the moments at which an expression has a value, with the value."""
    for moment in moments:
        returned = moment.returned[0] if is_returned and moment.returned else None
        value = returned if isinstance(returned, np.ndarray) else moment.value(text)
        if value is not None:
            yield moment, value


def _edits(
    context: Context,
    node: ast.expr | None,
    targets: Sequence[Told],
    exact: float,
    of_three: bool = False,
) -> list[Edit]:
    """Return edits that give an expression the wanted value where it is wrong first.

    If there are none, return those of the operation that it is an operand of; also if it is
    divided there: people write `a / n + b`, and not `(a + n * b) / n`.
    """
    if node is None:
        return []
    targets, edits = _where_chosen(context, node, targets), list[Edit]()
    for part, told in ((node, targets), *_around(context, node, targets)):
        around = around_wrong(context.source(part), told)
        is_divided = isinstance(part, ast.BinOp) and isinstance(part.op, ast.Div)
        for some in filter(None, around) if is_divided or not edits else ():
            if made := _edits_at(context, part, some, exact, of_three):
                edits = sorted([*edits, *made], key=lambda edit: edit.weight)
                break
    return edits


def _where_chosen(context: Context, node: ast.expr, targets: Sequence[Told]) -> list[Told]:
    """Return right values that are unknown where the `where` around an expression drops it."""
    told, inner = [*targets], node
    while isinstance(above := context.parents.get(inner), ast.expr):
        match above:
            case ast.Call(ast.Attribute(attr="where") | ast.Name("where"), [mask, first, _]):
                if inner is not mask:
                    told = [_chosen(one, context.source(mask), inner is first) for one in told]
        inner = above
    return told


def _chosen(told: Told, mask: str, is_first: bool) -> Told:
    moment, value = told
    chosen = moment.value(mask)
    is_known = chosen is not None and chosen.shape == value.shape
    return moment, np.where(chosen == is_first, value, np.nan) if is_known else value


def _around(context: Context, node: ast.expr, targets: Sequence[Told]) -> Iterator[Part]:
    """Yield the operation that an expression is an operand of, with its right values."""
    above = context.parents.get(node)
    if isinstance(above, ast.BinOp):
        text = context.rewritten(context.span(above), {node: RIGHT})
        values = [(one, one.knowing({RIGHT: value}).value(f"({text})")) for one, value in targets]
        if all(value is not None for _, value in values):
            yield above, values


def _edits_at(
    context: Context, node: ast.expr, targets: Sequence[Told], exact: float, of_three: bool
) -> list[Edit]:
    """Return edits of an expression, or of an operand in it, that give it the wanted value."""
    moments = [moment for moment, _ in targets]
    pool = Pool(context, moments, node, exact)
    expected = [value for _, value in targets]
    made = (
        (
            part,
            (
                *(_number(part, right) if part is node or _is_exponent(context, part) else ()),
                *pool.having(right, of_three, context.source(part)),
            ),
        )
        for part, right in parts_of(context, node, moments, expected)
    )
    return _likeliest(context, node, made)


def _likeliest(
    context: Context, node: ast.expr, made: Iterable[tuple[ast.expr, Sequence[str]]]
) -> list[Edit]:
    """Return the likeliest edits of an expression's parts, given new texts for each."""
    weighed = [
        (_weight(context.source(part), text), context.span(part), part, text)
        for part, texts in made
        for text in texts
    ]
    edits: list[Edit] = []
    # a term is added behind the longest sum
    for weight, _, part, text in sorted(weighed, key=lambda one: (one[0], one[1][0], -one[1][1])):
        is_far = bool(edits) and weight > edits[0].weight + MUCH_LESS_NATURAL
        if is_far or len(edits) == MOST_EDITS:
            break
        if _is_plain(context, node, part, text):
            edits.append(context.fitted(part, text, weight))
    return edits


def _is_exponent(context: Context, part: ast.expr) -> bool:
    above = context.parents.get(part)
    return isinstance(above, ast.BinOp) and isinstance(above.op, ast.Pow) and above.right is part


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
    is_more = text != f"{operand(present, '**')}**2" and is_product_of(present, text)
    is_same = text == present or (is_factor and is_product and is_more)
    before, now = context.source(whole), context.rewritten(context.span(whole), {part: f"({text})"})
    return not is_same and (not is_roundabout(f"({now})") or is_roundabout(f"({before})"))


def _changes(before: str, after: str) -> float:
    """Return how much of a text is changed: characters put in count more than those left out."""
    blocks = SequenceMatcher(None, before, after, autojunk=False).get_matching_blocks()
    same = sum(block.size for block in blocks)
    return len(after) - same + 0.4 * (len(before) - same)
