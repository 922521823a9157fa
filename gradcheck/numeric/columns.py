"""The derivatives of a vector function, by the same steps and bounds as those of one loss.

Every entry (i, j) of a Jacobian is the derivative of one function, F_i, along one parameter. All
entries of a column share the evaluations along it, and columns that share no row are moved at
once (Curtis, Powell and Reid 1974). F_i - F_i(x) is divided by the noise of F_i, so that one level
of noise and one centre, 0, serve them all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from gradcheck.numeric.blackbox import SINGLE_PRECISION
from gradcheck.numeric.block import differentiate
from gradcheck.numeric.estimate import ONE_SIDED, Array, Indices, Mask, Pair, one_sided
from gradcheck.numeric.first import Along
from gradcheck.numeric.gradient import (
    COARSE_RESOLUTION_LIMIT,
    KNOWN_RESOLUTION_LIMIT,
    RESOLUTION_LIMIT,
    BlockGradient,
    Claim,
)
from gradcheck.numeric.noise import NoiseLevels
from gradcheck.numeric.row_noise import RowNoise, Vector

Key = tuple[int, float]
"""A column and its step."""

MOVED = 16.0
"""A value that moves by so many times its noise depends on what was moved."""

CACHE_NUMBERS = 2**25
"""How many values are kept: 256 MiB."""


@dataclass(frozen=True)
class Pattern:
    """Which entries of a Jacobian there are, column by column.

    Attributes:
        starts: where the entries of each column begin, and the end of the last, (n + 1,).
        rows: of every entry, (k,).
        shape: (m, n).
    """

    starts: Indices
    rows: Indices
    shape: tuple[int, int]

    @property
    def columns(self) -> Indices:
        """The column of every entry, (k,)."""
        return np.repeat(np.arange(self.shape[1]), np.diff(self.starts))

    def of(self, column: int) -> Indices:
        """The rows of a column."""
        return self.rows[self.starts[column] : self.starts[column + 1]]


def grouped(pattern: Pattern) -> Indices:
    """The group of every column, so that no two of one group share a row: greedily, (n,)."""
    rows, columns = pattern.shape
    if len(pattern.rows) == rows * columns:
        return np.arange(columns)
    taken: list[Mask] = []
    group = np.zeros(columns, dtype=np.intp)
    counts = np.diff(pattern.starts)
    for column in np.argsort(-counts, kind="stable").tolist():
        own = pattern.of(column)
        free = (number for number, busy in enumerate(taken) if not busy[own].any())
        number = next(free, len(taken))
        if number == len(taken):
            taken.append(np.zeros(rows, dtype=bool))
        taken[number][own] = True
        group[column] = number
    return group


@dataclass
class Columns:
    """Evaluates a vector function with its parameters moved, and keeps what it gave.

    Attributes:
        function: of a flat vector, (n,) -> (m,); nan where it cannot be evaluated.
        point: (n,).
        center: the values there, (m,).
        noise: of these, (m,).
        pattern: the entries that are asked for.
        group: the columns of one number are moved at once, (n,).
        inside: whether a column may have a value.
        calls: how many evaluations there were.
        leaks: the columns that were moved, by how much, and the values that moved though none of
            these columns is to have an entry there.
    """

    function: Vector
    point: Array
    center: Array
    noise: Array
    pattern: Pattern
    group: Indices
    inside: Callable[[int, float], bool] | None = None
    calls: int = 0
    leaks: list[tuple[Indices, Array, Indices]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._kept: dict[Key, Pair] = {}
        self._columns = self.pattern.columns
        self._numbers = 0
        self._together: dict[int, tuple[float, Indices, Array]] = {}

    def measure(self, entries: Indices, steps: Array) -> Pair:
        """The values on both sides of the point, in units of their noise, for each entry."""
        columns = self._columns[entries]
        order = np.lexsort((steps, columns))
        sorted_columns, sorted_steps = columns[order], steps[order]
        new = np.ones(len(order), dtype=bool)
        new[1:] = (np.diff(sorted_columns) != 0) | (np.diff(sorted_steps) != 0)
        first = np.flatnonzero(new)
        keys = list(zip(sorted_columns[first].tolist(), sorted_steps[first].tolist(), strict=True))
        self._evaluate([key for key in keys if key not in self._kept])
        pair = Pair(*(np.empty(len(entries)) for _ in range(3)))
        if not keys:
            return pair
        for key, rows in zip(keys, np.split(order, first[1:]), strict=True):
            pair.put(rows, self._kept[key][entries[rows] - self.pattern.starts[key[0]]])
        return pair

    def alone(self, column: int) -> None:
        """Lets a column be moved alone from now on."""
        self.group[column] = self.group.max() + 1
        self._kept = {key: pair for key, pair in self._kept.items() if key[0] != column}

    def not_alone(self, entries: Indices, slopes: Array) -> Mask:
        """Where a column that was moved with others gave another slope than this, (n,)."""
        off = np.zeros(len(entries), dtype=bool)
        columns = self._columns[entries]
        for column in np.intersect1d(columns, list(self._together)).tolist():
            first, end = np.searchsorted(columns, [column, column + 1])
            rows = np.arange(first, end)
            step = self._together[column][0]
            if (column, step) not in self._kept:
                continue
            pair = self._kept[column, step][entries[rows] - self.pattern.starts[column]]
            off[rows] = ~(np.abs(pair.central() - slopes[rows]) <= MOVED / step)
        return off

    def leaks_into(self, column: int) -> bool:
        """Whether the columns that a column was moved with move its values; they are kept."""
        step, columns, steps = self._together[column]
        others = columns != column
        rows = self.pattern.of(column)
        alone = self.move(np.array([column]), np.array([step]))[rows]
        moved = np.abs(alone - self._kept[column, step].plus) > MOVED
        if moved.any():
            self.leaks.append((columns[others], steps[others], rows[moved]))
        return bool(moved.any())

    def move(self, columns: Indices, by: Array) -> Array:
        """The values with columns moved, less those at the point, in units of their noise, (m,)."""
        moved = self.point.copy()
        moved[columns] += by
        self.calls += 1
        with np.errstate(all="ignore"):
            return np.asarray((self.function(moved) - self.center) / self.noise)

    def _evaluate(self, keys: list[Key]) -> None:
        """Evaluates columns at steps, those of one group at once, and keeps the values."""
        if self._numbers > CACHE_NUMBERS:
            self._kept, self._numbers = {}, 0
        for batch in self._batches(keys):
            columns = np.array([column for column, _ in batch], dtype=np.intp)
            steps = np.array([step for _, step in batch])
            plus, minus = self._side(columns, steps), self._side(columns, -steps)
            for column, one in batch if len(batch) > 1 else []:
                self._together.setdefault(column, (one, columns, steps))
            start = self.point[columns]
            step = ((start + steps) - (start - steps)) / 2
            both = zip(plus, minus, strict=True)
            sides = np.array([int(_finite(up)) - int(_finite(down)) for up, down in both])
            at_edge = self._at_edge(columns, steps, sides) if sides.any() else {}
            for index, key in enumerate(batch):
                size = np.full(len(plus[index]), step[index])
                pair = at_edge.get(index) or Pair(size, plus[index], minus[index])
                self._kept[key] = pair
                self._numbers += 3 * len(size)

    def _at_edge(self, columns: Indices, steps: Array, sides: Indices) -> dict[int, Pair]:
        """What stands for both sides of the columns that can be moved to one, by their place."""
        edge = np.flatnonzero(sides)
        start = self.point[columns[edge]]
        by = [start + sides[edge] * size * steps[edge] - start for size in ONE_SIDED]
        near, far = (self._side(columns[edge], distance) for distance in by)
        found = {}
        for at, index in enumerate(edge.tolist()):
            ends = [np.full(len(near[at]), distance[at]) for distance in by]
            step = np.full(len(near[at]), steps[index])
            found[index] = one_sided(step, ends[0], near[at], ends[1], far[at])
        return found

    def _batches(self, keys: list[Key]) -> Iterator[list[Key]]:
        batches: dict[tuple[int, int], list[Key]] = {}
        times: dict[int, int] = {}
        for key in keys:
            turn = times[key[0]] = times.get(key[0], -1) + 1
            batches.setdefault((int(self.group[key[0]]), turn), []).append(key)
        yield from batches.values()

    def _side(self, columns: Indices, by: Array) -> list[Array]:
        """The values of the entries of each column when all are moved; nan where they cannot be."""
        found = [np.full(len(self.pattern.of(column)), np.nan) for column in columns.tolist()]
        may = np.arange(len(columns))
        if self.inside is not None:
            moved = zip(columns.tolist(), (self.point[columns] + by).tolist(), strict=True)
            may = np.flatnonzero([self.inside(column, value) for column, value in moved])
        if not len(may):
            return found
        values = self.move(columns[may], by[may])
        alone = len(may) > 1 and bool(np.isnan(values).all())
        for one in may.tolist():
            if alone:  # one of them was too far
                values = self.move(columns[[one]], by[[one]])
            found[one] = values[self.pattern.of(int(columns[one]))]
        if not alone:
            self._note_leaks(columns[may], by[may], values)
        return found

    def _note_leaks(self, columns: Indices, by: Array, values: Array) -> None:
        if len(self.pattern.rows) == len(self.center) * len(self.point):
            return
        moved = ~(np.abs(values) <= MOVED) & ~np.isnan(values)
        for column in columns.tolist():
            moved[self.pattern.of(column)] = False
        if moved.any():
            self.leaks.append((columns, by, np.flatnonzero(moved)))


def _finite(values: Array) -> bool:
    return bool(np.isfinite(values).all())


def differentiate_columns(
    columns: Columns, noise: RowNoise, claim: Claim, entries: Indices, rng: np.random.Generator
) -> BlockGradient:
    """The derivatives of some entries, in units of the noise of their rows.

    Args:
        columns: evaluates the function.
        noise: of its values.
        claim: the analytic derivatives in these units, an entry for each of the pattern.
        entries: those to differentiate, at least one.
        rng: chooses the entries that the steps are tried on.
    """
    levels = NoiseLevels(float(np.max(noise.least / noise.level)), 1.0, 1.0)
    with np.errstate(all="ignore"):
        relative = float(np.median(noise.level / np.fmax(np.abs(columns.center), noise.least)))
    limit = RESOLUTION_LIMIT if relative < SINGLE_PRECISION else COARSE_RESOLUTION_LIMIT
    limit = KNOWN_RESOLUTION_LIMIT if noise.known else limit
    largest = claim.largest
    reference = abs(float(claim.gradient[largest])) if largest is not None else 0.0
    along = Along(
        columns.measure,
        0.0,
        levels,
        columns.point[columns.pattern.columns],
        claim,
        limit,
        reference,
        rng,
        columns.pattern.rows,
    )
    return differentiate(along, entries)
