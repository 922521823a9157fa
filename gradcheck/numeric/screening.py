"""Many entries at once: the derivative along random signs, and halving to find what is wrong.

Along s the derivative of the loss is the sum of s_i g_i. One wrong entry changes that sum by its
error, whatever the others do, so that a few directions test a whole block; halving the set finds
the entry in twice its logarithm of steps. The s_i are random in size as well as in sign, so that
equal errors do not cancel. Parameters of very different size are not moved together (`groups`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np

from gradcheck.numeric.confirm import SHOWS
from gradcheck.numeric.estimate import Array, Indices
from gradcheck.numeric.gradient import Claim
from gradcheck.numeric.groups import groups_of, length_of
from gradcheck.numeric.loss_lines import random_signs

Loss = Callable[[Sequence[Array]], float]

STEPS = (1e-3, 1e-4, 1e-5, 1e-6)
SHORT = 1e-2
"""Parameters all smaller than this are moved in proportion to their size, too."""

CERTAIN_FACTOR = 4.0
SMALLEST_MOVE, LARGEST_MOVE = 0.5, 1.5
FEW = 4
"""As many suspects are handed on when a set is as small."""


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
class Screening:
    """With what directions are tried.

    Attributes:
        loss: takes one array per block.
        point: the blocks.
        noise: the largest error of one value of the loss.
        directions: how many to try.
        rng: draws them.
    """

    loss: Loss
    point: Sequence[Array]
    noise: float
    directions: int
    rng: np.random.Generator = field(repr=False)


def screen(screening: Screening, block: int, entries: Indices, claim: Claim) -> Screened:
    """Tests entries of a block along random directions, and looks for what is wrong.

    Args:
        screening: with what.
        block: the index of the block.
        entries: the flat indices to move.
        claim: the analytic derivatives of the whole block, and their rounding error.
    """
    test = _Test(screening, block, claim)
    sizes = np.abs(screening.point[block].reshape(-1)[entries])
    visible = 0.0
    suspects: list[int] = []
    for group in groups_of(sizes):
        found = _screen_group(test, entries[group], length_of(sizes[group]))
        visible = max(visible, found.visible)
        suspects += found.suspects
    return Screened(visible, tuple(suspects))


@dataclass(frozen=True)
class _Along:
    """One derivative along a random direction, against the claimed one.

    Attributes:
        error: how far the claim is from it.
        bound: how far it may be from the truth.
        sizes: the two steps that it was measured with.
    """

    error: float
    bound: float
    sizes: tuple[float, ...] = ()

    @property
    def disagrees(self) -> bool:
        """Whether the claim cannot be right."""
        return bool(self.error > CERTAIN_FACTOR * self.bound)


@dataclass(frozen=True)
class _Test:
    """The directions of one block: the arguments of `screen`."""

    screening: Screening
    block: int
    claim: Claim

    def along(self, chosen: Indices, sizes: tuple[float, ...]) -> _Along:
        """The derivative along a random direction, with the step of the smallest bound.

        The truncation error is the change of the central difference to the next smaller step, and
        the rounding error nu / h; those of the claims add up like random signs. One step has no
        bound.
        """
        moves = random_signs(chosen.shape, self.screening.rng).astype(np.float64)
        moves *= self.screening.rng.uniform(SMALLEST_MOVE, LARGEST_MOVE, chosen.shape)
        claim = float(moves @ self.claim.gradient[chosen])
        slopes = []
        for size in sizes:
            slopes.append((self._slope(chosen, size * moves) / size, self.screening.noise / size))
        if len(sizes) == 1:
            return _Along(abs(slopes[0][0] - claim), np.inf, sizes)
        best = _Along(np.inf, np.inf, sizes)
        rounding = 3 * self.claim.precision * np.sqrt(len(chosen))
        both = pairwise(zip(sizes, slopes, strict=True))
        for (size, (slope, noisy)), (finer_size, (finer, finer_noisy)) in both:
            bound = abs(slope - finer) + noisy + finer_noisy + rounding
            if np.isfinite(bound) and bound < best.bound:
                best = _Along(abs(slope - claim), float(bound), (size, finer_size))
        if not best.disagrees:
            return best
        return self._at_smallest(chosen, moves, claim, best)

    def _at_smallest(self, chosen: Indices, moves: Array, claim: float, found: _Along) -> _Along:
        """Confirms a disagreement at the smallest step that shows it, or finds that none is there.

        What the claim is right to, where that step supports it, is what the step can show.
        """
        size = min(SHOWS * self.screening.noise / found.error, found.sizes[-1])
        if not size < found.sizes[-1]:
            return found
        error = abs(self._slope(chosen, size * moves) / size - claim)
        if not error <= found.error / 4:
            return found
        return _Along(error, found.error / 4, (4 * size, size))

    def _slope(self, chosen: Indices, by: Array) -> float:
        """Half of the difference of the losses on both sides."""
        plus, minus = (self._moved(chosen, sign * by) for sign in (1, -1))
        return (plus - minus) / 2

    def _moved(self, chosen: Indices, by: Array) -> float:
        moved = list(self.screening.point)
        moved[self.block] = self.screening.point[self.block].copy()
        moved[self.block].flat[chosen] += by
        return self.screening.loss(moved)


def _screen_group(test: _Test, entries: Indices, length: float) -> Screened:
    lengths = (max(1.0, length), length) if length < SHORT else (max(1.0, length),)
    sizes = tuple(step * scale / np.sqrt(len(entries)) for scale in lengths for step in STEPS)
    visible = 0.0
    for _ in range(test.screening.directions):
        found = test.along(entries, sizes)
        sizes = found.sizes
        visible = max(visible, CERTAIN_FACTOR * found.bound / SMALLEST_MOVE)
        if found.disagrees:
            return Screened(visible, _suspects(test, entries, found))
    return Screened(visible)


def _suspects(test: _Test, entries: Indices, found: _Along) -> tuple[int, ...]:
    """The few entries that a disagreement comes down to, by halving.

    The half that was not asked is wrong where the other is right. Of the two steps the finer one
    is enough: a smaller set bends no less, and its bound holds that step.
    """
    chosen = entries
    while len(chosen) > FEW:
        order = test.screening.rng.permutation(chosen)
        half = order[: len(order) // 2]
        is_wrong = replace(test.along(half, found.sizes[-1:]), bound=found.bound).disagrees
        chosen = half if is_wrong else order[len(order) // 2 :]
    return tuple(int(entry) for entry in chosen)
