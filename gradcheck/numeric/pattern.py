"""Which entries of a Jacobian there are, and which of its columns may be moved at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gradcheck.numeric.estimate import Indices


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

    @property
    def is_full(self) -> bool:
        """Whether every entry may be there."""
        return len(self.rows) == self.shape[0] * self.shape[1]

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
