"""A gradient that is exactly the gradient of the loss with one operation changed.

Either of the two may be meant then, and the gradient alone is not to blame.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from gradcheck.arrays import proportion
from gradcheck.trace import fault
from gradcheck.trace.adjoints.of_the_loss import tape_without_guards
from gradcheck.trace.adjoints.points import Array, Point
from gradcheck.trace.adjoints.reverse import adjoints
from gradcheck.trace.causes.compared import Followed
from gradcheck.trace.fault import Cause, Fault
from gradcheck.trace.faults.changes import Change, constants_of
from gradcheck.trace.faults.pairings import pairings_of
from gradcheck.trace.faults.variants import SMALL, variants_of
from gradcheck.trace.record.graph import carried, constant_of
from gradcheck.trace.record.nodes import Node

POINTS = 3
EXACT = 1e-7
"""The maximum error of a block's entries, relative to the largest entry."""

SHARE = 1e-3
"""The maximum error relative to that of the gradient as a derivative of the user's loss."""

UNNAMED = frozenset(
    {
        fault.CONSTANT_FACTOR,
        fault.EXTRA_TERM,
        fault.OTHER_LOSS,
        fault.SLOPE_WRONG,
        fault.WRONG_OPERAND,
        fault.WRONG_VALUE,
    }
)
"""Kinds of faults, and causes, that do not say which derivative the gradient is."""

OF_PENALTIES = frozenset({fault.PENALTY_MISSING, fault.PENALTY_SIGN, fault.PENALTY_WRONG})
"""Causes that say it all: a penalty of another size is no other formula."""

EXACTLY = "the gradient is, entry for entry, that of the same loss with"

DOUBTS = {
    fault.PAIRED: (
        f"your loss pairs every target with every output, as {{0}}; {EXACTLY} both in one shape",
        "give the targets the shape of the outputs in the loss too: y.reshape(-1, 1), or flatten "
        "the outputs",
    ),
    fault.OTHER_FORMULA: (
        f"the forward and the backward pass use different formulas: {EXACTLY} {{0}}; either may be "
        "meant",
        "use one in both: {1} in the forward pass too, or the forward pass's own in the gradient",
    ),
    fault.LOSS_CHANGED: (
        f"your loss may be wrong: {EXACTLY} {{0}}; either may be meant",
        "if the gradient is meant, put {0}; else differentiate the loss as it stands",
    ),
}
"""By kind of doubt, most certain first: what is said of the two, and how to make them agree."""


def doubt_of(
    search: Followed, faults: Sequence[Fault], wrong: Sequence[str], left: Sequence[str]
) -> Fault | None:
    """Return the operation of the loss for which the gradient has another one, or None.

    Another shape or formula is tried in any case, another operation only if no cause was found in
    the gradient. `left` are the blocks that are still wrong with the faults mended.
    """
    points = search.points
    blocks = [name for name in wrong if name in points[0].outputs and name in points[0].true]
    if len(points) < POINTS or len(blocks) < len(wrong) or not wrong:
        return None
    own = [
        {
            name: np.asarray(point.nodes[index].value, dtype=np.float64)
            for name, index in point.outputs.items()
            if name in point.true
        }
        for point in points
    ]
    if any(own[0][name].shape != points[0].true[name].shape for name in own[0]) or all(
        # a constant factor has causes of its own
        proportion([one[name] for one in own], [point.true[name] for point in points]) is not None
        for name in wrong
    ):
        return None
    kinds = {one.kind if one.cause is None else one.cause.name for one in faults}
    is_explained = bool(kinds) and not kinds & UNNAMED and not left
    count = 1 if is_explained and kinds <= OF_PENALTIES else 2 if is_explained else 3
    for kind in tuple(DOUBTS)[:count]:
        for members, words, change in _variants(search, kind):
            if search.deadline.has_passed:
                return None
            if any(
                all(_is_of(*pair, members, change, inside) for pair in zip(each, own, strict=True))
                for each in (points, _unguarded(points) if kind == fault.PAIRED else ())
                for inside in ((False, True) if kind == fault.OTHER_FORMULA else (False,))
                if each
            ):
                return _fault(points[0].loss_nodes[members[0]], words, kind, faults, wrong)
    return None


def _unguarded(points: Sequence[Point]) -> list[Point]:
    """Return the points with the tapes of a loss without its guards; none if it has no guard."""
    tapes = [tape_without_guards(point) for point in points]
    return [
        replace(point, loss_nodes=tape)
        for point, tape in zip(points, tapes, strict=True)
        if tape is not None
    ]


