"""The losses on a ladder of steps, each four times the one below, and the estimates from it.

With D_k, gap_k at the step h_k of level k, E_k = (16 D_k - D_k+1) / 15 is exact to the order h^4
(Richardson; Ridders 1982). The smallest change in the tableau is not a bound by itself: it is
accepted only if the changes contract from level to level. `confirm` tests what seems wrong.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from gradcheck.numeric.estimate import Array, Indices, Mask, Pair
from gradcheck.numeric.noise import ROUNDING
from gradcheck.numeric.steps import Measure

RATIO = 4.0
BELOW, ABOVE = 16, 14
FIRST = BELOW
"""The level of the first step."""

TOP = BELOW + ABOVE
CONTRACTING = 1 / 2
FAST = 1 / 8
"""The changes of a smooth function shrink sixteenfold from level to level; eightfold is enough."""

EXTRAPOLATED_GAIN = 5 / 3
FLUCTUATION = 0.75


@dataclass(frozen=True)
class Asked:
    """The entries of a block that the first step left open, (n,) each.

    Attributes:
        claimed: the analytic derivatives, nan where there are none.
        precision: the rounding errors of the analytic derivatives.
        limit: the largest bound with which an entry can be called right.
        stated: the bound of the first step.
        least: the largest error of a loss, by the rounding of the result alone.
        fine: the largest error of a loss, by short lines.
        rough: the largest error of a loss, by a longer line.
    """

    claimed: Array
    precision: Array
    limit: Array
    stated: Array
    least: Array
    fine: Array
    rough: Array

    @property
    def target(self) -> Array:
        """The bound at which the search ends: that of the first step, or the limit if smaller."""
        return np.asarray(np.fmin(self.stated, self.limit))

    def __getitem__(self, rows: Indices) -> Asked:
        return Asked(*(getattr(self, field.name)[rows] for field in fields(self)))


@dataclass(frozen=True)
class Best:
    """The estimates with the smallest bounds, (n,) each.

    Attributes:
        value: the derivative.
        bound: the bound on its error; infinite if no levels contract.
        level: the lowest of the levels that it comes from.
        noise: the noise of the loss observed at that level.
    """

    value: Array
    bound: Array
    level: Indices
    noise: Array


FEW = 6


class Levels:
    """The losses at the steps of the ladder, one row per entry, evaluated on demand.

    Attributes:
        sizes: the largest |x| of the group of every entry, (n,).
        plateaus: the widest step at which rounding of the parameter may keep the loss, (n,).
        exact: whether the moving entries are known not to be rounded coarsely.
        ends_in_kink: whether a plateau is known to be no step of a staircase, (n,).
        coarse: whether a term of the loss is rounded so coarsely that small steps say nothing.
        examined: how many rows have been asked whether there is such a term.
        few: how many rows are asked at most; one if evaluations are spared.
    """

    def __init__(
        self,
        measure: Measure,
        center: float,
        entries: Indices,
        sizes: Array,
        plateaus: Array,
        first: Pair,
        exact: bool = False,
    ) -> None:
        self.center, self.sizes, self.exact, self.coarse = center, sizes, exact, False
        self.examined, self.few = 0, FEW
        self.plateaus = plateaus
        self.ends_in_kink = np.zeros(len(entries), dtype=bool)
        self._measure, self._entries = measure, entries
        self._first = np.array(first.step)
        shape = (len(entries), TOP + 1)
        self._pairs = Pair(*(np.full(shape, np.nan) for _ in range(3)))
        self._pairs.put((np.arange(len(entries)), np.full(len(entries), FIRST)), first)

    def __len__(self) -> int:
        return len(self._entries)

    def ask(self, rows: Indices, levels: Indices) -> Pair:
        """The losses of the rows, each at its level; evaluates the missing ones."""
        missing = np.isnan(self._pairs.step[rows, levels])
        if missing.any():
            new, at = rows[missing], levels[missing]
            self._pairs.put((new, at), self.at_steps(new, self.step(new, at)))
        return self.known((rows, levels))

    def known(self, where: Indices | tuple[Indices, Indices]) -> Pair:
        """The evaluated losses, nan elsewhere: all levels of rows, or one level of each."""
        return self._pairs[where]

    def at_steps(self, rows: Indices, steps: Array) -> Pair:
        """The losses of the rows at any steps."""
        return self._measure(self._entries[rows], steps)

    def step(self, rows: Indices, levels: Indices) -> Array:
        """The steps of the rows, each at its level."""
        return np.asarray(self._first[rows] * RATIO ** (levels - float(FIRST)))

    def at_least(self, rows: Indices, step: Array) -> Indices:
        """The lowest level of each row whose step is at least `step`."""
        with np.errstate(all="ignore"):
            exact = np.log(step / self._first[rows]) / np.log(RATIO)
        levels = np.clip(np.ceil(np.nan_to_num(exact) - 1e-9) + FIRST, 0, TOP)
        return np.asarray(levels, dtype=np.intp)


def best_of(levels: Levels, asked: Asked, rows: Indices) -> Best:
    """The best estimate of every row, from three levels or, if the loss is straight, two."""
    pair, center = levels.known(rows), levels.center
    with np.errstate(all="ignore"):
        slope, gap = pair.central(), pair.gap(center)
        stairs, quantum = _stairs(pair, center, levels.plateaus[rows], levels.ends_in_kink[rows])
        values = np.fmax(np.abs(pair.plus), np.abs(pair.minus))
        # the only noise of a loss that is constant to the last bit is the rounding of the result
        flat = pair.is_flat(center)
        nu = np.where(flat, asked.least[rows][:, None], asked.fine[rows][:, None])
        nu = np.fmax(np.fmax(nu, quantum[:, None]), ROUNDING * values)
        noise, change = nu / pair.step, np.abs(np.diff(slope, axis=1))
        rounding = _rounding(change, nu, pair.step)
        three = _from_three(slope, gap, change, noise, rounding)
        two = _from_two(slope, gap, change, noise, rounding)
    three[1][stairs[:, :-2]] = np.inf
    two[1][stairs[:, :-1]] = np.inf
    value, bound = (np.concatenate(both, axis=1) for both in zip(three, two, strict=True))
    bound[~np.isfinite(bound) | ~np.isfinite(value)] = np.inf
    at = np.argmin(bound, axis=1)
    every = np.arange(len(rows))
    level = np.where(at < TOP - 1, at, at - (TOP - 1))
    seen = (rounding * pair.step)[every, level]
    return Best(value[every, at], bound[every, at], level, seen)


def _stairs(pair: Pair, center: float, plateaus: Array, ends_in_kink: Mask) -> tuple[Mask, Array]:
    """The levels on a narrow plateau of a staircase, and the height of its first step."""
    constant = pair.is_flat(center)
    flat = constant & (pair.step < plateaus[:, None])
    wider = (constant & ~flat).any(axis=1)
    move = pair.largest_move(center)
    moves = np.isfinite(move) & (move > 0)
    steps = (pair.moves_both_ways(center) & np.isfinite(move)).any(axis=1)
    top = np.where(flat.any(axis=1), flat.shape[1] - 1 - np.argmax(flat[:, ::-1], axis=1), -1)
    level = np.arange(flat.shape[1])
    above = moves & (level > top[:, None])
    is_staircase = (top >= 0) & above.any(axis=1) & steps & ~ends_in_kink & ~wider
    first = move[np.arange(len(move)), np.argmax(above, axis=1)]
    return ((level <= top[:, None]) & is_staircase[:, None], np.where(is_staircase, first, 0.0))


def _rounding(change: Array, nu: Array, step: Array) -> Array:
    """The rounding error of the slopes of every level.

    Fluctuation at smaller steps counts as noise. It may be structure, so it only widens the bound.
    """
    seen = np.zeros_like(step)
    moved = np.nan_to_num(change * step[:, :-1], nan=0.0, posinf=0.0)
    seen[:, 1:] = np.maximum.accumulate(moved, axis=1)
    return np.asarray(np.fmax(nu, FLUCTUATION * seen) / step)


def _from_three(
    slope: Array, gap: Array, change: Array, noise: Array, rounding: Array
) -> tuple[Array, Array]:
    """Values and bounds from levels k, k + 1, k + 2, (n, levels - 2); inf without contraction.

    If f is smooth, the gap grows fourfold; the difference from that is due to a hidden kink.
    """
    extrapolated = slope[:, :-1] + (slope[:, :-1] - slope[:, 1:]) / (RATIO**2 - 1)
    inner, outer = change[:, :-1], change[:, 1:]
    quiet = (inner <= 2 * noise[:, :-2]) & (outer <= 2 * noise[:, :-2])
    fast = (inner <= FAST * outer) | quiet
    truncation = np.where(
        fast, np.abs(extrapolated[:, :-1] - extrapolated[:, 1:]) + inner / RATIO**2, inner
    )
    hidden = np.abs(RATIO * gap[:, :-1] - gap[:, 1:]) / (2 * (RATIO - 1))
    bound = truncation + EXTRAPOLATED_GAIN * rounding[:, :-2]
    # the value does not use D of the largest step, so that a kink there counts less
    bound += np.fmax(hidden[:, :-1], hidden[:, 1:] / RATIO**2)
    known = (inner <= CONTRACTING * outer) | quiet
    value = np.where(fast, extrapolated[:, :-1], slope[:, :-2])
    return value, np.where(known, bound, np.inf)


def _from_two(
    slope: Array, gap: Array, change: Array, noise: Array, rounding: Array
) -> tuple[Array, Array]:
    """Values and bounds from two levels on which f is straight up to noise, (n, levels - 1)."""
    straight = change <= 2 * noise[:, :-1]
    straight &= np.abs(gap[:, :-1]) <= 4 * noise[:, :-1]
    bound = change + EXTRAPOLATED_GAIN * rounding[:, 1:] + np.abs(gap[:, 1:]) / 2
    return slope[:, 1:], np.where(straight, bound, np.inf)
