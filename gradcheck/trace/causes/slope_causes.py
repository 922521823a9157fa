"""Explain a wrong slope: it is missing, taken twice, or that of something else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from gradcheck.trace import fault
from gradcheck.trace.adjoints.quantities import ADJOINT, SLOPE, VALUE
from gradcheck.trace.causes.compared import (
    FEWEST,
    Arrays,
    Compared,
    is_activation,
    product,
    quotient,
    same,
)
from gradcheck.trace.causes.factor_causes import missing_cause, power_cause
from gradcheck.trace.causes.term_causes import term_cause
from gradcheck.trace.fault import Cause
from gradcheck.trace.record.graph import made_from

LOOSE = 1e-5
"""The tolerance of slopes by differences."""

AGREEING = 0.2
"""The share of entries that must be right if a slope is wrong on one side of 0 only."""


@dataclass(frozen=True)
class Slope:
    """The slope that a gradient uses, beside the right one.

    Attributes:
        begin: the input of the function of the loss, as an index.
        end: the output of that function.
        right: the right slope, by point.
        used: the slope in the gradient, by point; NaN where `arriving` is 0.
        arriving: the adjoint by which the slope is multiplied, by point; None if unknown.
    """

    begin: int
    end: int
    right: Arrays
    used: Arrays
    arriving: Arrays | None


def slope_cause(compared: Compared) -> Cause | None:
    """Return the cause if a wrong slope is what makes the value wrong."""
    slopes = list(slopes_in(compared))
    finds = (
        *(_missing, _one_of_two, _inactive, _twice, _at_output, _itself),
        *(_lacks_factor, _lacks_power, _other_factor, _of_another, _elsewhere),
    )
    for find in finds:
        for slope in slopes:
            cause = find(compared, slope)
            if cause is not None:
                return cause
    return None


def _missing(compared: Compared, slope: Slope) -> Cause | None:
    """Return the cause if 1 stands in the place of the slope."""
    ones = [np.ones_like(value) for value in slope.right]
    is_missing = same(slope.used, ones, LOOSE)
    return missing_cause(compared, slope.begin, slope.end) if is_missing else None


def _one_of_two(compared: Compared, slope: Slope) -> Cause | None:
    """Return the cause if one slope of a function of a function is missing."""
    for quantity in compared.known.of_kind(SLOPE):
        if not same(slope.used, quantity.values):
            continue
        if quantity.other == slope.begin and _is_through(compared, slope, quantity.node):
            return missing_cause(compared, quantity.node, slope.end)
        if quantity.node == slope.end and _is_through(compared, slope, quantity.other):
            return missing_cause(compared, slope.begin, quantity.other)
    return None


def _is_through(compared: Compared, slope: Slope, middle: int) -> bool:
    """True if the function of the loss depends on its input only by a value between the two."""
    past = {slope.begin}
    for node in compared.loss_nodes[slope.begin + 1 : slope.end + 1]:
        if node.index != middle and past.intersection(node.operands):
            past.add(node.index)
    return slope.begin < middle < slope.end and slope.end not in past


def slopes_in(compared: Compared) -> Iterator[Slope]:
    """Yield the right slopes that the expected value has as a factor, beside those used."""
    candidate = compared.candidate
    if candidate is not None and candidate.kind == SLOPE:
        right = [value / compared.factor for value in compared.expected]
        arriving = compared.adjoints(candidate.node)
        yield Slope(candidate.other, candidate.node, right, compared.actual, arriving)
        return
    for quantity, arriving in compared.slopes:
        used = quotient(compared.actual, arriving)
        if same(used, quantity.values):
            continue  # what arrives is wrong, where it should be 0
        yield Slope(quantity.other, quantity.node, quantity.values, used, arriving)


def name_of(compared: Compared, slope: Slope) -> str:
    """Return the words for a slope: `the slope of tanh at Z1`."""
    return compared.words.quantity(SLOPE, slope.end, slope.begin)


def _twice(compared: Compared, slope: Slope) -> Cause | None:
    squares = [value * value for value in slope.right]
    if not same(slope.used, squares):
        return None
    surplus = term_cause(compared)  # sigmoid(z) - 1 is sigmoid(z) times a slope of exp(-z), too
    if surplus is not None and surplus.name == fault.EXTRA_TERM:
        return surplus
    return Cause(fault.SLOPE_TWICE, f"{name_of(compared, slope)} is taken twice", "take it once")


def _at_output(compared: Compared, slope: Slope) -> Cause | None:
    outputs = compared.values(slope.end)
    # a square at the output of a square is a wrong power: a square is no activation
    if not is_activation(compared, slope.begin, slope.end) or not _is(compared, slope, outputs):
        return None
    of = compared.words.name(slope.end)
    return Cause(
        fault.SLOPE_AT_OUTPUT,
        f"{name_of(compared, slope)} is taken at its output {of}",
        f"take it at {compared.words.name(slope.begin)}, or write it for the output",
        taken_at=slope.end,
    )


def _itself(compared: Compared, slope: Slope) -> Cause | None:
    """Return the cause if the value of the function stands where its slope belongs."""
    chain = compared.loss_nodes[slope.end].chain
    explained = (one.node for one in compared.known.explaining(slope.used) if one.kind == VALUE)
    ends = {slope.end, *(one for one in explained if compared.loss_nodes[one].chain == chain)}
    if not any(same(slope.used, compared.values(end)) for end in ends):
        return None  # nor is it that of another pass of a loop
    words = (
        f"{name_of(compared, slope).replace('slope', 'value', 1)} stands where its slope belongs"
    )
    return Cause(fault.SLOPE_WRONG, words, f"use {name_of(compared, slope)}")


def _is(compared: Compared, slope: Slope, inputs: Arrays) -> bool:
    """True if the slope in the gradient is that of the function at other inputs."""
    if any(value.shape != used.shape for value, used in zip(inputs, slope.used, strict=True)):
        return False
    with np.errstate(all="ignore"):
        elsewhere = list(compared.along(slope.begin, slope.end, inputs))
        if any(
            np.isnan(one[np.isfinite(used)]).any()
            for one, used in zip(elsewhere, slope.used, strict=True)
        ):
            return False
        return same(slope.used, elsewhere, LOOSE) and not same(slope.right, slope.used, LOOSE)


def _of_another(compared: Compared, slope: Slope) -> Cause | None:
    if same(slope.used, [-value for value in slope.right]):
        return None  # the sign is wrong, and another layer's slope the same by chance
    nodes = compared.loss_nodes
    whole = nodes[slope.end].place
    parts = {nodes[one].place for one in made_from(nodes, slope.begin, slope.end)} - {whole}
    for quantity in compared.known.of_kind(SLOPE):
        part = nodes[quantity.node].place
        covers = part is not None and whole is not None and whole != part and whole.covers(part)
        if covers or part in parts:
            continue  # of the same function, in this or another pass
        if (
            quantity.other not in (slope.begin, slope.end)
            and quantity.node != slope.end
            and same(slope.used, quantity.values)
        ):
            other, own = compared.words.quantity(*quantity.key), name_of(compared, slope)
            which = f"{other}, not {own}" if other != own else f"{other} in another pass or call"
            return Cause(fault.SLOPE_OF_ANOTHER, f"it is {which}")
    return None


def _lacks_factor(compared: Compared, slope: Slope) -> Cause | None:
    """Return the cause if the other factor of a product is missing in its derivative."""
    nodes = compared.loss_nodes
    of_begin = made_from(nodes, slope.begin, slope.end)
    products = [nodes[one] for one in of_begin if nodes[one].operation == "multiply"]
    for other in {one for node in products for one in node.operands} - of_begin:
        values = compared.values(other)
        if (
            values[0].dtype.kind == "f"
            and np.ptp(values[0])
            and same(product(slope.used, values), slope.right)
        ):
            name = compared.text_of(values)
            name = f"`{name}`" if name else compared.words.name(other)
            words = f"the factor {name} is missing"
            return Cause(fault.FACTOR_MISSING, words, f"multiply by {name}")
    return None


def _lacks_power(compared: Compared, slope: Slope) -> Cause | None:
    is_base = slope.begin in compared.loss_nodes[slope.end].operands
    return power_cause(compared, slope.begin, slope.used, slope.right) if is_base else None


def _other_factor(compared: Compared, slope: Slope) -> Cause | None:
    """Return the cause if the derivative of a product has a wrong value as the other factor."""
    end = compared.loss_nodes[slope.end]
    if end.operation != "multiply" or slope.begin not in end.operands:
        return None
    for other in set(end.operands) - {slope.begin}:
        if not same(slope.right, compared.values(other)):
            continue
        for node in _values_used(compared, slope):
            used, right = compared.words.name(node), compared.words.name(other)
            if used == right:
                words = f"it is multiplied by the {used} of another pass of the loop"
                return Cause(fault.OTHER_INDEX, words, f"take the {right} of the same pass")
            words = f"it is multiplied by {used}, and {right} belongs there"
            return Cause(fault.OTHER_OPERAND, words, f"multiply by {right}")
    return None


def _values_used(compared: Compared, slope: Slope) -> Iterator[int]:
    """Yield the values of the loss that stand for a slope, also as factors of its products."""
    for quantity in compared.known.of_kind(VALUE):
        if same(slope.used, quantity.values):
            yield quantity.node
    for quantity in compared.known.of_kind(SLOPE):
        made = compared.loss_nodes[quantity.node]
        if made.operation == "multiply" and same(slope.used, quantity.values):
            yield from {*made.operands} - {quantity.other}


def _elsewhere(compared: Compared, slope: Slope) -> Cause | None:
    is_small = slope.right[0].size < FEWEST
    if is_small and not is_activation(compared, slope.begin, slope.end):
        return None  # a power of a power is another power
    for quantity in compared.known.of_kind(ADJOINT, VALUE):
        is_end = quantity.node in (slope.begin, slope.end)
        if not is_end and _is(compared, slope, quantity.values):
            words = (
                f"{name_of(compared, slope)} is taken at {compared.words.quantity(*quantity.key)}"
            )
            at = quantity.node if quantity.kind == VALUE else None
            return Cause(fault.SLOPE_ELSEWHERE, words, taken_at=at)
    if slope.arriving is not None and _is(compared, slope, slope.arriving):
        words = f"{name_of(compared, slope)} is taken at the upstream gradient"
        return Cause(fault.SLOPE_ELSEWHERE, words)
    return None


def _inactive(compared: Compared, slope: Slope) -> Cause | None:
    """Return the cause if a slope is wrong on one side of a threshold, where it is constant."""
    if slope.used[0].shape != compared.values(slope.begin)[0].shape:
        return None
    used, right, inputs = (
        np.concatenate([np.ravel(value) for value in arrays])
        for arrays in (slope.used, slope.right, compared.values(slope.begin))
    )
    finite = np.isfinite(used)
    used, right, inputs = used[finite], right[finite], inputs[finite]
    agrees = np.abs(used - right) <= LOOSE * np.max(np.abs(right), initial=0.0)
    if agrees.all() or np.mean(agrees) < AGREEING or len(used) < FEWEST:
        return None
    wrong = inputs[~agrees]
    one_side = wrong.max() <= inputs[agrees].min() or wrong.min() >= inputs[agrees].max()
    if not one_side or np.ptp(used[~agrees]) > LOOSE:
        return None
    name = name_of(compared, slope)
    if wrong.max() > inputs[agrees].min():
        return Cause(fault.SLOPE_INACTIVE, f"{name} is wrong where the unit is active")
    numbers = f"{used[~agrees][0]:.3g} instead of {right[~agrees][0]:.3g}"
    words = f"{name} is right except below {inputs[agrees].min():.3g}, where it is {numbers}"
    return Cause(fault.SLOPE_INACTIVE, words)
