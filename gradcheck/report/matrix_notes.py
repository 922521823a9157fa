"""The notes of a report on a Jacobian or Hessian, one sentence each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gradcheck.compare.jacobian import Result
from gradcheck.finding import Finding
from gradcheck.report.nearly_right import jump_notes, nearly_right_notes, undecided_notes
from gradcheck.user.vectors import Matrix
from gradcheck.words import listed

SYMMETRIC = 1e-9


def matrix_notes(result: Result, matrix: Matrix, findings: Sequence[Finding]) -> list[str]:
    """Return notes on small errors, entries not judged, asymmetry, and how columns were moved."""
    judged, measured, vectors = result.judged, result.measured, result.point.vectors
    notes = [
        *nearly_right_notes(judged.blocks, findings, "function"),
        *jump_notes(result.jump, "function"),
    ]
    unknown = np.flatnonzero(~np.isfinite(judged.numeric))
    if len(unknown):
        names = [vectors.column_name(column) for column in np.unique(judged.columns[unknown])[:7]]
        why = "your function is not finite when they are moved"
        if vectors.outside:
            raised = vectors.outside[0].summary_and_place
            why = f"your function raises when they are moved: {raised}"
        notes.append(f"not judged: {listed(names)}, as {why}; bounds= says where it may be asked")
    else:
        notes += undecided_notes(judged.blocks, function="function")
    pattern, (rows, columns) = matrix.pattern, matrix.pattern.shape
    if vectors.of_loss:
        asymmetry = np.abs(matrix.values - matrix.transposed())
        if np.any(asymmetry > SYMMETRIC * np.max(np.abs(matrix.values), initial=0.0)):
            worst = int(np.argmax(asymmetry))
            row, column = int(pattern.rows[worst]), int(pattern.columns[worst])
            notes.append(
                f"your Hessian is not symmetric: [{row}, {column}] is not [{column}, {row}]"
            )
    if len(matrix.values) < rows * columns:
        groups = len(np.unique(measured.group))
        moved = (
            f"moved in {groups:,} group{'s' * (groups > 1)} that share{'s' * (groups == 1)} no row"
        )
        outside = "" if judged.missing else "; nothing moved outside of the sparsity pattern"
        notes.append(
            f"{len(matrix.values):,} entries in {columns:,} columns, "
            f"{moved if groups else 'moved together'}{outside}"
        )
    return notes
