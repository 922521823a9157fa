"""Checks a Hessian as the Jacobian of a gradient: the user's, or differences of the loss."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gradcheck.compare.block import Worst
from gradcheck.errors import UsageError
from gradcheck.jacobians import JacobianProblem, run_jacobian
from gradcheck.numeric.estimate import Array
from gradcheck.numeric.stencils import Stencil
from gradcheck.options import Options
from gradcheck.report.model import Report
from gradcheck.user.calls import GRADIENT, LOSS, call
from gradcheck.user.contracted import Moves
from gradcheck.user.gradients import read_gradients
from gradcheck.user.number import as_number
from gradcheck.user.wrapping import parameters

STEPS = (3e-3, 2e-4, 1e-5)
"""Steps of the inner differences, relative to the parameters. Smaller steps suit losses with larger
higher derivatives, and have more noise."""

CENTRAL = Stencil((-2, -1, 1, 2), (1 / 12, -2 / 3, 2 / 3, -1 / 12), order=4)
FORWARD = Stencil((0, 1, 2, 3, 4), (-25 / 12, 4.0, -3.0, 4 / 3, -1 / 4), order=4)
BACKWARD = Stencil((0, -1, -2, -3, -4), (25 / 12, -4.0, 3.0, -4 / 3, 1 / 4), order=4)
REACH = 4
"""Central differences, moved a little, stay inside bounds that are this many steps away."""

SAME = 0.1
"""Two inner steps give the same derivative if their results differ by at most this share of the
error of the analytic one; by `BY_ONE_FACTOR` of it, and they may be at two entries: of a matrix
that is a multiple of the right one, rounding tells which entry is the worst."""

BY_ONE_FACTOR = 1e-3


@dataclass(frozen=True)
class Product:
    """A symmetric matrix that is known by its products with vectors, as a `LinearOperator` is."""

    shape: tuple[int, int]
    multiply: Callable[[Any], Any]
    shapes: tuple[tuple[int, ...], ...]

    def matvec(self, vector: Array) -> Array:
        """The product with a flat vector."""
        return np.asarray(self._matvec(vector), dtype=np.float64)

    def _matvec(self, vector: Array) -> Any:
        """The product without conversion, so that the trace can follow it."""
        return np.reshape(self.multiply(vector), -1)

    rmatvec, _rmatvec = matvec, _matvec


def of_gradient(
    problem: JacobianProblem, grad: Callable[[Any], Any], product: bool, options: Options
) -> Report:
    """Compares the Hessian with differences of the user's gradient."""

    def gradient(packed: Any) -> Array:
        read = read_gradients(call(grad, GRADIENT, packed), problem.parameters)
        parts = [block.value for block in read.blocks if block.comparable]
        if len(parts) < len(read.blocks):
            raise UsageError("grad returns no gradient of the shape of the parameters")
        return np.concatenate([np.ravel(part) for part in parts if part is not None])

    return run_jacobian(_of(problem, gradient, product), options)


def of_loss(problem: JacobianProblem, product: bool, options: Options) -> Report:
    """Compares the Hessian with second differences of the loss, for several inner steps.

    It is right if one step shows it right, and wrong if two steps show it wrong by the same.
    """
    reports: list[Report] = []
    vector, packed = _as_vector(problem)
    function = problem.function

    def loss(flat: Array) -> Any:
        return function(packed(flat))

    for size in STEPS:
        gradient = _differences(vector, loss, size)
        report = run_jacobian(_of(replace(vector, loss=loss), gradient, product), options)
        if report.ok or report.could_not_check:
            return report
        if reports and _alike(reports[-1], report):
            return reports[-1]
        reports.append(report)
    blocks = tuple(
        replace(block, verdict="inconclusive") if block.verdict == "wrong" else block
        for block in reports[0].blocks
    )
    return replace(reports[0], verdict="inconclusive", blocks=blocks, findings=())


def _alike(one: Report, other: Report) -> bool:
    """Whether the worst entries of two reports have the same error."""
    pairs = [
        (block.worst, twin.worst)
        for block, twin in zip(one.blocks, other.blocks, strict=True)
        if block.verdict == "wrong"
    ]
    same = [a is not None and b is not None and _is_same(a, b) for a, b in pairs]
    return bool(same) and all(same) and one.verdict == other.verdict


def _is_same(a: Worst, b: Worst) -> bool:
    """Whether two worst entries have the same error; products take new vectors for each step."""
    half = len(a.index) // 2
    together = b.index in (a.index, a.index[half:] + a.index[:half])  # or its transposed entry
    if not a.analytic or not b.analytic:
        return together and abs(a.numeric - b.numeric) <= SAME * abs(a.numeric - a.analytic)
    ratios = a.numeric / a.analytic, b.numeric / b.analytic
    apart = SAME if together else BY_ONE_FACTOR
    return abs(ratios[0] - ratios[1]) <= apart * abs(ratios[0] - 1)


def _of(
    problem: JacobianProblem, gradient: Callable[[Any], Array], product: bool
) -> JacobianProblem:
    """The problem of checking the Hessian as the Jacobian of `gradient`."""
    size = sum(value.size for value in problem.parameters.values)
    hessian = problem.jacobian  # the trace sees the variables of a closure, not their attributes

    def claimed(packed: Any) -> Any:
        given = hessian(packed) if callable(hessian) else hessian
        if product:
            return Product((size, size), given, problem.parameters.shapes)
        if isinstance(given, np.ndarray) and given.size == size * size:
            return given.reshape(size, size)
        return given

    return replace(problem, function=gradient, jacobian=claimed)


def _differences(
    problem: JacobianProblem, loss: Callable[[Any], Any], size: float
) -> Callable[[Any], Array]:
    """The gradient of a loss of a flat vector, by fourth-order differences."""
    point = problem.parameters.flat
    steps = size * np.where(point == 0, 1.0, np.abs(point))
    stencils = [CENTRAL] * len(point)
    if problem.bounds is not None:
        for entry, (low, high) in enumerate(zip(*problem.bounds.flat, strict=True)):
            reach = REACH * steps[entry]
            if point[entry] - reach < low:
                stencils[entry] = FORWARD
            elif point[entry] + reach > high:
                stencils[entry] = BACKWARD

    moves = Moves(steps, stencils)

    def gradient(here: Any) -> Array:
        return moves.slopes(lambda moved: as_number(call(loss, LOSS, moved)), here)

    return gradient


def _as_vector(problem: JacobianProblem) -> tuple[JacobianProblem, Callable[[Array], Any]]:
    """The problem with its parameters in one vector, and the function that restores their form."""
    params, hessian = problem.parameters, problem.jacobian

    def claimed(vector: Array) -> Any:
        there = params.pack_flat(vector)
        return hessian(there) if callable(hessian) else hessian

    vector = parameters(params.flat, shapes=dict(zip(params.names, params.shapes, strict=True)))
    return replace(problem, parameters=vector, jacobian=claimed), params.pack_flat
