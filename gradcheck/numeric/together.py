"""All entries of a Jacobian at once: the derivative of every value along random directions.

Every value is a function of its own. One wrong entry of its row changes its derivative along d by
the error times its d_j, whatever the others do, so that two directions decide all rows that agree.
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
"""Where an error of this share of an entry's scale might not be seen, all are moved alone."""

ROUNDINGS = 3.0
"""Those of the claims of a row add up like random signs; so many of their size are allowed."""

CERTAIN = 2.0
"""What is off by so many times what is allowed shows, whatever the noise adds."""

MOST = 4
"""No more single columns are looked for."""


@dataclass(frozen=True)
class Off:
    """How far the claims are from the slopes along a direction.

    Attributes:
        apart: the slope less what is claimed, (m,), in units of the noise.
        allowed: how far these may be apart, (m,).
        moves: of every column, (n,).
    """

    apart: Array
    allowed: Array
    moves: Array

    @property
    def excess(self) -> Array:
        """How far they are apart in units of what is allowed; infinite where it is not known."""
        return np.nan_to_num(np.abs(self.apart) / self.allowed, nan=np.inf)


@dataclass(frozen=True)
class Agreement:
    """What directions that agree with every claim would have shown.

    Attributes:
        off: along the one that shows least.
        visible: the error of an entry that would have been seen, by its row, (m,), in units of the
            noise, and by its column, (n,): the product of both.
        resolution: the largest of these errors of a column by the entry's scale, (n,).
        scale: the largest entry, in units of the noise.
    """

    off: Off
    visible: tuple[Array, Array]
    resolution: Array
    scale: float


@dataclass
class Together:
    """Moves many columns at once.

    Attributes:
        claimed: the entries that are claimed, (k,).
        share: how far rounding may have moved them, by the largest of their row.
        step: by which the columns were moved last, in units of their sizes.
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
        """What the directions show, where all agree and show small errors; else None."""
        offs: list[Off] = []
        while len(offs) < DIRECTIONS:
            off = self._agreeing()
            if off is None:
                return None
            offs.append(off)
        worst = max(offs, key=lambda one: float(np.max(one.allowed)))
        return self._shown(worst)

    def _agreeing(self) -> Off | None:
        """A direction along which all rows agree, at a step that is small enough, if there is one.

        What truncation makes them apart falls with the square of the step.
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
        """Some columns that are off, one after the other, by halving.

        Where the pattern has no entry there, it is noted that they were moved.
        """
        found: list[int] = []
        rest = np.arange(len(self._lengths))
        while len(found) < MOST:
            excess = self._off(rest).excess
            row = int(np.argmax(excess))
            if not CERTAIN < excess[row] < np.inf:
                break
            chosen = rest
            while len(chosen) > 1:
                half, other = np.array_split(self.rng.permutation(chosen), 2)
                chosen = half if self._off(half).excess[row] > 1 else other
            found.append(int(chosen[0]))
            by = FIRST_STEP * self._lengths[chosen]
            inside = row in self.columns.pattern.of(found[-1])
            if not inside and abs(self.columns.move(chosen, by)[row]) > MOVED:
                self.columns.leaks.append((chosen, by, np.array([row])))
            rest = np.setdiff1d(rest, found)
        return np.array(found, dtype=np.intp)

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
