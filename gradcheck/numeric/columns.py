"""The derivatives of a vector function, by the same steps and bounds as those of one loss.

Every entry (i, j) of a Jacobian is the derivative of one function, F_i, along one parameter. All
entries of a column share the evaluations along it, and columns that share no row are moved at
once (Curtis, Powell and Reid 1974). F_i - F_i(x) is divided by the noise of F_i, so that one level
of noise and one centre, 0, serve them all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gradcheck.numeric.block import differentiate
from gradcheck.numeric.estimate import ONE_SIDED, Array, Indices, Mask, Pair, one_sided
from gradcheck.numeric.first import Along
from gradcheck.numeric.gradient import BlockGradient, Claim, limit_of
from gradcheck.numeric.noise import NoiseLevels
from gradcheck.numeric.pattern import Pattern
from gradcheck.numeric.row_noise import RowNoise, Vector
from gradcheck.numeric.steps import FIRST_RELATIVE_NOISE, pilots_of

Keys = NDArray[np.complex128]

MOVED = 16.0
"""A value that moves by so many times its noise depends on what was moved."""

CACHE_NUMBERS = 2**25
"""How many values are kept: 256 MiB."""

FEW_COLUMNS = 2
MOST_PILOTS = 128
"""The step is tried on so many entries, of as few columns as are not moved together."""


@dataclass(frozen=True)
class _Moved:
    """The values with columns moved up, and down, (m,) each, and by how much each was."""

    columns: Indices
    steps: Array
    plus: Array
    minus: Array


@dataclass
class Columns:
    """Evaluates a vector function with its parameters moved, and keeps what it gave.

    Attributes:
        function: of a flat vector, (n,) -> (m,); nan where it cannot be evaluated.
        point: (n,).
        center: the values there, (m,).
        noise: of these, (m,).
        pattern: the entries that are asked for.
        box: the least and the largest value of every column, if there are any.
        group: the columns of one number are moved at once, (n,).
        calls: how many evaluations there were.
        leaks: the columns that were moved, by how much, and the values that moved though none of
            these columns is to have an entry there.
    """

    function: Vector
    point: Array
    center: Array
    noise: Array
    pattern: Pattern
    box: tuple[Array, Array] | None = None
    group: Indices = field(default_factory=lambda: np.empty(0, dtype=np.intp))
    calls: int = 0
    leaks: list[tuple[Indices, Array, Indices]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._forget()

    def _forget(self) -> None:
        self._kept: list[_Moved] = []
        # a column and its step are one complex number, by which numpy sorts
        self._keys: Keys = np.empty(0, dtype=np.complex128)
        self._places = np.empty(0, dtype=np.intp)
        self._sizes = np.empty(0)
        self._together = np.full(len(self.point), -1, dtype=np.intp)

    def measure(self, entries: Indices, steps: Array) -> Pair:
        """The values on both sides of the point, in units of their noise, for each entry."""
        if 2 * len(self._kept) * len(self.center) > CACHE_NUMBERS:
            self._forget()
        wanted = self.pattern.columns[entries] + 1j * steps
        starts = np.flatnonzero(np.append(True, wanted[1:] != wanted[:-1]))[: len(wanted)]
        keys, runs = np.unique(wanted[starts], return_inverse=True)
        self._evaluate(keys[~self._has(keys)])
        at = np.searchsorted(self._keys, keys)[runs]
        at = np.repeat(at, np.diff(np.append(starts, len(wanted))))
        return self._pair(entries, self._places[at], self._sizes[at])

    def alone(self, column: int) -> None:
        """Lets a column be moved alone from now on."""
        self.group[column] = self.group.max() + 1
        kept = self._keys.real != column
        self._keys, self._places = self._keys[kept], self._places[kept]
        self._sizes = self._sizes[kept]

    def not_alone(self, entries: Indices, slopes: Array) -> Mask:
        """Where a column that was moved with others gave another slope than this, (n,)."""
        off = np.zeros(len(entries), dtype=bool)
        first = self._together[self.pattern.columns[entries]]
        rows = np.flatnonzero(first >= 0)
        for number in np.unique(first[rows]).tolist():
            here = rows[first[rows] == number]
            step = np.empty(len(self.point))
            step[self._kept[number].columns] = self._kept[number].steps
            own = step[self.pattern.columns[entries[here]]]
            slope = self._pair(entries[here], first[here], own).central()
            off[here] = ~(np.abs(slope - slopes[here]) <= MOVED / own)
        return off

    def leaks_into(self, column: int) -> bool:
        """Whether the columns that a column was moved with move its values; they are kept."""
        first = self._kept[self._together[column]]
        others = first.columns != column
        rows = self.pattern.of(column)
        alone = self.move(np.array([column]), first.steps[~others])[rows]
        moved = np.abs(alone - first.plus[rows]) > MOVED
        if moved.any():
            self.leaks.append((first.columns[others], first.steps[others], rows[moved]))
        return bool(moved.any())

    def outside(self, columns: Indices, by: Array) -> Mask:
        """Which columns may not be moved so far."""
        moved = self.point[columns] + by
        if self.box is None:
            return np.zeros(len(columns), dtype=bool)
        return np.asarray((moved < self.box[0][columns]) | (moved > self.box[1][columns]))

    def move(self, columns: Indices, by: Array) -> Array:
        """The values with columns moved, less those at the point, in units of their noise, (m,)."""
        moved = self.point.copy()
        moved[columns] += by
        self.calls += 1
        with np.errstate(all="ignore"):
            return np.asarray((self.function(moved) - self.center) / self.noise)

    def _has(self, keys: Keys) -> Mask:
        at = np.minimum(np.searchsorted(self._keys, keys), max(len(self._keys) - 1, 0))
        return self._keys[at] == keys if len(self._keys) else np.zeros(len(keys), dtype=bool)

    def _pair(self, entries: Indices, numbers: Indices, sizes: Array) -> Pair:
        """The values of entries in what was evaluated, by the number of the evaluation."""
        pair = Pair(sizes, np.empty(len(entries)), np.empty(len(entries)))
        order = np.argsort(numbers, kind="stable")
        for rows in np.split(order, np.flatnonzero(np.diff(numbers[order])) + 1):
            if len(rows):
                kept, places = self._kept[numbers[rows[0]]], self.pattern.rows[entries[rows]]
                pair.plus[rows], pair.minus[rows] = kept.plus[places], kept.minus[places]
        return pair

    def _evaluate(self, keys: Keys) -> None:
        """Evaluates columns at steps, those of one group at once, and keeps the values."""
        columns, steps = keys.real.astype(np.intp), keys.imag
        start = self.point[columns]
        sizes = ((start + steps) - (start - steps)) / 2
        places = np.empty(len(keys), dtype=np.intp)
        for batch in self._batches(columns):
            own, by = columns[batch], steps[batch]
            plus, minus = self._side(own, by), self._side(own, -by)
            edge = self._put_edges(own, by, plus, minus)
            sizes[batch[edge]] = by[edge]
            places[batch] = len(self._kept)
            if len(batch) > 1:
                self._note_together(own, by)
            self._kept.append(_Moved(own, by, plus, minus))
        every = np.concatenate([self._keys, keys])
        order = np.argsort(every)
        self._keys = every[order]
        self._places = np.append(self._places, places)[order]
        self._sizes = np.append(self._sizes, sizes)[order]

    def _note_together(self, columns: Indices, steps: Array) -> None:
        """Notes what moves many columns together, at the smallest steps."""
        known = self._together[columns]
        for number in np.unique(known).tolist():
            here = known == number
            if number >= 0:
                before = self._kept[number]
                step = np.full(len(self.point), np.inf)
                step[before.columns] = before.steps
                here &= (len(before.columns) <= len(columns)) & (steps <= step[columns])
            self._together[columns[here]] = len(self._kept)

    def _batches(self, columns: Indices) -> Iterator[Indices]:
        """What is moved at once: of every group, each of its columns that there are, sorted."""
        turn = np.arange(len(columns)) - np.searchsorted(columns, columns)
        number = self.group[columns] * (int(turn.max(initial=0)) + 1) + turn
        order = np.argsort(number, kind="stable")
        ends = np.flatnonzero(np.diff(number[order])) + 1
        yield from np.split(order, ends) if len(columns) else []

    def _put_edges(self, columns: Indices, steps: Array, plus: Array, minus: Array) -> Indices:
        """Puts what stands for both sides where columns can be moved to one; their places."""
        if np.isfinite(plus).all() and np.isfinite(minus).all():
            return np.empty(0, dtype=np.intp)
        rows, own = self.pattern.rows_of(columns)
        up, down = (
            np.bincount(own, ~np.isfinite(values[rows]), len(columns)) == 0
            for values in (plus, minus)
        )
        edge = np.flatnonzero(up != down)
        start, to = self.point[columns[edge]], np.where(up[edge], 1.0, -1.0) * steps[edge]
        by = [start + size * to - start for size in ONE_SIDED]
        near, far = (self._side(columns[edge], distance) for distance in by)
        rows, own = self.pattern.rows_of(columns[edge])
        ends = (distance[own] for distance in by)
        pair = one_sided(steps[edge][own], next(ends), near[rows], next(ends), far[rows])
        plus[rows], minus[rows] = pair.plus, pair.minus
        return edge

    def _side(self, columns: Indices, by: Array) -> Array:
        """The values when all of some columns are moved, (m,); nan where they cannot be."""
        held = self.outside(columns, by)
        columns, by, outside = columns[~held], by[~held], columns[held]
        if not len(columns):
            return np.full(len(self.center), np.nan)
        values = self.move(columns, by)
        if len(columns) > 1 and np.isnan(values).all():  # one of them was too far
            for column, size in zip(columns[:, None], by[:, None], strict=True):
                own = self.pattern.of(int(column[0]))
                values[own] = self.move(column, size)[own]
        elif not self.pattern.is_full:
            self._note_leaks(columns, by, values)
        if len(outside):
            values[self.pattern.rows_of(outside)[0]] = np.nan
        return values

    def _note_leaks(self, columns: Indices, by: Array, values: Array) -> None:
        moved = ~(np.abs(values) <= MOVED) & ~np.isnan(values)
        moved[self.pattern.rows_of(columns)[0]] = False
        if moved.any():
            self.leaks.append((columns, by, np.flatnonzero(moved)))


def differentiate_columns(
    columns: Columns, noise: RowNoise, claim: Claim, entries: Indices, rng: np.random.Generator
) -> BlockGradient:
    """The derivatives of some entries, in units of the noise of their rows.

    The claim is in these units, too, an entry for each of the pattern; at least one is asked for.
    """
    levels = NoiseLevels(float(np.max(noise.least / noise.level)), 1.0, 1.0)
    with np.errstate(all="ignore"):
        relative = float(np.median(noise.level / np.fmax(np.abs(columns.center), noise.least)))
    largest = claim.largest
    reference = abs(float(claim.gradient[largest])) if largest is not None else 0.0
    along = Along(
        columns.measure,
        0.0,
        levels,
        columns.point[columns.pattern.columns],
        claim,
        limit_of(relative, noise.known),
        reference,
        rng,
        columns.pattern.rows,
        lambda rows, claimed, count, rng: _pilots(columns, entries, rows, claimed, rng),
        min(relative, FIRST_RELATIVE_NOISE),
    )
    return differentiate(along, entries)


def _pilots(
    columns: Columns, entries: Indices, rows: Indices, claimed: Array, rng: np.random.Generator
) -> Indices:
    """Rows to try the step on, which cost few evaluations: what is moved together costs no more."""
    own = columns.pattern.columns[entries[rows]]
    number = columns.group[own]
    some = np.searchsorted(rows, pilots_of(rows, claimed, MOST_PILOTS, rng))
    chosen = np.zeros(len(rows), dtype=bool)
    for one in some[np.argsort(-np.abs(claimed[rows[some]]), kind="stable")].tolist():
        if len(np.unique(own[chosen])) >= FEW_COLUMNS:
            break
        chosen |= number == number[one]
    return pilots_of(rows[chosen], claimed, MOST_PILOTS, rng)
