"""A Jacobian or Hessian that is known by its products alone: each against the function.

The adjoint product with random weights u is the gradient of u . F, which is checked as any loss is;
the forward product along v is the derivative of F(x + t v) by t, a Jacobian of one column.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from gradcheck.diagnose.rules import forward_backward_inconsistent
from gradcheck.finding import Finding
from gradcheck.jacobians import JacobianProblem, VectorPoint, run_jacobian
from gradcheck.numeric.estimate import Array
from gradcheck.numeric.loss_lines import random_signs
from gradcheck.options import Options
from gradcheck.pipeline import generator, run
from gradcheck.report.model import Report
from gradcheck.sampling import Coverage
from gradcheck.user.blocks import cut
from gradcheck.user.calls import UserCodeError, call
from gradcheck.user.problem import Problem
from gradcheck.user.structures import flatten
from gradcheck.user.vectors import FUNCTION, JACOBIAN, WrongShapeError

FORWARD = "forward product"
NO_ADJOINT = (
    "your operator has no adjoint product (rmatvec), so that only the forward one was checked"
)
TOGETHER = 1e-8
"""Forward and adjoint products that are apart by more, relatively, are not of one matrix."""


def check_products(
    problem: JacobianProblem, point: VectorPoint, operator: Any, options: Options
) -> Report:
    """Checks the forward and the adjoint product of an operator, and the one against the other.

    Raises:
        UsageError: it has another shape.
    """
    vectors, rng = point.vectors, generator(options.seed)
    wanted = vectors.rows, len(vectors.point)
    if tuple(operator.shape) != wanted:
        raise WrongShapeError(tuple(operator.shape), wanted, lambda: np.zeros(wanted))
    sizes = np.where(vectors.point == 0, 1.0, np.abs(vectors.point))
    along = _random(sizes, rng)
    weights = _random(float(np.min(point.noise.level)) / point.noise.level, rng)
    ahead = _product(operator.matvec, along)
    forward = run_jacobian(
        JacobianProblem(
            flatten({FORWARD: 0.0}),
            lambda p: vectors.asked(vectors.point + float(p[FORWARD]) * along),
            ahead.reshape(-1, 1),
            row_name=vectors.row_name,
        ),
        replace(options, entries="all"),
    )
    try:
        back = _product(operator.rmatvec, weights)
    except UserCodeError as error:
        if not isinstance(error.raised.error, NotImplementedError):
            raise
        return replace(forward, notes=(*forward.notes, NO_ADJOINT))
    adjoint = run(_contracted(problem, point, weights), options)
    scale = float(np.abs(weights) @ np.abs(ahead) + np.abs(back) @ np.abs(along))
    findings = (*forward.findings, *adjoint.findings)
    verdicts = [forward.verdict, adjoint.verdict]
    if abs(float(weights @ ahead - back @ along)) > TOGETHER * scale:
        findings = (_apart(problem, forward, adjoint), *findings)
        verdicts.append("fail")
    return replace(
        adjoint,
        verdict=next(one for one in ("fail", "inconclusive", "pass") if one in verdicts),
        blocks=(*forward.blocks, *adjoint.blocks),
        findings=findings,
        evaluations=forward.evaluations + adjoint.evaluations,
        coverage=Coverage(
            forward.coverage.entries + adjoint.coverage.entries,
            forward.coverage.total + adjoint.coverage.total,
            "products with random vectors",
        ),
        notes=tuple(dict.fromkeys((*forward.notes, *adjoint.notes))),
    )


def _contracted(problem: JacobianProblem, point: VectorPoint, weights: Array) -> Problem:
    """The sum of the weighted values as a loss, with the adjoint product as its gradient."""
    shapes = problem.parameters.shapes

    def loss(packed: Any) -> float:
        values = np.asarray(call(problem.function, FUNCTION, packed), dtype=np.float64)
        return float(weights @ values.reshape(-1))

    def gradient(packed: Any) -> Any:
        parts = cut(_product(problem.claimed(packed).rmatvec, weights), shapes)
        return parts[0] if len(parts) == 1 else tuple(parts)

    return Problem(problem.parameters, loss, gradient, layered=False, bounds=problem.bounds)


def _apart(problem: JacobianProblem, forward: Report, adjoint: Report) -> Finding:
    right = [
        f"the {kind} product agrees with finite differences"
        for kind, report in (("forward", forward), ("adjoint", adjoint))
        if report.ok
    ]
    return forward_backward_inconsistent.RULE.finding(
        (FORWARD, *problem.parameters.names),
        "the products of your Hessian are not those of a symmetric matrix: u . (H v) is not "
        "(H u) . v"
        if problem.of_loss
        else "the forward and the adjoint product of your Jacobian are not of one matrix: "
        "u . (J v) is not (J^T u) . v",
        evidence=tuple(right or ["neither agrees with finite differences"]),
        fix="mend the product where it does not agree"
        if problem.of_loss
        else "make rmatvec the product with the transpose of what matvec multiplies by",
    )


def _random(sizes: Array, rng: np.random.Generator) -> Array:
    return np.asarray(sizes * random_signs(sizes.shape, rng) * rng.uniform(0.5, 1.5, sizes.shape))


def _product(multiply: Callable[[Array], Any], vector: Array) -> Array:
    return np.asarray(call(multiply, JACOBIAN, vector.copy()), dtype=np.float64).reshape(-1)
