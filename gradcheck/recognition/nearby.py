"""Random points around the parameters that need little memory."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import overload

import numpy as np

from gradcheck.numeric.storage import stored
from gradcheck.user.blocks import Array, Parameters, moved_about

LARGE = 2**14
"""From this number of entries on, a block is stored as bytes."""

BYTE = math.sqrt(12) / 2**8
"""The factor that gives random bytes a standard deviation of 1."""


class Nearby(Sequence[Array]):
    """A random point around the parameters, whose blocks are computed when they are read.

    A large block is stored as one byte per entry, its random displacement.
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
