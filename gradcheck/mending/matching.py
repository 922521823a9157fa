"""The moments at which a value is the wrong one of the diagnosis, and its right values there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradcheck.mending.composed import EXACT
from gradcheck.mending.moments import Moment
from gradcheck.trace import Fault
from gradcheck.user.blocks import Array
from gradcheck.user.calls import Location

CLOSE = 1e-9

PRECISIONS = ((CLOSE, EXACT), (1e-6, 1e-5))
"""The relative differences of equal values, and of compositions, in double and single precision."""

Told = tuple[Moment, Array]
"""A moment, and the right value of an expression at it."""


@dataclass(frozen=True)
class Wanted:
    """A wrong value, with the right one.

    Attributes:
        place: its place in the source.
        actual: the wrong value; several passes of a loop are flat, one after the other.
        expected: the right value.
    """

    place: Location
    actual: Array
    expected: Array

    @classmethod
    def of(cls, fault: Fault) -> Wanted | None:
        """Return the wrong value of a fault, if its numbers are known."""
        place, actual, expected = fault.place, fault.actual_value, fault.expected_value
        if place is None or actual is None or expected is None:
            return None
        return cls(place.location, np.asarray(actual), np.asarray(expected))


def matched(known: Sequence[Told], wanted: Wanted) -> tuple[Sequence[Told], float] | None:
    """Return the right value at each moment that has the wrong one; None if they do not match.

    Also return the relative difference up to which numbers are the same.
    """
    tried = (
        (_told(known, wanted.actual, wanted.expected, close), exact) for close, exact in PRECISIONS
    )
    return next((one for one in tried if one[0]), None)


def _told(known: Sequence[Told], actual: Array, expected: Array, close: float) -> list[Told]:
    for moment, value in known:
        if value.shape == actual.shape and _are_close(value, actual, close):
            return [(moment, expected)]
    if actual.size != expected.size:
        return []
    for order in (1, -1):
        targets: list[Told] = []
        start = 0
        for moment, value in known[::order]:
            end = start + value.size
            part = actual.reshape(-1)[start:end]
            if part.size == value.size and _are_close(value.reshape(-1), part, close):
                targets.append((moment, expected.reshape(-1)[start:end].reshape(value.shape)))
                start = end
        if targets and start == actual.size:
            return targets
    return []


def _are_close(one: Array, other: Array, close: float) -> bool:
    scale = float(np.max(np.abs(other), initial=0.0))
    return bool(np.all(np.abs(one - other) <= close * scale))
