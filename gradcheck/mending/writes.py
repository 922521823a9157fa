"""What statements write into arrays: the values, the places, and what is missing in the whole.

Of a sum that a loop makes, only the whole is known: what each pass has to add is not.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradcheck.mending.context import Context
from gradcheck.mending.moments import Moment, Told, Wanted, matched
from gradcheck.numeric.estimate import Indices
from gradcheck.user.blocks import Array

MOST_PASSES = 24
"""The number of passes of a loop that are added up."""

LEAST, MOST = 4, 120
"""The numbers of entries that are compared, and of those of all passes together."""


@dataclass(frozen=True)
class Write:
    """What a statement does to an array at a moment.

    Attributes:
        moment: the moment.
        before: the whole array before it.
        places: the positions of the entries that are written.
        start: what these entries are before the value is added to them, or 0.
        written: the value that is put there, or added, with the sign.
    """

    moment: Moment
    before: Array
    places: Indices
    start: Array
    written: Array

    @property
    def after(self) -> Array:
        """The whole array after it."""
        whole = self.before.copy()
        given = np.broadcast_to(self.start + self.written, self.places.shape)
        whole.reshape(-1)[self.places.reshape(-1)] = given.reshape(-1)
        return whole


@dataclass(frozen=True)
class Sum:
    """A sum of what several passes of a loop add.

    Attributes:
        moments: the passes.
        shapes: the shape of what each adds.
        picked: for each, the positions in what it adds of the entries compared; -1 where it has
            none of them.
        missing: what is missing in these entries.
    """

    moments: Sequence[Moment]
    shapes: Sequence[tuple[int, ...]]
    picked: Sequence[Indices]
    missing: Array

    @classmethod
    def of(cls, passes: Sequence[tuple[Moment, Indices]], missing: Array) -> Sum:
        """Return the sum of what passes add at some places of a whole, in which some is missing."""
        added = np.unique(np.concatenate([places.reshape(-1) for _, places in passes]))
        most = max(LEAST, MOST // len(passes))
        chosen = np.sort(np.random.default_rng(0).permutation(added)[:most])
        picked = []
        for _, places in passes:
            found = np.full(missing.size, -1)
            found[places.reshape(-1)] = np.arange(places.size)
            picked.append(found[chosen])
        moments, shapes = [one for one, _ in passes], [places.shape for _, places in passes]
        return cls(moments, shapes, picked, missing.reshape(-1)[chosen])


def written_value(statement: ast.AST) -> tuple[ast.expr, ast.expr, int, bool] | None:
    """Return the target, the value, its sign, and whether it is added; None of other statements."""
    match statement:
        case ast.Assign([ast.Subscript() as target], value):
            return target, value, 1, False
        case ast.AugAssign(target, ast.Add() | ast.Sub() as op, value):
            return target, value, 1 if isinstance(op, ast.Add) else -1, True
    return None


def writes_of(
    context: Context, statement: ast.AST, moments: Sequence[Moment], is_item: bool = False
) -> list[Write]:
    """Return what a statement writes, at the moments at which that can be told.

    What is added to an item is added to the item alone, or, if asked, to the array that has it.
    """
    parts = written_value(statement)
    if parts is None:
        return []
    target, value, sign, is_added = parts
    is_whole = isinstance(target, ast.Subscript) and (is_item or not is_added)
    array = target.value if is_whole and isinstance(target, ast.Subscript) else target
    name, writes = context.source(array), []
    for moment in moments:
        before, written = moment.value(name), moment.value(context.source(value))
        at = None if before is None else moment.places(context.source(target), name, before)
        if before is not None and written is not None and at is not None:
            start = is_added * before.reshape(-1)[at]
            writes.append(Write(moment, before, at, start, sign * written))
    return writes


def told_of(
    context: Context, statement: ast.AST, moments: Sequence[Moment], wanted: Wanted
) -> tuple[ast.expr, Sequence[Told], float] | None:
    """Return the value that makes an array wrong by a write, with the right one; or None."""
    parts = written_value(statement)
    writes = {id(one.moment): one for one in writes_of(context, statement, moments)}
    matching = matched([(one.moment, one.after) for one in writes.values()], wanted)
    if parts is None or matching is None:
        return None
    wholes, exact = matching
    of_moment = [(writes[id(moment)], whole) for moment, whole in wholes]
    targets = [
        (one.moment, parts[2] * (whole.reshape(-1)[one.places] - one.start))
        for one, whole in of_moment
    ]
    return parts[1], targets, exact


def sum_of(
    context: Context, statement: ast.AST, moments: Sequence[Moment], wanted: Wanted
) -> tuple[ast.expr, Sum, float] | None:
    """Return the value that a loop adds in each pass, with what it has to add up to; or None.

    The right whole is told after any pass, with what is added later as it is.
    """
    parts = written_value(statement)
    for is_item in (False, True) if parts is not None and parts[3] else ():
        writes = writes_of(context, statement, moments, is_item)
        matching = matched([(one.moment, one.after) for one in writes], wanted)
        if parts is not None and matching is not None:
            wholes, exact = matching
            moment, whole = wholes[-1]
            passes = _around(moment, writes)
            if 1 < len(passes) <= MOST_PASSES:
                after = next(one.after for one in passes if one.moment is moment)
                missing = parts[2] * (whole - after)
                made = Sum.of([(one.moment, one.places) for one in passes], missing)
                return parts[1], made, exact
    return None


def _around(moment: Moment, writes: Sequence[Write]) -> list[Write]:
    """Return the writes into one array of zeros around a moment, where nothing else writes."""
    passes: list[Write] = []
    is_over = False
    for one in sorted(writes, key=lambda one: one.moment.number):
        follows = passes and np.array_equal(passes[-1].after, one.before)
        if not follows or not one.before.any():
            if is_over:
                break
            passes = []
        passes.append(one)
        is_over = is_over or one.moment is moment
    return passes if is_over else []
