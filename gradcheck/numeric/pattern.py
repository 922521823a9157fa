"""Which entries of a Jacobian there are, and which of its columns may be moved at once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gradcheck.numeric.estimate import Array, Indices


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

    @cached_property
    def columns(self) -> Indices:
        """The column of every entry, (k,)."""
        return np.repeat(np.arange(self.shape[1]), np.diff(self.starts))

    @property
    def is_full(self) -> bool:
        """Whether every entry may be there."""
        return len(self.rows) == self.shape[0] * self.shape[1]

    @property
    def most(self) -> int:
        """How many entries a row has at most."""
        return self.shape[1] if self.is_full else int(np.bincount(self.rows).max(initial=1))

    def times(self, values: Array, vector: Array) -> Array:
        """The product of a matrix of this pattern with a vector, (m,)."""
        if self.is_full:
            return np.asarray(vector @ values.reshape(self.shape[::-1]))
        return np.asarray(
            np.bincount(self.rows, values * vector[self.columns], self.shape[0]), dtype=np.float64
        )

    def largest_in_rows(self, values: Array, columns: Indices | None = None) -> Array:
        """The largest value of every row, (m,), in some columns; 0 where there is none."""
        if self.is_full:
            table = values.reshape(self.shape[::-1])
            table = table if columns is None else table[columns]
            return np.asarray(np.max(table, axis=0, initial=0.0))
        found = np.zeros(self.shape[0])
        places = slice(None) if columns is None else np.isin(self.columns, columns)
        np.maximum.at(found, self.rows[places], values[places])
        return found

    def largest_in_columns(self, values: Array, weights: Array) -> Array:
        """The largest value of every column, (n,), those of a row times its weight."""
        if self.is_full:
            weighted = values.reshape(self.shape[::-1]) * weights
            return np.asarray(np.max(weighted, axis=1, initial=0.0))
        found = np.zeros(self.shape[1])
        np.maximum.at(found, self.columns, values * weights[self.rows])
        return found

    def of(self, column: int) -> Indices:
        """The rows of a column."""
        return self.rows[self.starts[column] : self.starts[column + 1]]

    def rows_of(self, columns: Indices) -> tuple[Indices, Indices]:
        """The rows of columns one after the other, and of which of these each is."""
        counts = self.starts[columns + 1] - self.starts[columns]
        own = np.repeat(np.arange(len(columns)), counts)
        before = np.cumsum(counts) - counts
        places = np.arange(len(own)) - np.repeat(before - self.starts[columns], counts)
        return self.rows[places], own


def grouped(pattern: Pattern) -> Indices:
    """The group of every column, so that no two of one group share a row: greedily, (n,)."""
    rows, columns = pattern.shape
    if pattern.is_full:
        return np.arange(columns)
    taken = [0] * rows  # the groups that are in a row, as bits
    group = np.zeros(columns, dtype=np.intp)
    starts, own_rows = pattern.starts.tolist(), pattern.rows.tolist()
    for column in np.argsort(-np.diff(pattern.starts), kind="stable").tolist():
        own = own_rows[starts[column] : starts[column + 1]]
        busy = 0
        for row in own:
            busy |= taken[row]
        free = ~busy & (busy + 1)
        for row in own:
            taken[row] |= free
        group[column] = free.bit_length() - 1
    return group
