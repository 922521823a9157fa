"""Tests all entries of a Jacobian at once, by the derivatives of all values along directions.

A wrong entry (i, j) changes the derivative of value i along a random direction d by its error times
d_j, whatever the other entries are. Two directions are therefore enough if every row agrees.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from gradcheck.numeric.columns import MOVED, Columns
from gradcheck.numeric.estimate import Array, Indices
from gradcheck.numeric.first import STATED
from gradcheck.numeric.groups import SEEN, groups_of, length_of
from gradcheck.numeric.loss_lines import LEAST_MOVE, random_moves
from gradcheck.numeric.steps import LARGEST_LENGTH, MUCH_SMALLER

DIRECTIONS = 2
FIRST_STEP = 3e-6
TRIES = 3
FALLS = 2.0
SHARP = 1e-4
"""The directions must show errors of this share of an entry's scale; else columns move alone."""

ROUNDINGS = 3.0
"""Rounding errors of a row of claims add up like random signs; this multiple of them is allowed."""

CERTAIN = 2.0
"""A difference of this multiple of the allowed one is an error, whatever the noise adds."""

MOST = 4
"""The most wrong columns that are searched for."""


@dataclass(frozen=True)
class Off:
    """The differences between slopes and claims along a direction.

    Attributes:
        apart: the slope minus the claim, (m,), in units of the noise.
        allowed: the largest allowed difference, (m,).
        moves: the movement of every column for a step of 1, (n,).
    """

    apart: Array
    allowed: Array
    moves: Array

    @property
    def excess(self) -> Array:
        """The difference relative to the allowed one, (m,); infinite where it is nan."""
        return np.nan_to_num(np.abs(self.apart) / self.allowed, nan=np.inf)


@dataclass(frozen=True)
class Agreement:
    """The precision of directions that agree with every claim.

    Attributes:
        off: the differences along the least precise direction.
        visible: a factor per row, (m,), in units of the noise, and one per column, (n,); their
            product is the error of an entry that would have been seen.
        resolution: the largest of these errors in every column, relative to the scale, (n,).
        scale: the largest entry, in units of the noise.
    """

    off: Off
    visible: tuple[Array, Array]
    resolution: Array
    scale: float


@dataclass
class Together:
    """Moves many columns at once along random directions.

    Attributes:
        columns: evaluates the function.
        claimed: the analytic entries, (k,).
        share: their rounding error, relative to the largest of their row.
        step: the last step, in units of the sizes of the columns.
    """

    columns: Columns
    claimed: Array
    share: float
    rng: np.random.Generator
    step: float = field(init=False)

    def __post_init__(self) -> None:
        sizes = np.abs(self.columns.point)
        self._groups = groups_of(sizes)
        self._lengths = np.empty(len(sizes))
        for group in self._groups:
            self._lengths[group] = min(length_of(sizes[group]), LARGEST_LENGTH)
        self._squares = self.claimed**2
        self.step = FIRST_STEP / np.sqrt(self.columns.pattern.most)

    def agreement(self) -> Agreement | None:
        """The agreement of all directions, if they agree and would show small errors; else None."""
        offs: list[Off] = []
        while len(offs) < DIRECTIONS:
            off = self._agreeing()
            if off is None:
                return None
            offs.append(off)
        worst = max(offs, key=lambda off: float(np.max(off.allowed)))
        return self._shown(worst)

    def _agreeing(self) -> Off | None:
        """A direction along which all rows agree, at a step that is small enough; None if none.

        The truncation error falls with the square of the step.
        """
        first, before = self.step, np.inf
        for _ in range(TRIES):
            off = self._off(np.arange(len(self._lengths)))
            apart = float(np.max(np.abs(off.apart)))
            if np.all(off.excess <= 1):
                return off
            if not apart <= before / FALLS:
                break
            before = apart
            shorter = np.cbrt(STATED / (self.step * 2 * apart))
            self.step *= float(np.clip(shorter, MUCH_SMALLER, 1 / np.sqrt(2 * FALLS)))
        self.step = first
        return None

    def _shown(self, off: Off) -> Agreement | None:
        pattern, noise = self.columns.pattern, self.columns.noise
        rows, columns = CERTAIN * off.allowed, 1 / (LEAST_MOVE * self._lengths)
        size = np.abs(self.claimed)
        largest = pattern.largest_in_columns(size, 1 / (noise * rows)) / columns
        if not np.any(largest) or np.any((largest > 0) & (largest < 1)):
            return None
        scale, resolution = np.zeros(len(rows)), np.empty(len(columns))
        for group in self._groups:
            some = group if len(self._groups) > 1 else None
            present = 1.0 if pattern.is_full else pattern.largest_in_rows(np.ones_like(size), some)
            error = present * rows * columns[group[0]]
            known = pattern.largest_in_rows(size, some) / noise
            scale = np.fmax(scale, np.where(known > SEEN * error, known, 0.0))
            judged = np.where(scale > 0, scale, np.max(scale))
            with np.errstate(all="ignore"):
                resolution[group] = np.max(error / judged)
        if not np.all(resolution <= SHARP):
            return None
        return Agreement(off, (rows, columns), resolution, float(np.max(scale)))

    def suspects(self) -> Indices:
        """Finds columns with wrong entries, one after the other, by bisection.

        Records a leak if the pattern has no entry at a column and row that is off.
        """
        suspects: list[int] = []
        rest = np.arange(len(self._lengths))
        while len(suspects) < MOST:
            excess = self._off(rest).excess
            row = int(np.argmax(excess))
            if not CERTAIN < excess[row] < np.inf:
                break
            chosen = rest
            while len(chosen) > 1:
                half, other = np.array_split(self.rng.permutation(chosen), 2)
                chosen = half if self._off(half).excess[row] > 1 else other
            suspects.append(int(chosen[0]))
            by = FIRST_STEP * self._lengths[chosen]
            inside = row in self.columns.pattern.of(suspects[-1])
            if not inside and abs(self.columns.move(chosen, by)[row]) > MOVED:
                self.columns.leaks.append((chosen, by, np.array([row])))
            rest = np.setdiff1d(rest, suspects)
        return np.array(suspects, dtype=np.intp)

    def _off(self, chosen: Indices) -> Off:
        moves = random_moves(self._lengths[chosen], self.rng)
        by, point, pattern = self.step * moves, self.columns.point[chosen], self.columns.pattern
        plus, minus = (self._side(chosen, side) for side in (by, -by))
        effective = np.zeros(len(self._lengths))
        effective[chosen] = ((point + by) - (point - by)) / (2 * self.step)
        sizes = np.sqrt(pattern.times(self._squares, effective**2))
        with np.errstate(all="ignore"):
            claimed = pattern.times(self.claimed, effective) / self.columns.noise
            apart = (plus - minus) / (2 * self.step) - claimed
        allowed = STATED / self.step + ROUNDINGS * self.share * sizes / self.columns.noise
        return Off(apart, allowed, effective)

    def _side(self, chosen: Indices, by: Array) -> Array:
        if self.columns.outside(chosen, by).any():
            return np.full(len(self.columns.center), np.nan)
        return self.columns.move(chosen, by)
