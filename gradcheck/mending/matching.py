"""At which moments a value is the wrong one of the diagnosis, and what it should be at each."""

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
"""How close the same values are, and what is made of them: in double and in single precision."""

Told = tuple[Moment, Array]
"""A moment, and what an expression should be at it."""


@dataclass(frozen=True)
class Wanted:
    """A value that is wrong.

    Attributes:
        place: where it stands.
        actual: what it is; of several passes of a loop, flat and one after the other.
        expected: what it should be.
    """

    place: Location
    actual: Array
    expected: Array

    @classmethod
    def of(cls, fault: Fault) -> Wanted | None:
        """That of a fault, if its numbers are known."""
        place, actual, expected = fault.place, fault.actual_value, fault.expected_value
        if place is None or actual is None or expected is None:
            return None
        return cls(place.location, np.asarray(actual), np.asarray(expected))


def matched(known: Sequence[Told], wanted: Wanted) -> tuple[Sequence[Told], float] | None:
    """What is wanted at the moments whose values are the wrong ones; None where they are others.

    And by what part of their size numbers may differ that are the same.
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
        told: list[Told] = []
        start = 0
        for moment, value in known[::order]:
            end = start + value.size
            part = actual.reshape(-1)[start:end]
            if part.size == value.size and _are_close(value.reshape(-1), part, close):
                told.append((moment, expected.reshape(-1)[start:end].reshape(value.shape)))
                start = end
        if told and start == actual.size:
            return told
    return []


def _are_close(one: Array, other: Array, close: float) -> bool:
    scale = float(np.max(np.abs(other), initial=0.0))
    return bool(np.all(np.abs(one - other) <= close * scale))
