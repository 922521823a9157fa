"""Explain a wrong constant factor: a missing mean, a sign, a two, another size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.trace import fault
from gradcheck.trace.adjoints.points import Point
from gradcheck.trace.adjoints.quantities import VALUE
from gradcheck.trace.causes.compared import Followed, same
from gradcheck.trace.causes.penalties import penalty_derivatives
from gradcheck.trace.fault import Cause
from gradcheck.trace.locating.constants import sizes_of
from gradcheck.trace.locating.state import State
from gradcheck.trace.locating.units import Mend
from gradcheck.trace.record.graph import constant_of
from gradcheck.trace.record.nodes import Node
from gradcheck.trace.record.sources import numbers_in

CLOSE = 1e-6

SCALES = ("multiply", "divide")


def scale_cause(mend: Mend, search: Followed, state: State) -> Cause | None:
    """Return the cause of a value that is the right one times a constant."""
    ratio = 1 / mend.factor if mend.factor else np.inf
    penalty = _of_penalty(mend, search, state)
    if penalty is not None:
        return penalty
    if abs(ratio + 1) < CLOSE:
        return Cause(fault.SIGN, "its sign is wrong", "change its sign")
    written = _written(state.tape[mend.unit.first], ratio)
    if written:
        words = f"the {written} is too much"
        two = fault.FACTOR_TWO if _is(ratio, 2) or _is(ratio, 0.5) else fault.NUMBER
        return Cause(two, words, f"leave the {written} out")
    nodes = search.points[0].loss_nodes
    divisors, sizes = _divisors(nodes), sizes_of(nodes)
    node = state.tape[mend.unit.first]
    for size in sizes if node.operation == "multiply" else ():
        if any(constant_of(item, state.tape) == size for item in node.arguments):
            belongs = next((other for other in sizes if _is(size / ratio, other)), None)
            if belongs is not None:  # a size as a factor stands for another size, not for a two
                return Cause(fault.OTHER_SIZE, f"{size} stands where {belongs} belongs")
    keep = _kept_share(nodes, ratio)
    if keep is not None:
        return Cause(fault.KEEP_MISSING, f"the loss divides what it keeps by {keep:.6g}")
    halves = 2 not in divisors and any(_is_half(node) for node in nodes)
    for number in sorted(sizes - ({2} if halves else set())):
        if _is(ratio, number) and number in divisors:
            words = f"the loss divides by {number}, and this does not"
            return Cause(fault.MEAN_MISSING, words, f"divide by {number}")
        whole = next((count for count in sorted(divisors) if _counts(nodes, count, number)), None)
        if _is(ratio, number) and whole is not None:
            words = f"the loss divides by {whole}, and this lacks the {number} in it"
            return Cause(fault.MEAN_MISSING, words, f"divide by {number}")
        if _is(ratio, 1 / number) and number in divisors:
            words = f"it is divided by {number} once more than the loss is"
            return Cause(fault.MEAN_TWICE, words, f"divide by {number} once")
    if _is(ratio, 2) or _is(ratio, 0.5):
        which = "twice" if ratio > 1 else "half"
        return Cause(fault.FACTOR_TWO, f"it is {which} what it should be")
    if not _excess(ratio) and any(
        _is(ratio, constant_of(item, state.tape) or 0.0) for item in node.arguments
    ):
        return Cause(fault.SCALE, f"the factor {ratio:.6g} is too much", "leave it out")
    for size in sorted(sizes):
        for other in sorted(divisors | {1}):
            if size != other and (_is(ratio, size / other) or _is(ratio, other / size)):
                return Cause(fault.OTHER_SIZE, f"{size} stands where {other} belongs")
    return _of_a_constant(nodes, ratio) or Cause(fault.SCALE, _excess(ratio))


def _written(node: Node, ratio: float) -> str:
    """Describe the number in the text of a product that is the factor; empty if there is none."""
    for _, number, divides in numbers_in(node.source):
        if number not in (0, 1) and _is(1 / ratio if divides else ratio, number):
            return f"{'division by' if divides else 'factor'} {number}"
    return ""


def _is_half(node: Node) -> bool:
    """True if a product has a half in its text."""
    return bool(_written(node, 2) or _written(node, 0.5))


def _of_a_constant(nodes: Sequence[Node], ratio: float) -> Cause | None:
    """Return the cause if a constant of the loss, as a temperature, is missing or used twice."""
    for node in nodes:
        name = node.operation
        if name not in ("divide", "multiply") or node.place is None:
            continue
        for number in (constant_of(argument, nodes) or 0.0 for argument in node.arguments):
            if number <= 0 or number == 1:
                continue
            which = f"the loss {name.rstrip('y')}{'s' if name == 'divide' else 'ies'} by "
            which += f"{number:.6g} (line {node.place.line})"
            left_out, twice = (number, 1 / number) if name == "divide" else (1 / number, number)
            if _is(ratio, left_out):
                words = f"{which}, and this does not"
                return Cause(fault.SCALE, words, f"{name} by {number:.6g}")
            if _is(ratio, twice):
                words = f"{which}, and this does so once more"
                return Cause(fault.SCALE, words, f"{name} by {number:.6g} once")
    return None


def _excess(ratio: float) -> str:
    """Say how far a factor is from 1 if it is so near that it would read as 1; otherwise empty."""
    if abs(ratio - 1) >= 1e-3:
        return ""
    return (
        f"it is too {'large' if ratio > 1 else 'small'} by {abs(ratio - 1):.2g} of the right size"
    )


def _is(ratio: float, number: float) -> bool:
    return abs(ratio - number) < CLOSE * number


def _of_penalty(mend: Mend, search: Followed, state: State) -> Cause | None:
    """Return the cause if a penalty's derivative, a multiple of a parameter, has a wrong factor."""
    index, points = mend.unit.replaced[0], search.points
    actual, parameters = state.at(index), points[0].parameters
    is_parameter = any(
        quantity.kind == VALUE and quantity.node in parameters.values()
        for quantity in search.known.explaining(actual)
    )
    is_penalty = _makes_penalty(index, mend.factor, points, state)
    if not (is_parameter or is_penalty) or any(
        same(actual, [point.loss_nodes[node].value for point in points])
        and state.tape[index].is_leaf
        and len(state.consumers[index]) > 1
        for node in parameters.values()
    ):
        return None
    if abs(mend.factor + 1) < CLOSE:
        return Cause(fault.PENALTY_SIGN, "the sign of the penalty's derivative is wrong")
    words = f"the penalty's derivative is {1 / mend.factor:.6g} times what it should be"
    return Cause(fault.PENALTY_WRONG, words)


