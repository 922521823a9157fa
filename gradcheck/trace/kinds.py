"""What kind of fault a replacement shows, from the wrong value and the right one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.trace.explain import Known
from gradcheck.trace.fault import (
    CONSTANT_FACTOR,
    EXTRA_FACTOR,
    EXTRA_TERM,
    MISSING_CONTRIBUTION,
    MISSING_FACTOR,
    TRANSPOSED,
    WRONG_OPERAND,
    WRONG_VALUE,
)
from gradcheck.trace.mend import OWN, ZERO, Mend
from gradcheck.trace.quantities import ADJOINT, CONTRIBUTION, SLOPE, VALUE, Quantity
from gradcheck.trace.scales import proportion
from gradcheck.trace.state import State
from gradcheck.trace.words import Words

ORDER = (ADJOINT, VALUE, SLOPE, CONTRIBUTION)
"""Which of several quantities that a value is names it."""

Arrays = Sequence[NDArray[Any]]


@dataclass(frozen=True)
class Kind:
    """The kind of a fault, in words.

    Attributes:
        kind: as in `fault`.
        lacks: the factor or term that is missing or too much; empty where it is none.
        actual: what stands there.
        expected: what should stand there.
    """

    kind: str
    lacks: str
    actual: str
    expected: str


def kind_of(mend: Mend, state: State, known: Known, words: Words, expression: str) -> Kind:
    """The kind of the fault that a mend shows."""
    shape = state.values[0][mend.unit.replaced[0]].shape
    many = mend.unit.is_series or len(mend.unit.nodes) > 1
    actual = [np.asarray(value) for value in mend.actual]
    expected = [np.asarray(value) for value in mend.expected]
    if not many:
        actual = [value.reshape(shape) for value in actual]
        expected = [value.reshape(shape) for value in expected]
    one = [value.reshape(-1)[: int(np.prod(shape, dtype=int))].reshape(shape) for value in actual]
    is_now = named(known.explaining(one), words) or expression
    if mend.how == ZERO:
        return Kind(EXTRA_TERM, is_now, is_now, "nothing")
    if mend.how == OWN:
        return Kind(CONSTANT_FACTOR, "", is_now, f"{constant(mend.factor)} times that")
    candidate = mend.candidate
    should_be = ""
    if candidate is not None:
        should_be = words.quantity(candidate.kind, candidate.node, candidate.other)
        if abs(mend.factor - 1) > 1e-9:
            should_be = f"{constant(mend.factor)} times {should_be}"
    if not many and _is_turned(actual, expected):
        return Kind(TRANSPOSED, "", is_now, f"{should_be}, transposed")
    kind, lacks = _difference(actual, expected, known, words, many)
    if kind == WRONG_VALUE and mend.unit.uses:
        kind = WRONG_OPERAND
    return Kind(kind, lacks, is_now, should_be)


def named(explained: Sequence[Quantity], words: Words) -> str:
    """What a value is, by the quantity that names it best."""
    ranked = sorted(explained, key=lambda one: ORDER.index(one.kind))
    if not ranked:
        return ""
    return words.quantity(ranked[0].kind, ranked[0].node, ranked[0].other)


def constant(factor: float) -> str:
    """A constant, as it is told."""
    return f"{factor:.6g}"


def _is_turned(actual: Arrays, expected: Arrays) -> bool:
    first = actual[0]
    if first.ndim != 2 or first.shape[0] != first.shape[1] or first.size == 1:
        return False
    return proportion([value.T for value in actual], expected, 1e-6) is not None


def _difference(
    actual: Arrays, expected: Arrays, known: Known, words: Words, many: bool
) -> tuple[str, str]:
    """What the actual value lacks, or has too much."""
    with np.errstate(all="ignore"):
        lacking = [right / wrong for right, wrong in zip(expected, actual, strict=True)]
        excess = [wrong / right for right, wrong in zip(expected, actual, strict=True)]
        for ratio, kind in ((lacking, MISSING_FACTOR), (excess, EXTRA_FACTOR)):
            factor = _factor(ratio, known, words)
            if factor:
                return kind, factor
    if not many:
        missing = [right - wrong for right, wrong in zip(expected, actual, strict=True)]
        scale = max(float(np.max(np.abs(value), initial=0.0)) for value in expected)
        if max(float(np.max(np.abs(value), initial=0.0)) for value in missing) > 1e-9 * scale:
            parts = known.explaining(missing)
            terms = [one for one in parts if one.kind in (CONTRIBUTION, ADJOINT)] or parts
            if terms:
                return MISSING_CONTRIBUTION, named(terms, words)
    return WRONG_VALUE, ""


def _factor(ratio: Arrays, known: Known, words: Words) -> str:
    """The slope or value that a ratio is, also where it was broadcast along an axis."""
    if any(not np.all(np.isfinite(value)) for value in ratio):
        return ""
    joined = np.concatenate([np.ravel(value) for value in ratio])
    if np.ptp(joined) < 1e-9 * max(float(np.max(np.abs(joined))), 1e-30):
        return ""
    forms: list[Arrays] = [ratio]
    if ratio[0].ndim == 2:
        for axis in (0, 1):
            line = [np.take(value, 0, axis=axis) for value in ratio]
            whole = [np.expand_dims(value, axis) for value in line]
            same = [
                np.allclose(np.broadcast_to(one, value.shape), value, rtol=1e-6)
                for one, value in zip(whole, ratio, strict=True)
            ]
            if all(same) and line[0].size > 1:
                forms.append(line)
    for form in forms:
        found = [one for one in known.explaining(form) if one.kind in (SLOPE, VALUE)]
        if found:
            return named(sorted(found, key=lambda one: one.kind != SLOPE)[:1], words)
    return ""
