"""A replacement that makes wrong outputs right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gradcheck.trace.locating.candidates import Candidate
from gradcheck.trace.locating.state import Replacement, State
from gradcheck.trace.locating.units import Unit

QUANTITY = "quantity"
OWN = "own value times a constant"
ZERO = "nothing"
REST = "what right terms leave of a quantity"

ByPoint = Sequence[NDArray[np.float64]]


@dataclass(frozen=True)
class Mend:
    """A replacement that makes wrong outputs right at all points, and spoils no right one.

    Attributes:
        unit: what is replaced.
        how: QUANTITY, OWN, ZERO or REST.
        factor: the constant that the replacement is multiplied by.
        outputs: the names of the outputs that it makes right.
        candidate: what replaces it, if that is a quantity.
        actual: the values that are replaced, by point, one after the other.
        expected: what replaces them, times the factor.
        replacements: by point.
    """

    unit: Unit
    how: str
    factor: float
    outputs: frozenset[str]
    candidate: Candidate | None
    actual: ByPoint
    expected: ByPoint
    replacements: tuple[Replacement, ...]


def in_order(mend: Mend, state: State) -> Mend:
    """The mend with each pass of a loop given its own value, where the passes add up.

    Their sum is right in any order; what is right already tells the order.
    """
    nodes = mend.unit.nodes
    if not mend.unit.is_series or not nodes:
        return mend
    actual, *turned = (
        np.reshape(value, (len(nodes), -1))[::step]
        for value, step in ((mend.actual[0], 1), *((value, -1) for value in mend.expected))
    )
    agreeing = [
        np.count_nonzero(np.isclose(actual, turned[0][::step], 1e-6, 0)) for step in (-1, 1)
    ]
    if agreeing[1] <= agreeing[0]:
        return mend
    replacements = tuple(
        Replacement(
            {
                index: np.reshape(part, state.tape[index].value.shape)
                for index, part in zip(nodes, at_point, strict=True)
            }
        )
        for at_point in turned
    )
    if mend.outputs & state.mend(replacements).wrong():
        return mend
    expected = [np.ravel(at_point) for at_point in turned]
    return replace(mend, expected=expected, replacements=replacements)
