"""Explain a value that stands where a slope belongs, and is none that is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gradcheck.arrays import proportion, roughness
from gradcheck.trace import fault
from gradcheck.trace.adjoints.quantities import SLOPE, VALUE
from gradcheck.trace.causes.compared import (
    FEWEST,
    Compared,
    is_activation,
    made_of,
    product,
    quotient,
    same,
)
from gradcheck.trace.causes.factor_causes import missing_cause
from gradcheck.trace.causes.slope_causes import LOOSE, Slope, name_of, slopes_in
from gradcheck.trace.fault import Cause
from gradcheck.trace.record.graph import made_from, repetitions

NOT_THE_SLOPE = "this is not"
SMOOTHER, NEAR = 0.4, 1.3
"""The largest roughness of a function of the input, and the largest relative to the smoothest."""


def missing_slope_cause(compared: Compared) -> Cause | None:
    """Return the cause if another number than 1 stands in the place of an activation's slope."""
    causes = (_missing_and_more(compared, slope) for slope in slopes_in(compared))
    return next(filter(None, causes), None)


def _missing_and_more(compared: Compared, slope: Slope) -> Cause | None:
    number = float(np.nanmedian(slope.used[0]))
    is_too_little = not number or slope.used[0].size < FEWEST
    if is_too_little or not is_activation(compared, slope.begin, slope.end):
        return None
    used, right = (
        same(values, [np.full_like(one, number) for one in values], LOOSE)
        for values in (slope.used, slope.right)
    )
    cause = missing_cause(compared, slope.begin, slope.end) if used and not right else None
    if cause is None:
        return None
    words = f"{cause.words}, and a factor of {1 / number:.6g}"
    fix = cause.fix.replace("multiply by", f"multiply by {1 / number:.6g} times", 1)
    return replace(cause, words=words, fix=fix)


def other_slope_cause(compared: Compared) -> Cause | None:
    """Return the cause if another function of the same input stands in the place of a slope."""
    by_roughness = [
        (roughness(slope.used, compared.values(slope.begin)), slope)
        for slope in slopes_in(compared)
        if not _is_of_the_error(compared, slope) and _is_multiplied(compared, slope)
    ]
    smooth = [(rough, slope) for rough, slope in by_roughness if rough <= SMOOTHER]
    if not smooth:
        return None
    least = min(rough for rough, _ in smooth)
    near = [slope for rough, slope in smooth if rough <= NEAR * least]
    handed = [slope for slope in near if _is_handed_out(compared, slope.end)]
    slope = min(handed, key=lambda s: s.end) if handed else max(near, key=lambda s: s.end)
    factor = _missing_factor(compared, slope)
    if factor is not None:
        return factor
    name = name_of(compared, slope)
    return Cause(fault.SLOPE_WRONG, f"{NOT_THE_SLOPE} {name}", f"use {name}")


def _is_multiplied(compared: Compared, slope: Slope) -> bool:
    """True if the gradient has what arrives at the function, to be multiplied by its slope."""
    wanted = compared.candidate
    if wanted is not None and wanted.kind == SLOPE:
        return True
    ends = repetitions(compared.loss_nodes, slope.end)
    arriving = [adjoint for end in ends if (adjoint := compared.adjoints(end)) is not None]
    made = {one for node in made_of(compared) for one in (node.index, *node.operands)}
    values = [compared.state.at(one) for one in made]
    return not arriving or any(
        all(np.ptp(point) == 0 for point in one)  # a factor that says nothing
        or any(
            value[0].size == one[0].size and proportion(one, value) is not None for value in values
        )
        for one in arriving
    )


def _missing_factor(compared: Compared, slope: Slope) -> Cause | None:
    """Return the cause if a value at hand makes it right, and is no part of an activation."""
    is_one = is_activation(compared, slope.begin, slope.end)
    parts = made_from(compared.loss_nodes, slope.begin, slope.end) if is_one else set()
    found: dict[str, str] = {}
    for one in compared.known.of_kind(VALUE):
        if one.values[0].shape != compared.actual[0].shape:
            continue
        lacks = same(product(compared.actual, one.values), compared.expected)
        if one.node in parts:
            continue
        if lacks or same(quotient(compared.actual, one.values), compared.expected):
            found[compared.text_of(one.values)] = "multiply" if lacks else "divide"
    name = min(
        filter(None, found), key=lambda text: (not text.isidentifier(), len(text)), default=""
    )
    if not name:
        return None
    what = "factor" if found[name] == "multiply" else "division by"
    words = f"the {what} `{name}` is missing"
    return Cause(fault.FACTOR_MISSING, words, f"{found[name]} by `{name}`")


def is_vague(cause: Cause) -> bool:
    """Whether a cause says only that a value is not the slope that belongs there."""
    return cause.name == fault.SLOPE_WRONG and cause.words.startswith(NOT_THE_SLOPE)


def derivative_cause(compared: Compared) -> Cause | None:
    """Return the cause for a wrong value that should be a slope, whatever is wrong in it."""
    wanted, words = compared.candidate, compared.words
    if wanted is None or wanted.kind != SLOPE or compared.is_use:
        return None
    message = f"this is not {words.quantity(*wanted.key)}"
    fix = f"differentiate {words.name(wanted.node)} by {words.name(wanted.other)} anew"
    return Cause(fault.SLOPE_WRONG, message, fix)


def _is_handed_out(compared: Compared, node: int) -> bool:
    """True if a value of the loss is used outside of the function that computes it."""
    callers = compared.loss_nodes[node].chain[1:]
    users = (user for user in compared.loss_nodes[node + 1 :] if node in user.operands)
    return bool(callers) and any(user.chain[1:] != callers for user in users)


def _is_of_the_error(compared: Compared, slope: Slope) -> bool:
    """True for the slope of a square that the loss adds up: the error, and no activation."""
    is_square = compared.loss_nodes[slope.end].operation in ("power", "square", "multiply")
    return is_square and slope.arriving is not None and not np.ptp(slope.arriving[0])
