"""A replacement that makes wrong outputs right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gradcheck.trace.candidates import Candidate
from gradcheck.trace.state import Replacement
from gradcheck.trace.units import Unit

QUANTITY = "quantity"
OWN = "own value times a constant"
ZERO = "nothing"

ByPoint = Sequence[NDArray[np.float64]]


@dataclass(frozen=True)
class Mend:
    """A replacement that makes wrong outputs right at all points, and spoils no right one.

    Attributes:
        unit: what is replaced.
        how: QUANTITY, OWN or ZERO.
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
