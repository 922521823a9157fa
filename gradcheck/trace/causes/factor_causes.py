"""Causes: a right value lacks a slope or a factor."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import takewhile

import numpy as np

from gradcheck.trace import fault
from gradcheck.trace.adjoints.quantities import PRODUCT, SLOPE
from gradcheck.trace.causes.compared import Array, Arrays, Compared, product, quotient, same
from gradcheck.trace.causes.constant_factors import named_number
from gradcheck.trace.fault import Cause
from gradcheck.trace.record.graph import before_moves, evaluate, latest_first, made_from, resolve
from gradcheck.trace.record.names import CUTS
from gradcheck.trace.record.nodes import Reference
from gradcheck.trace.wording.operand_text import operand_text

EXPONENTS = (1.0, 2.0, 3.0, -1.0, -2.0, 0.5, -0.5)
"""The powers of a base that people leave out of the slope of a power."""


def missing_cause(compared: Compared, begin: int, end: int) -> Cause | None:
    """Return the cause of a missing slope, or of a missing factor that the loss multiplies by."""
    made = takewhile(lambda node: node.index > begin, latest_first(compared.loss_nodes, [end]))
    uses = [node for node in made if begin in node.operands]
    first = uses[-1] if uses else None
    if first is None:
        return None
    if first.operation in ("multiply", "divide", "where"):
        for index in set(first.operands) - {begin}:
            if compared.loss_nodes[index].value.size == compared.loss_nodes[begin].value.size > 1:
                continue  # a gate, and no scale
            if before_moves(compared.loss_nodes, index) in compared.parameters:
                name = compared.words.name(index)
                words = f"the factor {name} is missing"
                is_amplitude = compared.loss_nodes[index].value.size == 1
                kind = fault.FACTOR_MISSING if is_amplitude else fault.GAMMA_MISSING
                return Cause(kind, words, f"multiply by {name}")
        for argument in first.arguments:
            value = argument
            if isinstance(argument, Reference):
                value = compared.loss_nodes[argument.index].value
                if argument.index == begin:
                    continue
            levels = np.unique(np.asarray(value, dtype=np.float64))
            if len(levels) == 2 and levels[0] == 0:
                name = compared.words.name(argument.index) if argument is not value else "its mask"
                words = f"{name} is missing" if "mask" in name else f"the mask {name} is missing"
                return Cause(fault.MASK_MISSING, words, f"multiply by {name} on the way back too")
        others = set(first.operands) - {begin}
        made_of_it = made_from(compared.loss_nodes, begin, end)
        name = ""
        if first.index == end and len(others) == 1 and others.isdisjoint(made_of_it):
            name = compared.words.name(others.pop())
        elif first.index == end and not others:
            name = named_number(first)
        if name:
            done = first.operation
            what = f"the {'factor' if done == 'multiply' else 'division by'} {name} is missing"
            return Cause(fault.FACTOR_MISSING, what, f"{done} by {name}")
    slopes = list(compared.along(begin, end, compared.values(begin)))
    is_its_own = same(slopes, compared.values(first.index))  # and not that of log(1 + exp(x))
    cause = parameterisation(compared, begin, first.index) if is_its_own else None
    if cause is not None:
        return cause
    name = compared.words.quantity(SLOPE, end, begin)
    return Cause(fault.SLOPE_MISSING, f"{name} is missing", f"multiply by {name}")


def parameterisation(compared: Compared, begin: int, end: int) -> Cause | None:
    """Return the cause if the derivative is by exp(theta), where theta is a parameter."""
    of, name = compared.words.name(begin), compared.words.name(end)
    block = compared.parameters.get(before_moves(compared.loss_nodes, begin))
    if block is None or compared.loss_nodes[end].operation != "exp":
        return None
    state = compared.state
    made = {one.block for one in state.outputs if state.above[one.node] >> compared.node & 1}
    if block not in made and not made.isdisjoint(compared.parameters.values()):
        return None  # it is made for the gradient of another parameter
    return Cause(
        fault.PARAMETERISATION,
        f"this is the derivative by {name}, and the parameter is {of}: a factor {name} is missing",
    )


def power_cause(compared: Compared, base: int, used: Arrays, right: Arrays) -> Cause | None:
    """Return the cause if the slope of a power lacks a power of its base: `2` for `2 * x`."""
    values = compared.values(base)
    if not np.ptp(np.concatenate([*map(np.ravel, values)])):
        return None  # of a constant base, any power fits
    name = compared.text_of(values) or compared.words.name(base).strip("`")
    for exponent in EXPONENTS:
        powers = [value**exponent for value in values]
        if np.isnan(np.concatenate([*map(np.ravel, powers)])).any():
            continue  # of a negative base, no root is left out
        if same(product(used, powers), right):
            of_base = f"`{name}`" if abs(exponent) == 1 else f"`{name}**{abs(exponent):g}`"
            verb, what = ("multiply", "factor") if exponent > 0 else ("divide", "division by")
            words = f"the {what} {of_base} is missing"
            return Cause(fault.FACTOR_MISSING, words, f"{verb} by {of_base}")
    return None


def left_out_cause(compared: Compared) -> Cause | None:
    """Return the cause if one term of a sum of the loss stands where the whole sum belongs."""
    return _left_out(compared, {"add": ("add", ""), "subtract": ("subtract", "")})


def factor_left_out_cause(compared: Compared) -> Cause | None:
    """Return the cause if one factor of a product of the loss stands where the product belongs."""
    ways = {"multiply": ("multiply by", "the factor "), "divide": ("divide by", "the divisor ")}
    return _left_out(compared, ways)


def known_factor_cause(compared: Compared) -> Cause | None:
    """Return the cause if an adjoint stands where its product with a value of the loss belongs."""
    candidate = compared.candidate
    if candidate is None or candidate.kind != PRODUCT or compared.factor != 1:
        return None
    if not same(product(compared.actual, compared.values(candidate.node)), compared.expected):
        return None
    name = compared.words.name(candidate.node)
    return Cause(fault.FACTOR_MISSING, f"the factor {name} is missing", f"multiply by {name}")


def _left_out(compared: Compared, ways: Mapping[str, tuple[str, str]]) -> Cause | None:
    """Return the cause if one operand in the loss stands where the operation's result belongs.

    `ways` has the advice, and the name of an operand, by operation.
    """
    made = compared.made_in_its_pass
    if made is None or made.operation not in ways or len(made.arguments) != 2:
        return None
    verb, what = ways[made.operation]
    for operand, left_out in (made.arguments, made.arguments[::-1]):
        is_one_of_two = isinstance(operand, Reference) and not isinstance(left_out, np.ndarray)
        if is_one_of_two and same(compared.values(operand.index), compared.actual):
            is_value = isinstance(left_out, Reference)
            name = compared.words.name(left_out.index) if is_value else f"{left_out:.6g}"
            kind = fault.FACTOR_MISSING if what else fault.TERM_MISSING
            return Cause(kind, f"{what}{name} is left out", f"{verb} {name}")
    return None


def zeros_cause(compared: Compared) -> Cause | None:
    """Return the cause if the right value has zeros that are missing, as those of a mask."""
    through = [value != 0 for value in compared.expected]
    held = [value * kept for value, kept in zip(compared.actual, through, strict=True)]
    if not np.any(through[0]) or not same(held, compared.expected):
        return None
    off = np.argwhere((compared.actual[0] != 0) & ~through[0])
    if len(off) == 1 < through[0].size:
        at = f"[{', '.join(map(str, off[0]))}]"
        words = f"it is right but for its entry {at}, which should be 0"
        return Cause(fault.FACTOR_MISSING, words, f"leave {at} out, as the loss does")
    words = f"it is right but for {len(off)} of {through[0].size} entries, which should be 0"
    return Cause(fault.FACTOR_MISSING, words, "multiply by a mask that is 0 in these entries")


def shares_cause(compared: Compared) -> Cause | None:
    """Return the cause if the right value is the wrong one divided by its sum."""
    axes = [axis for axis, length in enumerate(compared.actual[0].shape) if length > 1]
    for axis in axes:
        sums = [np.sum(value, axis=axis, keepdims=True) for value in compared.actual]
        shares = quotient(compared.actual, sums)
        if np.all(np.isfinite(shares[0])) and same(shares, compared.expected):
            along = f" along axis {axis}" if len(axes) > 1 else ""
            words = f"the division by its sum{along} is missing"
            return Cause(fault.FACTOR_MISSING, words, f"divide it by its sum{along}")
    return None


def clip_cause(compared: Compared) -> Cause | None:
    """Return the cause if the right value is cut off at a bound."""
    node = compared.state.tape[compared.node]
    if node.operation not in CUTS or compared.is_use:
        return None
    for operand in node.operands:
        arriving = compared.state.at(operand)
        for made in compared.loss_nodes:
            beyond = compared.adjoints(made.index) if made.operation == node.operation else None
            if beyond is not None and made.place and same(arriving, beyond):
                name = compared.words.name(made.index)
                return Cause(
                    fault.SLOPE_ELSEWHERE,
                    f"`{made.place.source}` of the loss is done to the derivative as well, which "
                    "is to be multiplied by its slope",
                    f"multiply what arrives by `{name.strip('`')} > 0` instead",
                )
        if same(arriving, compared.expected):
            return Cause(fault.CLIPPED, "it cuts off what is right", "leave the bound out")
    return None


def comparison_cause(compared: Compared) -> Cause | None:
    """Return the cause if a product is compared of which only one factor was to be."""
    state, node = compared.state, compared.state.tape[compared.operand]
    if compared.is_use or node.value.dtype != bool or not node.place:
        return None
    for position, argument in enumerate(node.arguments):
        multiplied = state.tape[argument.index] if isinstance(argument, Reference) else None
        whole, written = node.place.source, operand_text(node.place.source, position)
        if multiplied is None or multiplied.operation != "multiply" or written is None:
            continue
        texts = [operand_text(ast.unparse(written), place) for place in (0, 1)]
        for one, (kept, tested) in enumerate((multiplied.arguments, multiplied.arguments[::-1])):
            if None in texts or not same(
                list(_masked(compared, position, kept, tested)), compared.expected
            ):
                continue
            first, other = map(ast.unparse, filter(None, texts[:: 1 - 2 * one]))
            mask = whole.replace(ast.unparse(written), other)
            words = f"all of `{ast.unparse(written)}` is compared, so that it is 0 or 1"
            return Cause(fault.SLOPE_WRONG, words, f"write `{first} * ({mask})` for `{whole}`")
    return None


def _masked(compared: Compared, position: int, kept: object, tested: object) -> Iterator[Array]:
    """Yield by point a factor times the comparison of the other one, in place of their product."""
    for nodes, values in zip(compared.state.nodes, compared.state.values, strict=True):
        node = nodes[compared.operand]
        arguments = (*node.arguments[:position], tested, *node.arguments[position + 1 :])
        yield resolve(kept, values) * evaluate(replace(node, arguments=arguments), values)