def _variants(search: Followed, kind: str) -> Iterator[tuple[list[int], str, Change]]:
    """Yield the operations, nearest to the loss first, each with a change that may be meant."""
    first = search.points[0]
    if kind == fault.PAIRED:
        yield from pairings_of(first)
        return
    of_formula = kind == fault.OTHER_FORMULA
    constants = _constants(first)
    groups: dict[object, list[int]] = {}
    for node in first.loss_nodes[: first.loss_index + 1]:
        is_used = node.index in first.derivatives.of_nodes or not node.is_float
        if is_used and node.chain and not node.is_leaf:
            groups.setdefault((node.chain[0], node.name), []).append(node.index)
            for _, value in constants_of(node, first.loss_nodes) if of_formula else ():
                if 0 < value <= SMALL:  # one guard against division by 0, used in several places
                    groups.setdefault((node.name, value), []).append(node.index)
    for members in sorted(groups.values(), reverse=True):
        node = first.loss_nodes[members[0]]
        for words, change in variants_of(node, first.loss_nodes, constants, of_formula):
            yield members, words, change


def _constants(point: Point) -> list[float]:
    """Return the distinct numbers in the operations of the gradient."""
    arguments = (
        argument
        for node in point.nodes[point.start :]
        for argument in node.arguments
        if not node.is_leaf and not isinstance(argument, bool)
    )
    constants = (constant_of(argument, point.nodes) for argument in arguments)
    return list(dict.fromkeys(value for value in constants if value is not None))


def _is_of(
    point: Point, own: Mapping[str, Array], members: Sequence[int], change: Change, inside: bool
) -> bool:
    """True if the gradient is that of the loss with operations changed, not that of the loss.

    If `inside`, only the functions that hold them are as if changed, and what they return is kept:
    so it is where a backward pass computes the other formula anew.
    """
    kept = _outside(point, members) if inside else set[int]()
    nodes, last = list(point.loss_nodes), point.loss_index
    values = [node.value for node in nodes]
    try:
        changed = {index: change(nodes[index], point.loss_nodes) for index in members}
        for index, value in carried(nodes, values, changed, last).items():
            if index in kept:
                continue
            nodes[index] = replace(changed.get(index, nodes[index]), value=value)
            values[index] = value
        if not np.all(np.isfinite(values[last])):
            return False  # nobody means a loss that is no number
        gradients = point.gradients(adjoints(nodes, values, {last: np.ones(values[last].shape)}))
    except Exception:  # the user's functions may be among the operations
        return False
    return is_instead(point, own, gradients)


def _outside(point: Point, members: Sequence[int]) -> set[int]:
    """Return the values outside of the functions that hold some operations, with what they return.

    At the top of the loss nothing is inside.
    """
    nodes = point.loss_nodes[: point.loss_index + 1]
    calls = {nodes[index].chain[1:] for index in members} - {()}
    outside = [node for node in nodes if node.chain[1:] not in calls]
    return {one for node in outside for one in (node.index, *node.operands)} - set(members)


def is_instead(point: Point, analytic: Mapping[str, Array], gradients: Mapping[str, Array]) -> bool:
    """True if the gradient is `gradients` entry for entry, but not the derivatives of the loss."""
    error = different = 0.0
    for name, value in analytic.items():
        if value.shape != gradients[name].shape:
            return False
        scale = max(float(np.max(np.abs(point.true[name]), initial=0.0)), 1e-9)
        apart = float(np.max(np.abs(value - gradients[name]), initial=0.0)) / scale
        if not apart <= EXACT:  # also for nan
            return False
        error = max(error, apart)
        wrong_by = float(np.max(np.abs(value - point.true[name]), initial=0.0)) / scale
        different = max(different, wrong_by)
    return error <= SHARE * different


def _fault(
    node: Node, words: str, kind: str, faults: Sequence[Fault], wrong: Sequence[str]
) -> Fault:
    place = node.place
    expression = place.source if place else node.name
    changed = words.format(f"`{expression}`") if "{}" in words else f"{words} in `{expression}`"
    changed += f" (line {place.line})" if place else ""
    doubted, fix = DOUBTS[kind]
    also = tuple(one.place for one in faults[:1] if one.place is not None)
    cause = Cause(
        kind, doubted.format(changed), fix.format(changed, changed.removeprefix("the slope of "))
    )
    return Fault(kind, place, also, expression, blocks=tuple(wrong), cause=cause)