def _makes_penalty(index: int, factor: float, points: Sequence[Point], state: State) -> bool:
    """True if `factor` times a value, or a product of it, is a penalty's derivative up to sign."""
    made = [index]
    while len(users := state.consumers[made[-1]]) == 1 and state.tape[users[0]].operation in SCALES:
        made.append(users[0])
    return any(
        same([sign * factor * values[value] for values in state.values], right)
        for _, right in penalty_derivatives(points)
        for value in made
        for sign in (1, -1)
    )


def _counts(nodes: Sequence[Node], whole: int, length: int) -> bool:
    """True if some array has `whole` entries and an axis of this length."""
    return any(node.value.size == whole and length in node.value.shape for node in nodes)


def _divisors(nodes: Sequence[Node]) -> set[int]:
    """Return the integers that the loss divides by, including those of means.

    Left out are a two in the source, and any number in the source that divides whole arrays.
    """
    divisors: set[float] = set()
    for node in nodes:
        bare = {number for _, number, _ in numbers_in(node.source)}
        name = node.operation
        if name == "mean" and node.operands and node.value.size:
            divisors.add(nodes[node.operands[0]].value.size / node.value.size)
        numbers: list[float] = []
        if name == "divide" and len(node.arguments) == 2:
            numbers = [constant_of(node.arguments[1], nodes) or 0.0]
        if name == "multiply":
            constants = (constant_of(side, nodes) for side in node.arguments)
            numbers = [1 / constant for constant in constants if constant]
        for number in numbers:
            is_bare = number in bare or (number and 1 / number in bare)
            if not is_bare or (number != 2 and node.value.size == 1):
                divisors.add(number)
    return {round(n) for n in divisors if n > 1 and abs(n - round(n)) < CLOSE * n}


def _kept_share(nodes: Sequence[Node], ratio: float) -> float | None:
    """Return the share of units that a dropout keeps and divides by, if it is the factor."""
    for node in nodes:
        if node.operation not in SCALES or len(node.arguments) != 2:
            continue
        near = {inner for index in node.operands for inner in (index, *nodes[index].operands)}
        operations = (node, *map(nodes.__getitem__, near))
        arrays = [
            *(nodes[index].value for index in near),
            *(item for operation in operations for item in operation.arguments),
        ]
        masks = [item for item in arrays if isinstance(item, np.ndarray) and _is_mask(item)]
        numbers = [
            float(nodes[index].value.reshape(()))
            for index in node.operands
            if _is_number(nodes[index])
        ]
        numbers += [constant_of(item, nodes) or 0.0 for item in node.arguments]
        numbers += [float(np.max(mask)) for mask in masks]
        for number in numbers if masks else ():
            kept = 1 / number if number > 1 else number
            if 0 < kept < 1 and (_is(ratio, kept) or _is(1 / ratio, kept)):
                return kept
    return None


def _is_number(node: Node) -> bool:
    return node.is_float and node.value.size == 1


def _is_mask(value: NDArray[Any]) -> bool:
    levels = np.unique(value) if value.size > 1 else np.empty(0)
    return len(levels) == 2 and float(levels[0]) == 0
