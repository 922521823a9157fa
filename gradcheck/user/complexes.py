"""Finds the convention of complex gradients and Jacobians, and reads these part by part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.errors import UsageError
from gradcheck.numeric.loss_lines import random_moves
from gradcheck.user.blocks import Array, Parameters, by_block
from gradcheck.user.calls import UserCodeError
from gradcheck.user.conventions import CONVENTIONS, Convention
from gradcheck.user.gradients import gradients_at
from gradcheck.user.outputs import leaves
from gradcheck.user.problem import Problem
from gradcheck.user.tensors import to_array

if TYPE_CHECKING:
    from gradcheck.user.vectors import Vectors

ENTRIES = 8
"""The number of entries of every block that are tested."""

ROUGH = 1e-4
"""The step, relative to the largest parameter of the block."""

NEAR = 0.05
"""Slopes agree if they differ by at most this share of the largest; conventions differ by more."""

ALIKE = 0.9
"""The least cosine between a wrong gradient and the numeric one with which a convention is
accepted; a wrong gradient may lie near any convention by chance. Then its length decides."""

TINY = 1e-300

Slopes = list[Array]
"""The derivatives of the tested entries, by block."""


HOLOMORPHIC = (
    "your complex Jacobian is read as the derivative by z = x + i y: that by y is i times it"
)

NOT_HOLOMORPHIC = (
    "; for a function that is not complex-differentiable, return the real parts' rows above those "
    "of the imaginary ones, a column for each part of a parameter"
)


def with_convention(problem: Problem, rng: np.random.Generator) -> Problem:
    """The problem with the convention that most complex gradients follow.

    Blocks that follow another one are listed in its `others`.
    """
    entries = [
        np.sort(rng.permutation(value.size)[:ENTRIES]) for value in problem.parameters.values
    ]
    possible = CONVENTIONS if problem.layer is None else problem.layer.possible
    try:
        claims = [_claimed(_read_by(problem, convention), entries) for convention in possible]
        slopes = _slopes(problem, entries)
    except (UserCodeError, UsageError):  # the comparison reports this, with the place
        return problem
    largest = [np.full(len(slope), np.max(np.abs(slope), initial=0.0)) for slope in slopes]
    numeric, near = np.concatenate(slopes), NEAR * np.concatenate(largest)
    block = np.repeat(np.arange(len(slopes)), list(map(len, slopes)))
    analytic = np.array([np.concatenate(claimed) for claimed in claims])
    agrees = np.abs(analytic - numeric) <= near
    agreeing = np.array([np.bincount(block, agree, len(slopes)) for agree in agrees])
    # a minority of the entries may agree by chance
    agreeing[agreeing <= np.bincount(block, minlength=len(slopes)) / 2] = 0
    # the cosine of the angle between analytic and numeric gradient
    along = np.nan_to_num(analytic) @ np.nan_to_num(numeric)
    own, true = (np.linalg.norm(np.nan_to_num(one), axis=-1) for one in (analytic, numeric))
    sizes = own * true
    alike = np.round(np.divide(along, sizes, out=np.zeros(len(sizes)), where=sizes > 0), 3)
    alike[alike < ALIKE] = 0.0
    longer = np.round(np.abs(np.log2(np.maximum(own, TINY) / max(true, TINY))), 1)
    best = min(range(len(claims)), key=lambda i: (-agreeing[i].sum(), -alike[i], longer[i], i))
    convention = possible[best]
    others = {}
    for real, imag in problem.parameters.halves:
        counts = agreeing[:, real] + agreeing[:, imag]
        most = int(np.argmax(counts))
        if counts[most] > counts[best]:
            name = problem.parameters.names[imag].removesuffix(".imag")
            others[name] = possible[most].formula
    return _read_by(problem, replace(convention, others=tuple(others.items())))


def has_complex(problem: Problem) -> bool:
    """Whether any parameter, or output of a layer, is complex."""
    if problem.parameters.has_complex or problem.layer is None:
        return problem.parameters.has_complex
    return any(np.iscomplexobj(to_array(along)) for (along,) in leaves(problem.layer.upstream))


def _read_by(problem: Problem, convention: Convention) -> Problem:
    problem = replace(problem, parameters=replace(problem.parameters, convention=convention))
    if problem.layer is None:
        return problem
    layer = replace(problem.layer, convention=convention)
    return replace(problem, layer=layer, loss_function=layer.loss, gradient_function=layer.gradient)


def _claimed(problem: Problem, entries: Sequence[NDArray[np.intp]]) -> Slopes:
    parameters = problem.parameters
    blocks = gradients_at(problem, parameters.values)
    return [
        np.full(len(chosen), np.nan)
        if gradient.value is None or not gradient.comparable
        else gradient.value.reshape(-1)[chosen]
        for gradient, chosen in zip(blocks, entries, strict=True)
    ]


def _slopes(problem: Problem, entries: Sequence[NDArray[np.intp]]) -> Slopes:
    values = problem.parameters.values
    loss, slopes = problem.entry_loss(values), []
    for block, chosen in enumerate(entries):
        step = ROUGH * (float(np.max(np.abs(values[block]), initial=0.0)) or 1.0)
        start = values[block].reshape(-1)[chosen]
        ends = [
            [loss(block, *pair) for pair in zip(chosen.tolist(), start + move, strict=True)]
            for move in (step, -step)
        ]
        slopes.append((np.array(ends[0]) - np.array(ends[1])) / (2 * step))
    return slopes


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
