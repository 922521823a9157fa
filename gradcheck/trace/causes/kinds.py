"""What a replacement puts in the place of what, in words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

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
from gradcheck.trace.causes.compared import Array, Arrays, same
from gradcheck.trace.fault import CONSTANT_FACTOR, EXTRA_TERM, WRONG_OPERAND, WRONG_VALUE
from gradcheck.trace.locating.explain import Known
from gradcheck.trace.locating.mend import OWN, REST, ZERO, Mend
from gradcheck.trace.locating.multiples import proportion
from gradcheck.trace.locating.state import State
from gradcheck.trace.wording.words import Words

LOOSE = 1e-6

ORDER = (ADJOINT, VALUE, SLOPE, BEND, TANGENT, CONTRIBUTION)
"""Which of several quantities that a value is names it."""


def kind_of(
    mend: Mend, state: State, known: Known, words: Words, expression: str
) -> tuple[str, str, str]:
    """The kind of the fault that a mend shows, what stands there, and what should."""
    first = state.values[0][mend.unit.replaced[0]]
    begin = _worst_pass(mend, first.size) * first.size

    def in_pass(value: Array) -> Array:
        return np.reshape(value, -1)[begin : begin + first.size].reshape(first.shape)

    one = [*map(in_pass, mend.actual)]
    explained = known.explaining(one)
    in_order = [quantity for quantity in explained if _is_it(one, quantity.values)]
    is_now = named(in_order, words) or expression
    if mend.how == ZERO:
        return EXTRA_TERM, is_now, "nothing"
    if mend.how == OWN:
        right = [mend.factor * value for value in one]
        wanted = [quantity for quantity in explained if same(right, quantity.values)]
        should_be = named(wanted, words)
        if should_be and mend.factor:
            is_near = abs(mend.factor - 1) < 1e-3
            is_now = expression if is_near else f"{constant(1 / mend.factor)} times {should_be}"
            return CONSTANT_FACTOR, is_now, should_be
        return CONSTANT_FACTOR, expression, f"{constant(mend.factor)} times that"
    candidate = mend.candidate
    should_be = ""
    if candidate is not None:
        should_be = words.quantity(candidate.kind, candidate.node, candidate.other)
        right = [*map(in_pass, mend.expected)]
        if candidate.kind == PRODUCT:  # where the product is known, that is what it is called
            should_be = named(known.explaining(right), words) or should_be
        times = proportion(one, right)
        if is_now == should_be and times is not None:
            is_now = f"{constant(times * mend.factor)} times {should_be}"
        if mend.how == REST:
            should_be += ", less what is rightly added later,"
        elif abs(mend.factor - 1) > 1e-9:
            should_be = f"{constant(mend.factor)} times {should_be}"
    return WRONG_OPERAND if mend.unit.uses else WRONG_VALUE, is_now, should_be


def _worst_pass(mend: Mend, size: int) -> int:
    """The pass of a loop in which what stands there is farthest from what should."""
    count = mend.actual[0].size
    if not mend.unit.is_series or count != mend.expected[0].size or not size or count % size:
        return 0
    off = np.reshape(mend.actual[0], -1) - np.reshape(mend.expected[0], -1)
    return int(np.argmax(np.abs(off).reshape(-1, size).max(axis=1)))


def named(explained: Sequence[Quantity], words: Words) -> str:
    """What a value is, by the quantity that names it best."""
    ranked = sorted(explained, key=lambda one: ORDER.index(one.kind))
    if not ranked:
        return ""
    return words.quantity(ranked[0].kind, ranked[0].node, ranked[0].other)


def _is_it(values: Arrays, others: Arrays) -> bool:
    """Whether values are others, or their transpose, times a constant: in the same order."""
    if proportion(values, others, LOOSE) is not None:
        return True
    turned = [other.T for other in others]
    return turned[0].ndim > 1 and proportion(values, turned, LOOSE) is not None


def constant(factor: float) -> str:
    """A constant, as it is told."""
    return f"{factor:.6g}"
