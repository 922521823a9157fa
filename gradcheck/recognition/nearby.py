"""Random points around the parameters that need little memory."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import overload

import numpy as np

from gradcheck.numeric.storage import stored
from gradcheck.user.blocks import Array, Parameters, moved_about

LARGE = 2**14
"""From this number of entries on, a block is held as a seed and drawn when it is read."""

BYTE = math.sqrt(12) / 2**8
"""The factor that gives random bytes a standard deviation of 1."""


class Nearby(Sequence[Array]):
    """A random point around the parameters, whose blocks are computed when they are read.

    The entries of a large block are displaced by random bytes, of which the seed alone is held.
    """

    def __init__(
        self, parameters: Parameters, spreads: Sequence[float], rng: np.random.Generator
    ) -> None:
        self._parameters, self._spreads = parameters, spreads
        self._held: list[int | Array] = [
            int(rng.integers(2**63)) if value.size >= LARGE else moved_about(value, spread, rng)
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
        if isinstance(moved, int):
            value, drawn = self._parameters.values[block], np.random.default_rng(moved)
            moved = np.frombuffer(drawn.bytes(value.size), np.int8).astype(np.float64)
            moved *= BYTE * self._spreads[block]
            moved = moved.reshape(value.shape)
            moved += value
        return stored(moved, self._parameters.storage[block]).astype(np.float64, copy=False)
