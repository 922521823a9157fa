"""The bounds of the parameters; the user's functions are never called outside them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.errors import UsageError
from gradcheck.user.blocks import Array, Parameters, cut, describe


@dataclass(frozen=True)
class Bounds:
    """The lower and upper bound of every entry, one array of each per block."""

    lower: tuple[Array, ...]
    upper: tuple[Array, ...]

    @property
    def flat(self) -> tuple[Array, Array]:
        """The lower and upper bounds of all blocks, concatenated."""
        low, high = (
            np.concatenate([block.ravel() for block in side]) for side in (self.lower, self.upper)
        )
        return low, high

    def holds(self, block: int, entry: int, value: float) -> bool:
        """Whether a value of an entry is within its bounds."""
        return bool(self.lower[block].flat[entry] <= value <= self.upper[block].flat[entry])

    def inside(self, values: Sequence[Array]) -> list[Array]:
        """The values clipped to the bounds."""
        return [
            np.clip(value, low, high)
            for value, low, high in zip(values, self.lower, self.upper, strict=True)
        ]

    def free(self, block: int) -> NDArray[np.intp]:
        """The flat indices of the entries of a block that can move."""
        return np.flatnonzero(self.lower[block] < self.upper[block])


def read_bounds(given: Any, parameters: Parameters) -> Bounds | None:
    """The bounds from the argument `bounds`; raises UsageError if parameters are outside."""
    bounds = box_of(given, parameters)
    if bounds is None:
        return None
    for block, value in enumerate(parameters.values):
        outside = (value < bounds.lower[block]) | (value > bounds.upper[block])
        if outside.any():
            entry = int(np.flatnonzero(outside)[0])
            there = [side.flat[entry] for side in (value, bounds.lower[block], bounds.upper[block])]
            at, *ends = (f"{number:g}" for number in there)
            if at in ends:  # too near to be told apart in so few digits
                at, *ends = (f"{number:.17g}" for number in there)
            raise UsageError(
                f"{parameters.entry_name(block, entry)} is {at}, outside of its bounds "
                f"{' and '.join(ends)}"
            )
    return bounds


def box_of(given: Any, parameters: Parameters) -> Bounds | None:
    """The bounds from pairs (low, high), in scipy's forms, or from a dict of these by block."""
    if given is None:
        return None
    if isinstance(given, Mapping):
        blocks = zip(parameters.by_name(given, (None, None)), parameters.shapes, strict=True)
        pairs = [_of_block(*block) for block in blocks]
    else:
        low, high = _of_block(given, (sum(map(math.prod, parameters.shapes)),))
        pairs = list(zip(cut(low, parameters.shapes), cut(high, parameters.shapes), strict=True))
    return Bounds(tuple(low for low, _ in pairs), tuple(high for _, high in pairs))


def _of_block(given: Any, shape: tuple[int, ...]) -> tuple[Array, Array]:
    """Lower and upper bounds from an object with `lb` and `ub`, a pair per entry, or one pair.

    A tuple of two arrays is one pair: of all lower and all upper bounds.
    """
    try:
        if hasattr(given, "lb") and hasattr(given, "ub"):
            sides: Any = given.lb, given.ub
        elif (
            len(given) == math.prod(shape)
            and all(np.size(pair) == 2 for pair in given)
            and not (isinstance(given, tuple) and isinstance(given[0], np.ndarray))
        ):
            sides = [
                np.reshape(np.array(side, dtype=object), shape) for side in zip(*given, strict=True)
            ]
        else:
            sides = given
        low, high = (
            np.broadcast_to(_numbers(side, end), shape)
            for side, end in zip(sides, (-np.inf, np.inf), strict=True)
        )
    except (TypeError, ValueError):
        raise UsageError(
            f"bounds is {describe(given)}; it must hold a pair (low, high) for each of the "
            f"{math.prod(shape)} parameters, with None where there is no bound, or be a "
            "scipy.optimize.Bounds, or a dict of these by block"
        ) from None
    if np.any(low > high):
        raise UsageError("a lower bound is above its upper bound")
    return low, high


def _numbers(side: Any, end: float) -> Array:
    """The bounds as numbers, with `end`, an infinity, for None."""
    values = np.asarray(side, dtype=object)
    unbounded = np.asarray(values == np.array(None, dtype=object), dtype=bool)
    return np.where(unbounded, end, np.where(unbounded, 0.0, values)).astype(np.float64)
