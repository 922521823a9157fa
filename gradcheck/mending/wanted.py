"""What the diagnosis says that an expression should be, and expressions that are that.

Its numbers are looked for among the values that the user's names have at that statement; what is
made of these is an edit like any other, and is tried before all others.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import product

import numpy as np

from gradcheck.mending.composed import Composer
from gradcheck.mending.context import Context, Edit
from gradcheck.mending.moments import Moment, moments_at
from gradcheck.mending.pool import Pool
from gradcheck.trace import Fault
from gradcheck.user.blocks import Array

MOST_EDITS, MOST_STRIDE, MOST_RETURNED = 8, 4, 12
MUCH_LESS_NATURAL = 4.0
CLOSE = 1e-9


@dataclass(frozen=True)
class Wanted:
    """A value that is wrong.

    Attributes:
        path: of the file.
        span: the first line and column, the last line and the column after it.
        actual: what it is; of several passes of a loop, flat and one after the other.
        expected: what it should be.
    """

    path: str
    span: tuple[int, int, int, int]
    actual: Array
    expected: Array

    @classmethod
    def of(cls, fault: Fault) -> Wanted | None:
        """That of a fault, if its numbers are known."""
        place, actual, expected = fault.place, fault.actual_value, fault.expected_value
        if place is None or actual is None or expected is None:
            return None
        span = (place.line, place.column, place.end_line, place.end_column)
        return cls(place.file, span, np.asarray(actual), np.asarray(expected))


def constructed(
    contexts: Sequence[Context], wanted: Wanted, run: Callable[[], object]
) -> list[Edit]:
    """Edits after which an expression has the value that is wanted, the nearest first."""
    for context in contexts:
        statement = _statement(context, wanted) if context.path == wanted.path else None
        if statement is not None:
            edits = _constructed_in(context, statement, wanted, run)
            if edits or not any(isinstance(one, ast.Call) for one in ast.walk(statement)):
                return edits
    called = [(one, node) for one in contexts for node in _returned(one)][:MOST_RETURNED]
    return [
        edit
        for context, node in called
        for edit in _constructed_in(context, node, wanted, run, whole=True)
    ]


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
    moments = moments_at(context.path, statement.lineno, _last_line(statement), run)
    nodes = _nodes(context, statement, wanted)
    if whole:
        nodes = [node for node in nodes if node in (statement, getattr(statement, "value", None))]
    for node in nodes:
        told = _told(context.source(node), moments, wanted)
        if told is not None:
            # of a loop's later passes, the wrong ones before may be what is wrong with them
            return _edits(context, node, *told) or _edits(context, node, told[0][:1], told[1][:1])
    return []


def _statement(context: Context, wanted: Wanted) -> ast.stmt | ast.expr | None:
    """The innermost statement of a function that a place is in; the body of a lambda."""
    line = wanted.span[0]
    definition = context.definition
    if isinstance(definition, ast.Lambda):
        body = definition.body
        return body if body.lineno <= line <= (body.end_lineno or body.lineno) else None
    found = [one for one in context.all_of(ast.stmt) if one.lineno <= line <= _last_line(one)]
    return max(found, key=lambda one: one.lineno, default=None)


def _last_line(statement: ast.stmt | ast.expr) -> int:
    """The last line of a statement; of one with others inside, of what stands before them."""
    body = getattr(statement, "body", None)
    if isinstance(body, list) and body:
        return max(statement.lineno, int(body[0].lineno) - 1)
    return statement.end_lineno or statement.lineno


def _nodes(context: Context, statement: ast.stmt | ast.expr, wanted: Wanted) -> list[ast.expr]:
    """The expressions of a statement, that at the place first, then those around it."""
    first, last = statement.lineno, _last_line(statement)
    nodes = [
        node
        for node in ast.walk(statement)
        if isinstance(node, ast.expr)
        and first <= node.lineno <= last
        and not isinstance(getattr(node, "ctx", None), ast.Store)
        and not isinstance(node, ast.Constant)
    ]

    def distance(node: ast.expr) -> int:
        own = (node.lineno, node.col_offset, node.end_lineno, node.end_col_offset)
        return sum(abs((one or 0) - other) for one, other in zip(own, wanted.span, strict=True))

    return sorted(nodes, key=distance)


def _told(
    text: str, moments: Sequence[Moment], wanted: Wanted
) -> tuple[list[Moment], list[Array]] | None:
    """The moments at which an expression has the wrong value, and what it should be at them."""
    values = [moment.value(text) for moment in moments]
    shape = wanted.actual.shape
    for moment, value in zip(moments, values, strict=True):
        same = value is not None and value.shape == shape == wanted.expected.shape
        if value is not None and same and _are_close(value, wanted.actual):
            return [moment], [wanted.expected]
    known = [pair for pair in zip(moments, values, strict=True) if pair[1] is not None]
    for stride, order in product(range(1, MOST_STRIDE + 1), (1, -1)):
        for first in range(stride):
            chosen = known[first::stride][::order]
            if sum(value.size for _, value in chosen if value is not None) == wanted.actual.size:
                told = _split(chosen, wanted)
                if told is not None:
                    return told
    return None


def _split(
    chosen: Sequence[tuple[Moment, Array | None]], wanted: Wanted
) -> tuple[list[Moment], list[Array]] | None:
    """What is wanted at every moment, if the values are one after the other what is wrong."""
    values = [value for _, value in chosen if value is not None]
    if len(values) < 2 or not _are_close(
        np.concatenate([value.reshape(-1) for value in values]), wanted.actual.reshape(-1)
    ):
        return None
    ends = np.cumsum([value.size for value in values])[:-1]
    parts = np.split(wanted.expected.reshape(-1), ends)
    pairs = zip(values, parts, strict=True)
    return [moment for moment, _ in chosen], [part.reshape(one.shape) for one, part in pairs]


def _are_close(one: Array, other: Array) -> bool:
    scale = float(np.max(np.abs(other), initial=0.0))
    return bool(np.all(np.abs(one - other) <= CLOSE * scale))


def _edits(
    context: Context, node: ast.expr, moments: Sequence[Moment], expected: Sequence[Array]
) -> list[Edit]:
    pool = Pool(context, moments, expected)
    own = context.source(node)
    parent = context.parents.get(node)
    edits = []
    for text in Composer(pool.rows(), pool.factors()).having(pool.wanted):
        weight = 5.0 + 0.25 * _changes(own, text)
        is_loose = isinstance(ast.parse(text, mode="eval").body, ast.BinOp | ast.UnaryOp)
        is_part = isinstance(parent, ast.BinOp | ast.UnaryOp | ast.Attribute | ast.Subscript)
        by = f"({text})" if is_loose and is_part else text
        if by != own:
            edits.append(context.whole_replaced(node, by, weight))
    edits.sort(key=lambda edit: edit.weight)
    return [one for one in edits if one.weight <= edits[0].weight + MUCH_LESS_NATURAL][:MOST_EDITS]


def _changes(before: str, after: str) -> float:
    """How much of a text is changed: what is put in counts more than what is left out."""
    blocks = SequenceMatcher(None, before, after, autojunk=False).get_matching_blocks()
    same = sum(block.size for block in blocks)
    return len(after) - same + 0.4 * (len(before) - same)
