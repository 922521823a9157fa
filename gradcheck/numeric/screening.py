"""Many entries at once: the derivative along random signs, and halving to find what is wrong.

Along s with s_i = +1 or -1 on a set of entries, the derivative of the loss is the sum of s_i g_i.
One wrong entry changes that sum by its error, whatever the others do, so that a few directions
test a whole block; halving the set finds the entry in twice its logarithm of steps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from gradcheck.numeric.noise import random_signs

Array = NDArray[np.float64]
Indices = NDArray[np.intp]
Loss = Callable[[Sequence[Array]], float]

STEPS = (1e-3, 1e-4, 1e-5, 1e-6)
CERTAIN_FACTOR = 4.0
BOTH_ASKED = 2
FEW = 4
"""As many suspects are handed on when a set is as small, or when both its halves are wrong."""


@dataclass(frozen=True)
class Screened:
    """What the directions said of the entries of one block.

    Attributes:
        visible: the smallest error of one entry that every direction would have shown; infinite
            where the loss is not finite along them.
        suspects: the flat indices of entries that may be wrong; () where the directions agree.
    """

    visible: float
    suspects: tuple[int, ...] = ()


@dataclass(frozen=True)
class _Along:
    """One derivative along random signs, against the claimed one.

    Attributes:
        error: how far the claim is from it.
        bound: how far it may be from the truth.
        steps: the two steps that it was measured with.
    """

    error: float
    bound: float
    steps: tuple[float, ...] = STEPS

    @property
    def disagrees(self) -> bool:
        """Whether the claim cannot be right."""
        return bool(self.error > CERTAIN_FACTOR * self.bound)


def screen(
    loss: Loss,
    point: Sequence[Array],
    block: int,
    entries: Indices,
    claimed: Array,
    precision: float,
    noise: float,
    directions: int,
    rng: np.random.Generator,
) -> Screened:
    """Tests entries of a block along random directions, and looks for what is wrong.

    Args:
        loss: takes one array per block.
        point: the blocks.
        block: the index of the block.
        entries: the flat indices to move.
        claimed: the analytic derivatives, flat, of the whole block.
        precision: the rounding error of one of them.
        noise: the largest error of one value of the loss.
        directions: how many to try.
        rng: draws the signs.
    """

    def along(
        chosen: Indices, steps: tuple[float, ...] = STEPS, bound: float | None = None
    ) -> _Along:
        found = _along(loss, point, block, chosen, claimed, precision, noise, steps, rng)
        return found if bound is None else replace(found, bound=bound)

    visible = 0.0
    steps: tuple[float, ...] = STEPS
    for _ in range(directions):
        found = along(entries, steps)
        steps = found.steps
        visible = max(visible, CERTAIN_FACTOR * found.bound)
        if found.disagrees:
            # the finer step alone: a smaller set bends no less, and its bound holds that step
            known = partial(along, steps=steps[-1:], bound=found.bound)
            suspects = _suspects(known, entries, rng)
            return Screened(visible, suspects)
    return Screened(visible)


def _suspects(
    along: Callable[[Indices], _Along], entries: Indices, rng: np.random.Generator
) -> tuple[int, ...]:
    """The few entries that a disagreement comes down to; some of many where it is everywhere.

    Both halves are asked at first, to tell what is wrong everywhere; later the one that was not
    asked is wrong where the other is right.
    """
    chosen = entries
    level = 0
    while len(chosen) > FEW:
        order = rng.permutation(chosen)
        halves = order[: len(order) // 2], order[len(order) // 2 :]
        first = along(halves[0]).disagrees
        if level < BOTH_ASKED and along(halves[1]).disagrees == first:
            return tuple(int(entry) for entry in order[:FEW])
        chosen = halves[0] if first else halves[1]
        level += 1
    return tuple(int(entry) for entry in chosen)


def _along(
    loss: Loss,
    point: Sequence[Array],
    block: int,
    chosen: Indices,
    claimed: Array,
    precision: float,
    noise: float,
    steps: tuple[float, ...],
    rng: np.random.Generator,
) -> _Along:
    """The derivative along random signs of some entries, with the step of the smallest bound.

    The truncation error is the change of the central difference to the next smaller step, and the
    rounding error nu / h; those of the claims add up like random signs. One step has no bound.
    """
    signs = random_signs(chosen.shape, rng).astype(np.float64)
    claim = float(signs @ claimed[chosen])
    scale = max(1.0, float(np.max(np.abs(point[block]), initial=0.0))) / np.sqrt(len(chosen))
    slopes = []
    for step in steps:
        size = step * scale
        plus, minus = (_moved(loss, point, block, chosen, sign * size * signs) for sign in (1, -1))
        slopes.append(((plus - minus) / (2 * size), noise / size))
    if len(steps) == 1:
        return _Along(abs(slopes[0][0] - claim), np.inf, steps)
    best = _Along(np.inf, np.inf)
    rounding = 3 * precision * np.sqrt(len(chosen))
    both = pairwise(zip(steps, slopes, strict=True))
    for (step, (slope, noisy)), (finer_step, (finer, finer_noisy)) in both:
        bound = abs(slope - finer) + noisy + finer_noisy + rounding
        if np.isfinite(bound) and bound < best.bound:
            best = _Along(abs(slope - claim), float(bound), (step, finer_step))
    return best


def _moved(loss: Loss, point: Sequence[Array], block: int, chosen: Indices, by: Array) -> float:
    moved = list(point)
    moved[block] = point[block].copy()
    moved[block].flat[chosen] += by
    return loss(moved)
