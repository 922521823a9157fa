"""Tests many entries at once along random directions, and finds wrong ones by bisection.

Along s the derivative of the loss is the sum of s_i g_i. One wrong entry changes that sum by its
error times s_i, whatever the others are, so that a few directions test a whole block. Bisection
finds the entry with about 2 log2(n) evaluations. The s_i are random in size as well as in sign, so
that equal errors do not cancel. Parameters of very different size are moved apart (`groups`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from gradcheck.numeric.confirm import SHOWS
from gradcheck.numeric.estimate import Array, Indices
from gradcheck.numeric.gradient import Claim
from gradcheck.numeric.groups import groups_of, length_of
from gradcheck.numeric.loss_lines import LEAST_MOVE, Loss, random_signs

Moves = NDArray[np.float16] | NDArray[np.float32]
"""Random movements, one per entry; low precision saves memory and is enough."""

STEPS = (1e-3, 1e-4, 1e-5, 1e-6)
SHORT = 1e-2
"""If all parameters are smaller than this, steps in proportion to their size are tried, too."""

CERTAIN_FACTOR = 4.0
AT_ONCE = 2**16
MOST = 4
"""The most wrong entries that are searched for in a group."""

SHARP = 1e3
"""A disagreement of this many bounds is precise enough to locate a single wrong entry."""

ALMOST_STRAIGHT = 16.0
"""If the disagreement exceeds the curvature by this factor, one-sided differences are enough."""


@dataclass(frozen=True)
class Screened:
    """The result of the random directions for the entries of one block.

    Attributes:
        visible: the smallest error of one entry that every direction would have shown; infinite
            if the loss is not finite along them.
        suspects: the flat indices of entries that may be wrong; () if the directions agree.
    """

    visible: float
    suspects: tuple[int, ...] = ()


@dataclass(frozen=True)
class Screening:
    """The loss at a point, the largest error of its values, and the number of directions."""

    loss: Loss
    point: Sequence[Array]
    center: float
    noise: float
    directions: int
    rng: np.random.Generator = field(repr=False)


def screen(screening: Screening, block: int, entries: Indices, claim: Claim) -> Screened:
    """Tests entries of a block, flat indices, along random directions, and finds wrong ones.

    `claim` is that of the whole block.
    """
    test = _Test(screening, block, claim)
    flat, sizes = screening.point[block].reshape(-1), np.empty(len(entries), dtype=np.float32)
    for part in _parts(len(entries)):
        sizes[part] = np.abs(flat[entries[part]])
    groups = groups_of(sizes)
    lengths = [length_of(sizes[group] if len(groups) > 1 else sizes) for group in groups]
    del sizes  # it may be large, as all arrays here
    visible = 0.0
    suspects: list[int] = []
    for length in lengths:
        group = groups.pop(0)
        chosen = entries if len(group) == len(entries) else entries[group]
        del group
        screened = _screen_group(test, chosen, length)
        visible = max(visible, screened.visible)
        suspects += screened.suspects
    return Screened(visible, tuple(suspects))


@dataclass(frozen=True)
class _Along:
    """A derivative along a random direction, compared with the claimed one.

    Attributes:
        error: the difference from the claim.
        bound: the error bound of the derivative.
        sizes: the two steps of the measurement.
        bend: how far the one-sided slopes may be from their mean, by curvature and rounding.
        moves: the movement of every entry for a step of 1.
    """

    error: float
    bound: float
    sizes: tuple[float, ...] = ()
    bend: float = np.inf
    moves: Moves = field(default_factory=lambda: np.empty(0, dtype=np.float16), repr=False)

    @property
    def disagrees(self) -> bool:
        """Whether the claim cannot be right."""
        return bool(self.error > CERTAIN_FACTOR * self.bound)


@dataclass(frozen=True)
class _Test:
    """Measures derivatives along directions in one block; the attributes are those of `screen`."""

    screening: Screening
    block: int
    claim: Claim

    def along(self, chosen: Indices, sizes: tuple[float, ...]) -> _Along:
        """The derivative along a random direction, with the step of the smallest bound.

        The truncation error is the change of the central difference to the next smaller step, and
        the rounding error is nu / h. Rounding errors of the claims add up like random signs.
        """
        moves, claim = self._direction(chosen)
        noise, rounding = self.screening.noise, 3 * self.claim.precision * np.sqrt(len(chosen))
        best, (slope, _) = _Along(np.inf, np.inf, sizes), self._slope(chosen, moves, sizes[0])
        for size, finer_size in pairwise(sizes):
            finer, bend = self._slope(chosen, moves, finer_size)
            bound = abs(slope - finer) + noise / size + noise / finer_size + rounding
            if np.isfinite(bound) and bound < best.bound:
                best = _Along(abs(slope - claim), float(bound), (size, finer_size), bend, moves)
            elif best.bound <= noise / finer_size:
                break  # the bound only grows from here on
            slope = finer
        if not best.disagrees:
            return replace(best, moves=np.empty(0, np.float16))  # drops a large array
        return self._at_smallest(chosen, moves, claim, best)

    def at_one_step(self, chosen: Indices, like: _Along, one_sided: bool = False) -> _Along:
        """The derivative along a new random direction, with the finer step of `like`.

        It has the bound of `like`, since the loss bends about as much along both.
        """
        size, bound = like.sizes[-1], like.bound
        moves, claim = self._direction(chosen)
        if one_sided:
            slope = (self._moved(chosen, moves, size) - self.screening.center) / size
            bound += like.bend
        else:
            slope, _ = self._slope(chosen, moves, size)
        return _Along(abs(slope - claim), bound, like.sizes, like.bend)

    def shown_place(self, chosen: Indices, before: _Along) -> int | None:
        """The position of the wrong entry if there is exactly one, else None.

        The position is written with two digits. For each digit, all moves are enlarged in
        proportion to that digit of their position; the growth of the error gives the digit.
        """
        base, place = int(np.ceil(np.sqrt(len(chosen)))), np.arange(len(chosen))
        digits = []
        for digit in (place // base, place % base):
            moves = before.moves * (1 + digit / base).astype(np.float32)
            slope, _ = self._slope(chosen, moves, before.sizes[-1])
            error = abs(slope - self._claimed(chosen, moves))
            digits.append(round((error / before.error - 1) * base))
        shown = digits[0] * base + digits[1]
        if not 0 <= shown < len(chosen):
            return None
        return shown if self.at_one_step(chosen[[shown]], before).disagrees else None

    def _direction(self, chosen: Indices) -> tuple[Moves, float]:
        """Random moves, and the claimed derivative along them."""
        moves: Moves = self.screening.rng.random(len(chosen), dtype=np.float32).astype(np.float16)
        moves += np.float16(LEAST_MOVE)  # up to 1 more
        moves *= random_signs(chosen.shape, self.screening.rng)
        return moves, self._claimed(chosen, moves)

    def _claimed(self, chosen: Indices, moves: Moves) -> float:
        return sum(
            float(moves[part].astype(np.float64) @ self.claim.gradient[chosen[part]])
            for part in _parts(len(chosen))
        )

    def _at_smallest(self, chosen: Indices, moves: Moves, claim: float, before: _Along) -> _Along:
        """Measures a disagreement again at the smallest step that shows it.

        If that step supports the claim instead, its precision becomes the bound.
        """
        size = min(SHOWS * self.screening.noise / before.error, before.sizes[-1])
        if not size < before.sizes[-1]:
            return before
        slope, bend = self._slope(chosen, moves, size)
        error = abs(slope - claim)
        if not error <= before.error / 4:
            return before
        return _Along(error, before.error / 4, (4 * size, size), bend, moves)

    def _slope(self, chosen: Indices, moves: Moves, size: float) -> tuple[float, float]:
        """The central difference, and how far a one-sided difference may be from it."""
        plus, minus = (self._moved(chosen, moves, sign * size) for sign in (1, -1))
        bend = abs(plus + minus - 2 * self.screening.center) / 2 + 2 * self.screening.noise
        return (plus - minus) / (2 * size), bend / size

    def _moved(self, chosen: Indices, moves: Moves, size: float) -> float:
        moved = list(self.screening.point)
        moved[self.block] = self.screening.point[self.block].copy(order="C")
        flat = moved[self.block].reshape(-1)
        for part in _parts(len(chosen)):
            flat[chosen[part]] += size * moves[part].astype(np.float64)
        return self.screening.loss(moved)


def _parts(count: int) -> Iterator[slice]:
    """Slices of a long array, so that temporary copies stay small."""
    return (slice(first, first + AT_ONCE) for first in range(0, count, AT_ONCE))


def _screen_group(test: _Test, entries: Indices, length: float) -> Screened:
    lengths = (max(1.0, length), length) if length < SHORT else (max(1.0, length),)
    sizes = tuple(step * scale / np.sqrt(len(entries)) for scale in lengths for step in STEPS)
    along = test.along(entries, sizes)
    for _ in range(test.screening.directions - 1):
        if not along.disagrees and test.at_one_step(entries, along).disagrees:
            again = test.along(entries, along.sizes)
            along = again if again.disagrees or again.bound > along.bound else along
    visible = CERTAIN_FACTOR * along.bound / LEAST_MOVE
    return Screened(visible, _suspects(test, entries, along) if along.disagrees else ())


def _suspects(test: _Test, entries: Indices, along: _Along) -> tuple[int, ...]:
    """The entries that cause a disagreement, found one after the other by bisection.

    If one half agrees, the other half is wrong. After each entry, the remaining ones are tested.
    """
    one_sided = ALMOST_STRAIGHT * CERTAIN_FACTOR * (along.bound + along.bend) <= along.error
    suspects: list[int] = []
    while len(suspects) < min(MOST, len(entries)):
        chosen = np.setdiff1d(entries, suspects) if suspects else entries
        if suspects and not test.at_one_step(chosen, along, one_sided).disagrees:
            break
        if not suspects and SHARP * along.bound <= along.error:
            shown = test.shown_place(chosen, along)
            chosen = chosen if shown is None else chosen[[shown]]
        while len(chosen) > 1:
            order = test.screening.rng.permutation(chosen)
            half, rest = np.array_split(order, 2)
            chosen = half if test.at_one_step(half, along, one_sided).disagrees else rest
        suspects.append(int(chosen[0]))
    return tuple(suspects)
