"""Finds entries that a sparsity pattern lacks, by halving the columns that moved together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from gradcheck.numeric.columns import MOVED, Columns
from gradcheck.numeric.estimate import Array, Indices

MOST_MISSING = 8


@dataclass(frozen=True)
class Missing:
    """A nonzero entry outside the sparsity pattern."""

    row: int
    column: int
    derivative: float


def missing_of(measured: Columns) -> tuple[Missing, ...]:
    """The entries that the pattern lacks, at most about `MOST_MISSING` of them."""
    missing: dict[tuple[int, int], Missing] = {}
    rows_done: set[int] = set()
    for columns, by, rows in measured.leaks:
        for row in rows.tolist():
            if row in rows_done or len(missing) >= MOST_MISSING:
                continue
            rows_done.add(row)
            for column, step in _culprits(measured, columns, by, row):
                slopes = np.array(list(_slopes(measured, column, step, row)))
                # slopes of both signs: at a kink or an extremum 0 is right
                if np.all(slopes > 0) or np.all(slopes < 0):
                    missing[row, column] = Missing(row, column, float(np.mean(slopes)))
    return tuple(missing.values())


def _slopes(measured: Columns, column: int, step: float, row: int) -> Iterator[float]:
    """The one-sided derivatives of a value, on the sides to which the column can be moved."""
    for by in (step, -step):
        if not measured.outside(np.array([column]), np.array([by]))[0]:
            move = measured.move(np.array([column]), np.array([by]))[row]
            if np.isfinite(move):
                yield float(move / by * measured.noise[row])


def _culprits(measured: Columns, columns: Indices, by: Array, row: int) -> list[tuple[int, float]]:
    """The columns that change a value for which the pattern has no entry, and their steps."""
    outside = [row not in measured.pattern.of(column) for column in columns.tolist()]
    columns, by = columns[np.array(outside, dtype=bool)], by[np.array(outside, dtype=bool)]
    if not len(columns) or not abs(measured.move(columns, by)[row]) > MOVED:
        return []
    if len(columns) == 1:
        return [(int(columns[0]), float(by[0]))]
    half = len(columns) // 2
    parts = ((columns[:half], by[:half]), (columns[half:], by[half:]))
    return [culprit for part in parts for culprit in _culprits(measured, *part, row)]
