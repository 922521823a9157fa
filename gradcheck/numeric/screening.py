"""Many entries at once: the derivative along random signs, and halving to find what is wrong.

Along s the derivative of the loss is the sum of s_i g_i. One wrong entry changes that sum by its
error, whatever the others do, so that a few directions test a whole block; halving the set finds
the entry in twice its logarithm of steps. The s_i are random in size as well as in sign, so that
equal errors do not cancel. Parameters of very different size are not moved together (`groups`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from gradcheck.numeric.confirm import SHOWS
from gradcheck.numeric.estimate import Array, Indices
from gradcheck.numeric.gradient import Claim
from gradcheck.numeric.groups import groups_of, length_of
from gradcheck.numeric.loss_lines import random_signs

Loss = Callable[[Sequence[Array]], float]
Moves = NDArray[np.float16] | NDArray[np.float32]
"""They may be as many as the parameters; in which digits they are random does not matter."""

STEPS = (1e-3, 1e-4, 1e-5, 1e-6)
SHORT = 1e-2
"""Parameters all smaller than this are moved in proportion to their size, too."""

CERTAIN_FACTOR = 4.0
SMALLEST_MOVE, LARGEST_MOVE = 0.5, 1.5
AT_ONCE = 2**16
MOST = 4
"""No more single entries are looked for in a group."""

SHARP = 1e3
"""Where a disagreement is so many bounds, it shows the place of a single wrong entry."""

ALMOST_STRAIGHT = 16.0
"""Where the loss bends by so much less than the disagreement, one side of it is enough."""


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
    """With what directions are tried; the noise is the largest error of one value of the loss."""

    loss: Loss
    point: Sequence[Array]
    center: float
    noise: float
    directions: int
    rng: np.random.Generator = field(repr=False)


def screen(screening: Screening, block: int, entries: Indices, claim: Claim) -> Screened:
    """Tests entries of a block along random directions, and looks for what is wrong.

    The entries are flat indices; the claim is that of the whole block.
    """
    test = _Test(screening, block, claim)
    sizes = np.abs(screening.point[block].reshape(-1)[entries], dtype=np.float32)
    groups = groups_of(sizes)
    lengths = [length_of(sizes[group] if len(groups) > 1 else sizes) for group in groups]
    del sizes  # it may be large, as all that is held here
    visible = 0.0
    suspects: list[int] = []
    for length in lengths:
        group = groups.pop(0)
        chosen = entries if len(group) == len(entries) else entries[group]
        del group
        found = _screen_group(test, chosen, length)
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
        bend: by how much the slopes on both sides differ from their mean, and may by rounding.
        moves: of every entry, by a step of 1.
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
    """The directions of one block: the arguments of `screen`."""

    screening: Screening
    block: int
    claim: Claim

    def along(self, chosen: Indices, sizes: tuple[float, ...]) -> _Along:
        """The derivative along a random direction, with the step of the smallest bound.

        The truncation error is the change of the central difference to the next smaller step, and
        the rounding error nu / h; those of the claims add up like random signs.
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
                break  # it only grows from here on
            slope = finer
        if not best.disagrees:
            return replace(best, moves=np.empty(0, np.float16))  # they may be large
        return self._at_smallest(chosen, moves, claim, best)

    def at_one_step(self, chosen: Indices, like: _Along, one_sided: bool = False) -> _Along:
        """The derivative along another random direction, at the finer step of one before.

        It has that one's bound: what is moved bends no more.
        """
        size, bound = like.sizes[-1], like.bound
        moves, claim = self._direction(chosen)
        if one_sided:
            slope = (self._moved(chosen, moves, size) - self.screening.center) / size
            bound += like.bend
        else:
            slope, _ = self._slope(chosen, moves, size)
        return _Along(abs(slope - claim), bound, like.sizes, like.bend)

    def shown_place(self, chosen: Indices, found: _Along) -> int | None:
        """The position of the only wrong entry, if there is one alone.

        Its error grows with its move: where all move by more, each by its place in two digits, how
        much it grows tells these.
        """
        base, place = int(np.ceil(np.sqrt(len(chosen)))), np.arange(len(chosen))
        digits = []
        for digit in (place // base, place % base):
            moves = found.moves * (1 + digit / base).astype(np.float32)
            slope, _ = self._slope(chosen, moves, found.sizes[-1])
            error = abs(slope - self._claimed(chosen, moves))
            digits.append(round((error / found.error - 1) * base))
        shown = digits[0] * base + digits[1]
        if not 0 <= shown < len(chosen):
            return None
        return shown if self.at_one_step(chosen[[shown]], found).disagrees else None

    def _direction(self, chosen: Indices) -> tuple[Moves, float]:
        """Random moves, and the claimed derivative along them."""
        moves: Moves = self.screening.rng.random(len(chosen), dtype=np.float32).astype(np.float16)
        moves += np.float16(SMALLEST_MOVE)  # as far as LARGEST_MOVE
        moves *= random_signs(chosen.shape, self.screening.rng)
        return moves, self._claimed(chosen, moves)

    def _claimed(self, chosen: Indices, moves: Moves) -> float:
        return sum(
            float(moves[part].astype(np.float64) @ self.claim.gradient[chosen[part]])
            for part in _parts(len(chosen))
        )

    def _at_smallest(self, chosen: Indices, moves: Moves, claim: float, found: _Along) -> _Along:
        """Confirms a disagreement at the smallest step that shows it, or finds that none is there.

        What the claim is right to, where that step supports it, is what the step can show.
        """
        size = min(SHOWS * self.screening.noise / found.error, found.sizes[-1])
        if not size < found.sizes[-1]:
            return found
        slope, bend = self._slope(chosen, moves, size)
        error = abs(slope - claim)
        if not error <= found.error / 4:
            return found
        return _Along(error, found.error / 4, (4 * size, size), bend, moves)

    def _slope(self, chosen: Indices, moves: Moves, size: float) -> tuple[float, float]:
        """The central difference, and by how much that on one side may be another."""
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
    """Slices of a row of numbers, of which only some are held twice."""
    return (slice(first, first + AT_ONCE) for first in range(0, count, AT_ONCE))


def _screen_group(test: _Test, entries: Indices, length: float) -> Screened:
    lengths = (max(1.0, length), length) if length < SHORT else (max(1.0, length),)
    sizes = tuple(step * scale / np.sqrt(len(entries)) for scale in lengths for step in STEPS)
    found = test.along(entries, sizes)
    for _ in range(test.screening.directions - 1):
        if not found.disagrees and test.at_one_step(entries, found).disagrees:
            again = test.along(entries, found.sizes)
            found = again if again.disagrees or again.bound > found.bound else found
    visible = CERTAIN_FACTOR * found.bound / SMALLEST_MOVE
    return Screened(visible, _suspects(test, entries, found) if found.disagrees else ())


def _suspects(test: _Test, entries: Indices, found: _Along) -> tuple[int, ...]:
    """The entries that a disagreement comes down to, one after the other, by halving.

    The half that was not asked is wrong where the other is right. What is left without an entry
    that was found is asked again.
    """
    one_sided = ALMOST_STRAIGHT * CERTAIN_FACTOR * (found.bound + found.bend) <= found.error
    suspects: list[int] = []
    while len(suspects) < min(MOST, len(entries)):
        chosen = np.setdiff1d(entries, suspects) if suspects else entries
        if suspects and not test.at_one_step(chosen, found, one_sided).disagrees:
            break
        if not suspects and SHARP * found.bound <= found.error:
            shown = test.shown_place(chosen, found)
            chosen = chosen if shown is None else chosen[[shown]]
        while len(chosen) > 1:
            order = test.screening.rng.permutation(chosen)
            half, rest = np.array_split(order, 2)
            chosen = half if test.at_one_step(half, found, one_sided).disagrees else rest
        suspects.append(int(chosen[0]))
    return tuple(suspects)
