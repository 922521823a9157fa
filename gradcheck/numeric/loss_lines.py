"""Evaluates the loss at equally spaced points on straight lines through the point of the check."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from gradcheck.numeric.estimate import Array

Signs = Sequence[NDArray[np.int8]]
Loss = Callable[[Sequence[Array]], float]

POINTS = 9
SPACINGS = tuple(10.0**power for power in np.arange(-9.0, -1.4, 1.5))
EXACT = 1e-7
"""Largest spacing that is rounded to a power of 2; such spacings hide rounding to float32."""

LEAST_MOVE, LARGEST_MOVE = 0.5, 1.5
MANY = 2**14
HELD = (1e-30, 1e30)
"""Between these, the steps of many entries are held in float32, which takes half of the memory."""

EXPONENT = 0x7FF << 52
"""The exponent bits of a float64."""


def random_signs(shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.int8]:
    """Random signs, 1 or -1, of one byte each."""
    signs = rng.integers(0, 2, shape, dtype=np.int8)
    return np.asarray(2 * signs - 1, dtype=np.int8)


def random_sizes(point: Array, rng: np.random.Generator) -> Array:
    """A random direction: every entry moves by about its own size, zeros by the median size."""
    sizes = np.abs(point)
    zero = sizes == 0
    usual = float(np.median(sizes[~zero])) if not zero.all() else 1.0
    return random_moves(np.where(zero, usual, sizes), rng)


def random_moves(sizes: Array, rng: np.random.Generator) -> Array:
    """Moves of about these sizes, with random signs."""
    moves = sizes * random_signs(sizes.shape, rng)
    moves *= rng.uniform(LEAST_MOVE, LARGEST_MOVE, sizes.shape)
    return np.asarray(moves)


def half_turned(sign: NDArray[np.int8], rng: np.random.Generator) -> NDArray[np.int8]:
    """The signs with a random half of them changed (about half, if they are many)."""
    if sign.size >= MANY:
        return random_signs(sign.shape, rng)
    turned = np.ones(sign.size, dtype=np.int8)
    turned[: (sign.size + 1) // 2] = -1
    return np.asarray(sign * rng.permutation(turned).reshape(sign.shape), dtype=np.int8)


class Lines:
    """Evaluates the loss on lines through the point, and records it.

    At the point itself the loss is `center`, if given, and is not evaluated again.

    Attributes:
        seen: the losses.
        seconds: the time of each evaluation.
    """

    def __init__(self, loss: Loss, point: Sequence[Array], center: float | None = None) -> None:
        self._loss, self._point, self._center = loss, point, center
        self.seen: list[float] = []
        self.seconds: list[float] = []

    def along(self, signs: Signs, spacing: float, first: int = -(POINTS // 2)) -> Array:
        """The losses at equally spaced points, where each entry moves in proportion to its size.

        `spacing` is relative to the size of the entries; `first` is the position of the first
        point, in spacings from the point of the check.
        """
        values = np.empty(POINTS)
        pairs = zip(self._point, signs, strict=True)
        steps = [self._step(block, sign, spacing) for block, sign in pairs]
        for index in range(POINTS):
            if index == -first and self._center is not None:
                values[index] = self._center
                continue
            moved = self._moved(steps, first + index)
            start = time.perf_counter()
            values[index] = self._loss(moved)
            self.seconds.append(time.perf_counter() - start)
            del moved  # it may be large; else it would live until the next one is made
        self.seen += values.tolist()
        return values

    def _moved(self, steps: Sequence[Array], times: int) -> list[Array]:
        moved = [np.asarray(np.multiply(step, times, dtype=np.float64)) for step in steps]
        for block, of_block in zip(self._point, moved, strict=True):
            of_block += block
        return moved

    @staticmethod
    def _step(block: Array, sign: NDArray[np.int8], spacing: float) -> Array:
        along = np.abs(block, out=np.empty(block.shape))
        zeros = along == 0
        if zeros.any():
            along[zeros] = 1.0 if zeros.all() else np.median(along[~zeros])
        if spacing == SPACINGS[-1]:
            np.maximum(along, 1.0, out=along)
        along *= spacing
        if spacing < EXACT:
            # powers of 2 make the points exact and equally spaced to the last bit
            exponents = along.view(np.int64)
            exponents &= EXPONENT
        if block.size >= MANY and HELD[0] < along.min() and along.max() < HELD[1]:
            along = along.astype(np.float32)
        along *= sign
        return np.asarray(along)
