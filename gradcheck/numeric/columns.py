"""The derivatives of a vector function, with the same steps and bounds as those of a loss.

Every entry (i, j) of a Jacobian is the derivative of one function, F_i, along one parameter. All
entries of a column share the evaluations along it, and columns that share no row are moved at
once (Curtis, Powell and Reid 1974). F_i - F_i(x) is divided by the noise of F_i, so that all have
the noise level 1 and the centre 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

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
"""A value that changes by more than this multiple of its noise depends on the moved columns."""

CACHE_NUMBERS = 2**25
"""The most values that are stored: 256 MiB."""

FEW_COLUMNS = 2
MOST_PILOTS = 128
"""The most columns and entries on which a step is tried; columns of a group count only once."""


@dataclass(frozen=True)
class _Moved:
    """The values with columns moved up and down, (m,) each, and the steps of the columns."""

    columns: Indices
    steps: Array
    plus: Array
    minus: Array


@dataclass
class Columns:
    """Evaluates a vector function with columns moved, and stores the values.

    Attributes:
        function: of a flat vector, (n,) -> (m,); nan where it cannot be evaluated.
        point: the point of the check, (n,).
        center: the values there, (m,).
        noise: the noise of these values, (m,).
        pattern: the sparsity pattern.
        box: the bounds (low, high) of every column, or None.
        group: the group of every column, (n,); columns of a group are moved at once.
        calls: the number of evaluations.
        leaks: (columns, steps, rows) of movements that changed rows in which the pattern has no
            entry for any of these columns.
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
        self._edges = np.empty(0, dtype=bool)
        self._together = np.full(len(self.point), -1, dtype=np.intp)

    def measure(self, entries: Indices, steps: Array) -> Pair:
        """The values of each entry on both sides of the point, in units of their noise."""
        if 2 * len(self._kept) * len(self.center) > CACHE_NUMBERS:
            self._forget()
        wanted = self.pattern.columns[entries] + 1j * steps
        starts = np.flatnonzero(np.append(True, wanted[1:] != wanted[:-1]))[: len(wanted)]
        keys, runs = np.unique(wanted[starts], return_inverse=True)
        self._evaluate(keys[~self._has(keys)])
        at = np.searchsorted(self._keys, keys)[runs]
        at = np.repeat(at, np.diff(np.append(starts, len(wanted))))
        pair = self._pair(entries, self._places[at], self._sizes[at])
        return replace(pair, edge=self._edges[at])

    def alone(self, column: int) -> None:
        """Gives a column a group of its own, so that it is moved alone from now on."""
        self.group[column] = self.group.max() + 1
        others = self._keys.real != column
        self._keys, self._places = self._keys[others], self._places[others]
        self._sizes, self._edges = self._sizes[others], self._edges[others]

    def not_alone(self, entries: Indices, slopes: Array) -> Mask:
        """Where moving a column with others gave a different slope than `slopes`, (n,)."""
        off = np.zeros(len(entries), dtype=bool)
        first = self._together[self.pattern.columns[entries]]
        rows = np.flatnonzero(first >= 0)
        for number in np.unique(first[rows]).tolist():
            here = rows[first[rows] == number]
            step = np.empty(len(self.point))
            step[self._kept[number].columns] = self._kept[number].steps
            by = step[self.pattern.columns[entries[here]]]
            slope = self._pair(entries[here], first[here], by).central()
            off[here] = ~(np.abs(slope - slopes[here]) <= MOVED / by)
        return off

    def leaks_into(self, column: int) -> bool:
        """Whether the columns that a column was moved with change its values; records the leak."""
        first = self._kept[self._together[column]]
        others = first.columns != column
        rows = self.pattern.of(column)
        alone = self.move(np.array([column]), first.steps[~others])[rows]
        moved = np.abs(alone - first.plus[rows]) > MOVED
        if moved.any():
            self.leaks.append((first.columns[others], first.steps[others], rows[moved]))
        return bool(moved.any())

    def outside(self, columns: Indices, by: Array) -> Mask:
        """Which columns would leave their bounds."""
        moved = self.point[columns] + by
        if self.box is None:
            return np.zeros(len(columns), dtype=bool)
        return np.asarray((moved < self.box[0][columns]) | (moved > self.box[1][columns]))

    def move(self, columns: Indices, by: Array) -> Array:
        """The changes of the values when columns move, in units of their noise, (m,)."""
        moved = self.point.copy()
        moved[columns] += by
        self.calls += 1
        with np.errstate(all="ignore"):
            return np.asarray((self.function(moved) - self.center) / self.noise)

    def _has(self, keys: Keys) -> Mask:
        at = np.minimum(np.searchsorted(self._keys, keys), max(len(self._keys) - 1, 0))
        return self._keys[at] == keys if len(self._keys) else np.zeros(len(keys), dtype=bool)

    def _pair(self, entries: Indices, numbers: Indices, sizes: Array) -> Pair:
        """The values of entries in the stored evaluations with these numbers."""
        pair = Pair(sizes, np.empty(len(entries)), np.empty(len(entries)))
        order = np.argsort(numbers, kind="stable")
        for rows in np.split(order, np.flatnonzero(np.diff(numbers[order])) + 1):
            if len(rows):
                kept, places = self._kept[numbers[rows[0]]], self.pattern.rows[entries[rows]]
                pair.plus[rows], pair.minus[rows] = kept.plus[places], kept.minus[places]
        return pair

    def _evaluate(self, keys: Keys) -> None:
        """Evaluates columns at steps, the columns of a group at once, and stores the values."""
        columns, steps = keys.real.astype(np.intp), keys.imag
        start = self.point[columns]
        sizes = ((start + steps) - (start - steps)) / 2
        places, edges = np.empty(len(keys), dtype=np.intp), np.zeros(len(keys), dtype=bool)
        for batch in self._batches(columns):
            moved, by = columns[batch], steps[batch]
            plus, minus = self._side(moved, by), self._side(moved, -by)
            edge = self._put_edges(moved, by, plus, minus)
            sizes[batch[edge]], edges[batch[edge]] = by[edge], True
            places[batch] = len(self._kept)
            if len(batch) > 1:
                self._note_together(moved, by)
            self._kept.append(_Moved(moved, by, plus, minus))
        every = np.concatenate([self._keys, keys])
        order = np.argsort(every)
        self._keys = every[order]
        self._places = np.append(self._places, places)[order]
        self._sizes = np.append(self._sizes, sizes)[order]
        self._edges = np.append(self._edges, edges)[order]

    def _note_together(self, columns: Indices, steps: Array) -> None:
        """Records the evaluation that moves the most columns together at the smallest steps."""
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
        """Yields the indices of columns that are moved at once: one step of each, per group."""
        turn = np.arange(len(columns)) - np.searchsorted(columns, columns)
        number = self.group[columns] * (int(turn.max(initial=0)) + 1) + turn
        order = np.argsort(number, kind="stable")
        ends = np.flatnonzero(np.diff(number[order])) + 1
        yield from np.split(order, ends) if len(columns) else []

    def _put_edges(self, columns: Indices, steps: Array, plus: Array, minus: Array) -> Indices:
        """Extrapolates both sides of columns that can move to one side only; their indices."""
        if np.isfinite(plus).all() and np.isfinite(minus).all():
            return np.empty(0, dtype=np.intp)
        rows, index = self.pattern.rows_of(columns)
        up, down = (
            np.bincount(index, ~np.isfinite(values[rows]), len(columns)) == 0
            for values in (plus, minus)
        )
        edge = np.flatnonzero(up != down)
        start, to = self.point[columns[edge]], np.where(up[edge], 1.0, -1.0) * steps[edge]
        by = [start + size * to - start for size in ONE_SIDED]
        near, far = (self._side(columns[edge], distance) for distance in by)
        rows, index = self.pattern.rows_of(columns[edge])
        to_near, to_far = (distance[index] for distance in by)
        pair = one_sided(steps[edge][index], to_near, near[rows], to_far, far[rows])
        plus[rows], minus[rows] = pair.plus, pair.minus
        return edge

    def _side(self, columns: Indices, by: Array) -> Array:
        """The changes of the values when columns move at once, (m,); nan where they cannot."""
        held = self.outside(columns, by)
        columns, by, outside = columns[~held], by[~held], columns[held]
        if not len(columns):
            return np.full(len(self.center), np.nan)
        values = self.move(columns, by)
        if len(columns) > 1 and np.isnan(values).all():  # one of them moved too far
            for column, size in zip(columns[:, None], by[:, None], strict=True):
                rows = self.pattern.of(int(column[0]))
                values[rows] = self.move(column, size)[rows]
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
    """The derivatives of at least one entry, in units of the noise of their rows.

    The claim is in these units too, and holds all entries of the pattern.
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
    """Rows on which to try the step with few evaluations: those of a group of columns share one."""
    column = columns.pattern.columns[entries[rows]]
    group = columns.group[column]
    some = np.searchsorted(rows, pilots_of(rows, claimed, MOST_PILOTS, rng))
    chosen = np.zeros(len(rows), dtype=bool)
    for pilot in some[np.argsort(-np.abs(claimed[rows[some]]), kind="stable")].tolist():
        if len(np.unique(column[chosen])) >= FEW_COLUMNS:
            break
        chosen |= group == group[pilot]
    return pilots_of(rows[chosen], claimed, MOST_PILOTS, rng)
