"""At which moments a value is the wrong one of the diagnosis, and what it should be at each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradcheck.mending.composed import EXACT
from gradcheck.mending.moments import Moment
from gradcheck.user.blocks import Array

CLOSE = 1e-9

PRECISIONS = ((CLOSE, EXACT), (1e-6, 1e-5))
"""How close the same values are, and what is made of them: in double and in single precision."""

Told = tuple[Moment, Array]
"""A moment, and what an expression should be at it."""


@dataclass(frozen=True)
class Matched:
    """What an expression should be.

    Attributes:
        told: at the moments at which it is wrong.
        exact: by what part of their size numbers may differ that are the same.
    """

    told: Sequence[Told]
    exact: float


def matched(known: Sequence[Told], actual: Array, expected: Array) -> Matched | None:
    """What is wanted at the moments whose values are the wrong ones; None where they are others.

    Of several passes of a loop, `actual` and `expected` are one after the other.
    """
    for close, exact in PRECISIONS:
        told = _told(known, actual, expected, close)
        if told:
            return Matched(told, exact)
    return None


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
