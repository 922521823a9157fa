"""Converts a Jacobian by complex parameters to one by their real and imaginary parts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck.numeric.loss_lines import random_moves
from gradcheck.user.blocks import Parameters, by_block
from gradcheck.user.conventions import CONVENTIONS
from gradcheck.user.tensors import to_array

if TYPE_CHECKING:
    from gradcheck.user.vectors import Vectors

ROUGH = 1e-4
NEAR = 0.05
TINY = 1e-300

HOLOMORPHIC = (
    "your complex Jacobian is read as the derivative by z = x + i y: that by y is i times it"
)
NOT_HOLOMORPHIC = (
    "; for a function that is not complex-differentiable, return the real parts' rows above those "
    "of the imaginary ones, a column for each part of a parameter"
)


def of_both_parts(returned: Any, vectors: Vectors) -> Any:
    """The Jacobian with a column for each part of a parameter, if it has one for both parts."""
    parameters = vectors.parameters
    first = dict(parameters.halves)
    blocks = [number for number in range(len(parameters.names)) if number not in first.values()]
    rows = vectors.rows // 2 if vectors.is_complex else vectors.rows
    is_sparse = hasattr(returned, "tocsc")
    whole = returned.tocsc() if is_sparse else _whole(returned, parameters.undivided.names, rows)
    sizes = [parameters.values[block].size for block in blocks]
    if np.shape(whole) != (rows, sum(sizes)):
        return returned
    parts, ends = [], np.cumsum(sizes).tolist()
    for block, size, end in zip(blocks, sizes, ends, strict=True):
        columns = whole[:, end - size : end]
        if vectors.is_complex:
            parts += [columns, 1j * columns][: 1 + (block in first)]
        elif block not in first:
            parts.append(columns.real if abs(columns.imag).sum() == 0 else columns)
        else:
            parts += [parameters.convention.part(columns, part) for part in ("real", "imag")]
    if is_sparse:
        from scipy.sparse import hstack

        return hstack(parts).tocsc()
    return np.concatenate(parts, axis=1)


def _whole(returned: Any, names: tuple[str, ...], rows: int) -> Any:
    """One dense array from an array or arrays by block; None if they do not have `rows` rows."""
    arrays = [np.asarray(to_array(part)) for part in by_block(returned, names)]
    if any(array.size % rows for array in arrays):
        return None
    return np.concatenate([array.reshape(rows, -1) for array in arrays], axis=1)


def convention_of(returned: Any, vectors: Vectors, rng: np.random.Generator) -> Parameters:
    """The parameters with the convention that most rows of the Jacobian follow."""
    parameters, point = vectors.parameters, vectors.point
    if not parameters.has_complex or vectors.is_complex:
        return parameters
    along = random_moves(np.where(point == 0, 1.0, np.abs(point)), rng)
    slope = vectors.moved(point + ROUGH * along) - vectors.moved(point - ROUGH * along)
    slope /= 2 * ROUGH
    agreeing = []
    for convention in CONVENTIONS:
        read = replace(vectors, parameters=replace(parameters, convention=convention))
        matrix = of_both_parts(returned, read)
        if np.shape(matrix) != (len(slope), len(point)) or np.iscomplexobj(matrix):
            return parameters
        claimed = matrix @ along
        near = np.abs(claimed - slope) <= NEAR * np.abs(slope)
        alike = claimed @ slope / max(float(np.linalg.norm(claimed)), TINY)
        agreeing.append((int(np.count_nonzero(near)), float(f"{alike:.3g}")))
    best = max(range(len(CONVENTIONS)), key=agreeing.__getitem__)
    return replace(parameters, convention=CONVENTIONS[best])


def notes_of(returned: Any, vectors: Vectors, is_wrong: bool) -> list[str]:
    """Notes on how a complex Jacobian was read."""
    if not vectors.parameters.has_complex or of_both_parts(returned, vectors) is returned:
        return []
    if vectors.is_complex:
        return [HOLOMORPHIC + NOT_HOLOMORPHIC * is_wrong]
    formula = vectors.parameters.convention.formula.replace("dL", "dF")
    return [f"your complex Jacobian, z = x + i y, is read as {formula}"]
