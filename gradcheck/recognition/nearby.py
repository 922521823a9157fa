"""Points around the parameters that take little memory, however many are held."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import overload

import numpy as np

from gradcheck.numeric.storage import stored
from gradcheck.user.blocks import Array, Parameters, moved_about

LARGE = 2**14
"""Entries of a block from which it is not held for all points together."""

BYTE = math.sqrt(12) / 2**8
"""By this, random bytes are numbers of standard deviation 1."""


class Nearby(Sequence[Array]):
    """A point around the parameters, made when it is asked for.

    Of large blocks a byte an entry is held, for how far it is moved.
    """

    def __init__(
        self, parameters: Parameters, spreads: Sequence[float], rng: np.random.Generator
    ) -> None:
        self._parameters, self._spreads = parameters, spreads
        self._held = [
            np.frombuffer(rng.bytes(value.size), np.int8).reshape(value.shape)
            if value.size >= LARGE
            else moved_about(value, spread, rng)
            for value, spread in zip(parameters.values, spreads, strict=True)
        ]

    def __len__(self) -> int:
        return len(self._held)

    @overload
    def __getitem__(self, block: int) -> Array: ...
    @overload
    def __getitem__(self, block: slice) -> Sequence[Array]: ...
    def __getitem__(self, block: int | slice) -> Array | Sequence[Array]:
        if isinstance(block, slice):
            return tuple(self)[block]
        moved = self._held[block]
        if moved.dtype == np.int8:
            moved = moved.astype(np.float64)
            moved *= BYTE * self._spreads[block]
            moved += self._parameters.values[block]
        return stored(moved, self._parameters.storage[block]).astype(np.float64, copy=False)
