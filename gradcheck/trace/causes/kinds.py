"""The words for a replacement: the kind of the fault, the wrong value and the right one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gradcheck.arrays import proportion
from gradcheck.trace import fault
from gradcheck.trace.adjoints.quantities import (
    ADJOINT,
    BEND,
    CONTRIBUTION,
    PRODUCT,
    SLOPE,
    TANGENT,
    VALUE,
    Quantity,
)
from gradcheck.trace.causes.compared import Arrays, Followed, same
from gradcheck.trace.locating.state import State
from gradcheck.trace.locating.units import OWN, REST, ZERO, Mend, in_pass
from gradcheck.trace.wording.words import Words

LOOSE = 1e-6

ORDER = (ADJOINT, VALUE, SLOPE, BEND, TANGENT, CONTRIBUTION)
"""The order in which the quantities that a value equals are preferred as its name."""


def kind_of(mend: Mend, search: Followed, state: State, expression: str) -> tuple[str, str, str]:
    """Return the kind of fault that a mend shows, with the names of the present and right value."""
    known, words = search.known, search.words
    first = state.values[0][mend.unit.replaced[0]]
    number = _worst_pass(mend, first.size)
    actual = in_pass(mend.actual, number, first.shape)
    explained = known.explaining(actual)
    equal = [other for other in explained if same(actual, other.values)]
    multiples = [other for other in explained if multiple_of(actual, other.values, LOOSE)]
    is_now = named(equal or multiples, words) or expression
    if multiples and not equal and same([-value for value in actual], multiples[0].values):
        is_now = f"-1 times {is_now}"
    if mend.how == ZERO:
        return fault.EXTRA_TERM, is_now, "nothing"
    if mend.how == OWN:
        right = [mend.factor * value for value in actual]
        wanted = [quantity for quantity in explained if same(right, quantity.values)]
        should_be = named(wanted, words)
        if should_be and mend.factor:
            is_near = abs(mend.factor - 1) < 1e-3
            is_now = expression if is_near else f"{constant(1 / mend.factor)} times {should_be}"
            return fault.CONSTANT_FACTOR, is_now, should_be
        return fault.CONSTANT_FACTOR, expression, f"{constant(mend.factor)} times that"
    candidate = mend.candidate
    should_be = ""
    if candidate is not None:
        should_be = words.quantity(*candidate.key)
        right = in_pass(mend.expected, number, first.shape)
        if candidate.kind == PRODUCT:  # a known product has a name of its own
            should_be = named(known.explaining(right), words) or should_be
        times = proportion(actual, right)
        if times is not None and (is_now == should_be or not equal):
            is_now = f"{constant(times * mend.factor)} times {should_be}"
        if mend.how == REST:
            should_be += ", less what is rightly added later,"
        elif abs(mend.factor - 1) > 1e-9:
            should_be = f"{constant(mend.factor)} times {should_be}"
    return fault.WRONG_OPERAND if mend.unit.uses else fault.WRONG_VALUE, is_now, should_be


def _worst_pass(mend: Mend, size: int) -> int:
    """Return the pass of a loop in which the value is farthest from the right one."""
    count = mend.actual[0].size
    if not mend.unit.is_series or count != mend.expected[0].size or not size or count % size:
        return 0
    off = np.reshape(mend.actual[0], -1) - np.reshape(mend.expected[0], -1)
    return int(np.argmax(np.abs(off).reshape(-1, size).max(axis=1)))


def named(explained: Sequence[Quantity], words: Words) -> str:
    """Return the name of a value, by the quantity that names it best; empty without one."""
    first = min(explained, key=lambda one: ORDER.index(one.kind), default=None)
    return "" if first is None else words.quantity(*first.key)


def multiple_of(
    values: Arrays, others: Arrays, tolerance: float = 1e-7
) -> tuple[float, bool] | None:
    """Return the factor between values and others, and whether those are transposed; or None."""
    for is_turned in (False, True) if others[0].ndim > 1 else (False,):
        laid = [other.T for other in others] if is_turned else others
        factor = proportion(values, laid, tolerance)
        if factor is not None:
            return factor, is_turned
    return None


def constant(factor: float) -> str:
    """Return a constant as messages show it."""
    return f"{factor:.6g}"
