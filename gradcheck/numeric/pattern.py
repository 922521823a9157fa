"""The sparsity pattern of a Jacobian, and the groups of columns that may be moved at once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gradcheck.numeric.estimate import Array, Indices


@dataclass(frozen=True)
class Pattern:
    """The sparsity pattern of a Jacobian, stored by columns.

    Attributes:
        starts: the index of the first entry of each column, and the number of entries, (n + 1,).
        rows: the row of every entry, (k,).
        shape: the shape of the Jacobian, (m, n).
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
        """Whether the pattern has every entry."""
        return len(self.rows) == self.shape[0] * self.shape[1]

    @property
    def most(self) -> int:
        """The largest number of entries in a row."""
        return self.shape[1] if self.is_full else int(np.bincount(self.rows).max(initial=1))

    def times(self, values: Array, vector: Array) -> Array:
        """The product of a matrix of this pattern with a vector, (m,)."""
        if self.is_full:
            return np.asarray(vector @ values.reshape(self.shape[::-1]))
        return np.asarray(
            np.bincount(self.rows, values * vector[self.columns], self.shape[0]), dtype=np.float64
        )

    def largest_in_rows(self, values: Array, columns: Indices | None = None) -> Array:
        """The largest value of every row, (m,), in all or some columns; 0 for an empty row."""
        if self.is_full:
            table = values.reshape(self.shape[::-1])
            table = table if columns is None else table[columns]
            return np.asarray(np.max(table, axis=0, initial=0.0))
        largest = np.zeros(self.shape[0])
        places = slice(None) if columns is None else np.isin(self.columns, columns)
        np.maximum.at(largest, self.rows[places], values[places])
        return largest

    def largest_in_columns(self, values: Array, weights: Array) -> Array:
        """The largest value of every column, (n,), after each row is multiplied by its weight."""
        if self.is_full:
            weighted = values.reshape(self.shape[::-1]) * weights
            return np.asarray(np.max(weighted, axis=1, initial=0.0))
        largest = np.zeros(self.shape[1])
        np.maximum.at(largest, self.columns, values * weights[self.rows])
        return largest

    def of(self, column: int) -> Indices:
        """The rows of a column."""
        return self.rows[self.starts[column] : self.starts[column + 1]]

    def rows_of(self, columns: Indices) -> tuple[Indices, Indices]:
        """The rows of several columns, concatenated, and the index of the column of each."""
        counts = self.starts[columns + 1] - self.starts[columns]
        index = np.repeat(np.arange(len(columns)), counts)
        before = np.cumsum(counts) - counts
        places = np.arange(len(index)) - np.repeat(before - self.starts[columns], counts)
        return self.rows[places], index


def grouped(pattern: Pattern) -> Indices:
    """Groups columns greedily so that no two of a group share a row; the group of each, (n,)."""
    rows, columns = pattern.shape
    if pattern.is_full:
        return np.arange(columns)
    groups_in_row = [0] * rows  # as bits
    group = np.zeros(columns, dtype=np.intp)
    starts, entry_rows = pattern.starts.tolist(), pattern.rows.tolist()
    for column in np.argsort(-np.diff(pattern.starts), kind="stable").tolist():
        column_rows = entry_rows[starts[column] : starts[column + 1]]
        used = 0
        for row in column_rows:
            used |= groups_in_row[row]
        free = ~used & (used + 1)  # the lowest bit that is not set
        for row in column_rows:
            groups_in_row[row] |= free
        group[column] = free.bit_length() - 1
    return group
